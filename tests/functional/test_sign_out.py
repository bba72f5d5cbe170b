"""A session ends for every web process."""

from __future__ import annotations

import contextlib
import time

import pytest

from tests.functional.callers import Person
from tests.functional.installation import Installation
from tests.functional.pages import Socket

AT_ONCE_S = 10  # a recheck comes after 25


def test_signing_out_at_one_server_closes_the_sockets_of_another(live: Installation) -> None:
    """Pitfalls 24 and 48."""
    if "REDIS_URL" not in live.environment:
        pytest.skip("servers that share no channel layer tell each other nothing: name one in REDIS_URL")
    person = live.person()
    server = live.beside()
    there = Person(server.address, person.user)
    there.session = person.session
    with contextlib.ExitStack() as stack:
        stack.callback(there.http.close)
        stack.callback(server.stop)
        server.start()
        socket = stack.enter_context(contextlib.closing(Socket(there)))
        socket.say({"after": 0})
        messages = socket.messages()
        assert next(messages)["type"] == "changes"
        person.post("/sign-out/", {})
        began = time.monotonic()
        assert list(messages) == [], "nothing more, and then the end"
        took_s = time.monotonic() - began
    assert took_s < AT_ONCE_S
