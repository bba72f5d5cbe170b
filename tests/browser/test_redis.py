"""The channel layer only carries hints: while Redis is emptied, away or new, nothing but speed is lost."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, is_same_page, never_reloaded, stack
from tests.functional import ledger
from tests.functional.installation import Installation
from tests.servers import temporary_redis
from tests.servers.process import free_port

CONVERGES_MS = 30_000


class Redis:
    """A Redis of the test's own, which it may do anything to."""

    def __init__(self) -> None:
        self.port = free_port()
        self.running = contextlib.ExitStack()
        self.start()

    def start(self) -> None:
        self.url = self.running.enter_context(temporary_redis(self.port))

    def say(self, command: str) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(f"{command}\r\n".encode())
            connection.recv(100)  # nothing, when it shuts down

    def kill(self) -> None:
        self.say("SHUTDOWN NOSAVE NOW FORCE")
        self.running.close()


@pytest.fixture
def redis() -> Iterator[Redis]:
    own = Redis()
    yield own
    own.running.close()


@pytest.fixture
def hinted(live: Installation, redis: Redis) -> Iterator[Installation]:
    """A web server whose hints go through that Redis."""
    server = live.beside(REDIS_URL=redis.url)
    server.start()
    yield server
    server.tidy()
    server.stop()


def test_callbacks_and_pages_do_without_redis(
    hinted: Installation, redis: Redis, browsers: Browsers, owner: User
) -> None:
    """Pitfall 23. A dead channel layer fails no callback and no lease; the page catches up by itself."""
    machine = hinted.machine()
    job = hinted.person(owner).submit(quantity=6)
    work = machine.lease()
    page = browsers.open(f"{hinted.address}/", user=owner)
    done = stack(page, job).locator('[data-phase="done"]')
    go_live(page)
    never_reloaded(page)
    machine.deliver(work, 0)
    expect(done).to_have_count(1, timeout=CONVERGES_MS)

    redis.say("FLUSHALL")
    machine.deliver(work, 1)
    expect(done).to_have_count(2, timeout=CONVERGES_MS)

    browsers.network_is_cut = True
    redis.kill()
    machine.deliver(work, 2)
    assert machine.heartbeat(work, 50, "sketching").json() == {"action": "continue"}
    assert machine.ask_for_work(wait_s=1) is None, "a worker that waits is told to ask again, not sent away"
    assert len(ledger.done(job)) == 3
    expect(done).to_have_count(3, timeout=CONVERGES_MS)  # by its own look every 25 s

    redis.start()
    machine.deliver(work, 3, 4, 5, status="completed")
    expect(done).to_have_count(6, timeout=CONVERGES_MS)
    ledger.assert_whole(job, 6)
    later = hinted.person(owner).submit()
    expect(stack(page, later)).to_be_visible(timeout=CONVERGES_MS)
    assert is_same_page(page)
