"""Limits of sockets' handshakes: they count as requests, and nobody's are refused here."""

from __future__ import annotations

import contextlib
import math
from typing import Any

from django.conf import settings

from ourvidz.refusals import TOO_MANY_AT_ONCE, over_rate
from ourvidz.request_limits import WAIT_S, OverRateError, RequestLimits
from ourvidz.request_limits.callers import USER
from ourvidz.request_limits.slots import NoSlotError, RequestSlots

DENIED = {"type": "websocket.close"}


class HandshakeLimits:
    """An ASGI application around the sockets', whose sessions are all read in one thread.

    So no more than a few handshakes of one user wait for it at once. They wait for no requests in work.
    """

    def __init__(self, sockets: Any, limits: RequestLimits) -> None:
        self.sockets, self.limits = sockets, limits
        self.slots = RequestSlots(total=settings.MAX_REQUESTS, per_caller=settings.MAX_REQUESTS_PER_USER)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            caller = await self.limits.counted_caller(scope)
            if not caller.startswith(USER):
                await send(DENIED)
                return
            await self.slots.take(caller, within_s=WAIT_S)
        except OverRateError as over:
            self.limits.log_refusal(over_rate(math.ceil(over.wait_s)), scope)
            await send(DENIED)
        except NoSlotError:
            self.limits.log_refusal(TOO_MANY_AT_ONCE, scope)
            await send(DENIED)
        else:
            with contextlib.ExitStack() as held:
                held.callback(self.slots.release, caller)

                async def send_answer(message: Any) -> None:
                    held.close()  # accepted or not: the handshake is over
                    await send(message)

                await self.sockets(scope, receive, send_answer)
