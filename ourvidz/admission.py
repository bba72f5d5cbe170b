"""Decides by a request's headers whether its body is read at all, and how much of it.

An application in front of the others: it answers, or passes the request on with a `receive` that ends at the
limit. Nothing of a body is read before the first `receive`: the server holds the transport back until then.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings

from generation.core.service_errors import service_error_of
from generation.http import asgi
from generation.http.asgi import Application, Message, Receive, Send
from generation.http.uploads import ADMITTED_KEY, SCOPE_KEY, Admission, UploadRule, upload_rule
from ourvidz.refusals import BODY_TOO_LARGE, unavailable
from ourvidz.upload_budget import BudgetExceeded, UploadBudget

log = structlog.get_logger("ourvidz.admission")


class BodyTooLarge(Exception):
    """More of the body came than the route takes."""


class BodyAdmission:
    """Wraps all HTTP applications; `django` has the views that are asked whether a caller may upload.

    How many are asked at once is bounded there, as of all requests.
    """

    def __init__(self, application: Application, *, django: Application) -> None:
        self.application = application
        self.django = django
        self.budget = UploadBudget()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        length = declared_length(scope)
        if length == 0:
            await self.application(scope, receive, send)
            return
        rule = upload_rule(scope["path"], scope["method"])
        limit = rule.limit if rule else settings.MAX_BODY_BYTES
        if length is not None and length > limit:
            await BODY_TOO_LARGE.send(scope, send)
        elif rule is None:
            await self._pass_on(scope, receive, send, limit)
        else:
            await self._take_upload(scope, receive, send, rule, length)

    async def _take_upload(
        self, scope: Any, receive: Receive, send: Send, rule: UploadRule, length: int | None
    ) -> None:
        try:
            admission, answer = await self._ask_view(scope)
            if not admission.caller:
                for message in answer:
                    await send(message)
                return
            with self.budget.reserve(admission.caller, rule.limit if length is None else length):
                await self._pass_on(scope | {ADMITTED_KEY: True}, receive, send, rule.limit)
        except BudgetExceeded as exceeded:
            log.warning("upload.refused", code=exceeded.refusal.code, path=scope["path"])
            await exceeded.refusal.send(scope, send)

    async def _ask_view(self, scope: Any) -> tuple[Admission, list[Message]]:
        """The view's word on the headers alone: whom it admits, else its answer."""
        admission = Admission()
        return admission, await asgi.call(self.django, scope | {SCOPE_KEY: admission})

    async def _pass_on(self, scope: Any, receive: Receive, send: Send, limit: int) -> None:
        """Run the application; it gets at most `limit` bytes of the body."""
        received = 0
        has_answered = False

        async def bounded_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise BodyTooLarge
            return message

        async def noted_send(message: Message) -> None:
            nonlocal has_answered
            has_answered = True
            await send(message)

        try:
            await self.application(scope, bounded_receive, noted_send)
        except BodyTooLarge:
            if has_answered:
                raise
            await BODY_TOO_LARGE.send(scope, send)
        except OSError as error:
            service_error = service_error_of(error)
            if has_answered or service_error is None:
                raise
            log.error(service_error.event, reason=str(error)[:200])
            await unavailable(service_error).send(scope, send)


def declared_length(scope: Any) -> int | None:
    """Bytes of the body; None when it comes in chunks."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return None
    return int(headers.get(b"content-length", 0))
