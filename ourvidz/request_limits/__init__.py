"""Limits of requests, in front of Django: no caller takes the threads or the database from the others.

Two for each caller: how many requests in how many seconds, and how many in work at once. Over the first a
request is refused, over the second it waits for a while, holding neither a thread nor a connection. The
counts are this process's own, in memory: with N web processes a caller has N times as much.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import structlog
from django.conf import settings
from django.db import Error

from generation.core.client_address import address_of_scope
from generation.http.uploads import ADMITTED_KEY
from ourvidz.refusals import BUSY, TOO_MANY_AT_ONCE, Refusal, over_rate
from ourvidz.request_limits.callers import WORKER, Credential, KnownCallers, credential_of, look_up
from ourvidz.request_limits.slots import NoSlotError, RequestSlots
from ourvidz.request_limits.token_buckets import TokenBuckets

log = structlog.get_logger("ourvidz.requests")
# Longer than a thread waits for a connection, so that a database that is away is said to be away, and long
# enough for a burst of a hundred on a slow machine.
WAIT_S = 20.0
# A page of the Library is one request and 60 thumbnails.
MEDIA_COST = 0.1
MEDIA_PATHS = ("/media/", "/api/v1/", "/s/")
LOG_EVERY_S = 60
DISCONNECT = {"type": "http.disconnect"}


class OverRateError(Exception):
    """The caller is over the rate for another `wait_s`."""

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self.wait_s = wait_s


class RequestLimits:
    """An ASGI application around Django's."""

    def __init__(self, django: Any) -> None:
        self.django = django
        self.known = KnownCallers()
        each = {"total": settings.MAX_REQUESTS, "per_caller": settings.MAX_REQUESTS_PER_USER}
        self.slots = RequestSlots(**each)
        # Uploads wait for a decoder, holding a thread and no connection: nobody else is to wait for that.
        self.upload_slots = RequestSlots(**each)
        self.buckets = TokenBuckets(rate=settings.REQUESTS_PER_SECOND, burst=settings.REQUEST_BURST)
        self.logged = TokenBuckets(rate=1 / LOG_EVERY_S, burst=1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            if scope["path"] == "/healthz":  # waits for nobody's requests
                self._take(f"health checks from {address_of_scope(scope)}")
                await self.django(scope, receive, send)
                return
            slots = self.upload_slots if ADMITTED_KEY in scope else self.slots
            slot = _Slot(slots, await self.counted_caller(scope))
            await self._serve(slot, scope, receive, send)
        except OverRateError as over:
            await self._refuse(over_rate(max(1, math.ceil(over.wait_s))), scope, send)
        except NoSlotError as full:
            await self._refuse(TOO_MANY_AT_ONCE if full.of_caller else BUSY, scope, send)

    async def _serve(self, slot: _Slot, scope: Any, receive: Any, send: Any) -> None:
        """Raises NoSlotError."""
        answer = self.django(scope, slot.taken_after_body(receive), slot.released_by_answer(send))
        work = asyncio.ensure_future(answer)
        work.add_done_callback(slot.release_after)
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # A thread works on although its caller has gone, and counts as long as it does.
            if not slot.is_held:
                work.cancel()
            raise
        if slot.refused:
            raise slot.refused

    async def counted_caller(self, scope: Any) -> str:
        """Whose request it is, counted.

        Raises:
            OverRateError, NoSlotError
        """
        address, cost = address_of_scope(scope), cost_of(scope["path"])
        if not cost:
            return f"static files for {address}"
        credential = credential_of(scope)
        caller = await self._owner_of(credential, address) if credential else ""
        caller = caller or f"address {address}"
        is_outside = caller.startswith(WORKER) or ADMITTED_KEY in scope  # which was counted when it was asked
        if not is_outside:
            self._take(caller, cost)
        return caller

    def _take(self, caller: str, cost: float = 1) -> None:
        if wait_s := self.buckets.take(caller, cost):
            raise OverRateError(wait_s)

    async def _owner_of(self, credential: Credential, address: str) -> str:
        """The user or worker of a credential; empty for nobody's.

        Only nobody's are counted, so that a thousand workers behind one address may come at once; and not one
        that was somebody's before, so that who guesses there takes no worker its lease.
        """
        newcomers = f"unknown credentials from {address}"
        if (known := self.known.get(credential)) is not None:
            return known
        if not self.known.was_somebodys(credential) and (wait_s := self.buckets.wait_of(newcomers)):
            raise OverRateError(wait_s)
        await self.slots.take(newcomers, within_s=WAIT_S)
        try:
            if (known := self.known.get(credential)) is not None:  # another request of its has found out
                return known
            owner: str = await look_up(credential)
        except Error:
            return ""  # Django will say so
        finally:
            self.slots.release(newcomers)
        self.known.put(credential, owner)
        if not owner:
            self.buckets.spend(newcomers)
        return owner

    async def _refuse(self, refusal: Refusal, scope: Any, send: Any) -> None:
        self.log_refusal(refusal, scope)
        await refusal.send(scope, send)

    def log_refusal(self, refusal: Refusal, scope: Any) -> None:
        address = address_of_scope(scope)
        if not self.logged.take(address):
            log.warning("request.refused", reason=refusal.code, address=address, path=scope["path"][:200])


class _Slot:
    """A caller's slot, held from the end of a body to the beginning of an answer; both may be slow."""

    def __init__(self, slots: RequestSlots, caller: str) -> None:
        self.slots, self.caller = slots, caller
        self.is_held = False
        self.refused: NoSlotError | None = None

    def taken_after_body(self, receive: Any) -> Any:
        async def receive_body() -> Any:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body") and not self.is_held:
                try:
                    await self.slots.take(self.caller, within_s=WAIT_S)
                except NoSlotError as full:
                    self.refused = full
                    return DISCONNECT  # at which Django closes the body
                except asyncio.CancelledError:
                    return DISCONNECT
                self.is_held = True
            return message

        return receive_body

    def released_by_answer(self, send: Any) -> Any:
        async def send_answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.release()
            await send(message)

        return send_answer

    def release_after(self, work: asyncio.Future[None]) -> None:
        self.release()
        if not work.cancelled():
            work.exception()  # which has been seen, unless the caller has gone

    def release(self) -> None:
        if self.is_held:
            self.is_held = False
            self.slots.release(self.caller)


def cost_of(path: str) -> float:
    """How much of a bucket a request takes."""
    if path.startswith(f"/{settings.STATIC_URL.strip('/')}/"):
        return 0
    is_media = path.startswith(("/media/", "/api/v1/", "/s/")) and path.endswith(
        ("/file", "/thumbnail", "/preview")
    )
    return MEDIA_COST if is_media else 1
