"""One attack, as the JSON on the standard input says; what became of its calls on the standard output."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable

from bench.attacks import connections, requests, sockets
from bench.attacks.target import Target

ATTACKS: dict[str, Callable[[Target], Awaitable[None]]] = {
    "head": connections.head,
    "bodies": connections.bodies,
    "readers": connections.readers,
    "sockets": sockets.sockets,
    "messages": sockets.messages,
    "decoding": requests.decoding,
    "connections": connections.connections,
    "lists": requests.lists,
    "cancels": requests.cancels,
    "unknown": requests.unknown,
    "passwords": requests.passwords,
}
LATE_S = 15  # for answers that are still to come


def main() -> None:
    os.nice(5)  # the server and its honest callers come first
    target = Target(**json.load(sys.stdin))
    with contextlib.suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(ATTACKS[target.name](target), target.seconds + LATE_S))
    json.dump(dict(target.seen), sys.stdout)


if __name__ == "__main__":
    main()
