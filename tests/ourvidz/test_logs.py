"""Logs keep no secret."""

from __future__ import annotations

import logging
import logging.config
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.test import Client

from accounts.sign_in_links import sign_in_path
from tests.factories import make_user


@pytest.mark.django_db
def test_a_refused_link_does_not_stand_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A browser that sends no cookies is refused, and the link in the log's line would still work."""
    path = sign_in_path(make_user())
    caplog.handler.setFormatter(_formatter())
    assert Client(enforce_csrf_checks=True).post(path).status_code == 403
    assert "Forbidden" in caplog.text
    assert path not in caplog.text


def refused(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the site's own handler writes about refused requests."""
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("django.")]
    caplog.clear()
    return lines


@pytest.fixture
def clock(caplog: pytest.LogCaptureFixture) -> Iterator[list[float]]:
    """The handler that catches lines has the filter of the site's own, at this time."""
    now = [0.0]
    site: Any = settings.LOGGING
    limits = [
        site["filters"][name]["()"](clock=lambda: now[0]) for name in site["handlers"]["stderr"]["filters"]
    ]
    for limit in limits:
        caplog.handler.addFilter(limit)
    yield now
    for limit in limits:
        caplog.handler.removeFilter(limit)


def test_refusals_of_one_address_are_one_line_a_minute(
    caplog: pytest.LogCaptureFixture, clock: list[float]
) -> None:
    """A caller without an account wrote 242 KB of log a second."""
    client, other = Client(), Client(REMOTE_ADDR="203.0.113.7")
    for number in range(50):
        client.get(f"/nothing/{number}")
    client.get("/healthz", headers={"Host": "of-somebody-else.example"})
    other.get("/nothing/else")
    assert refused(caplog) == [
        "Not Found: /nothing/0",
        "Invalid HTTP_HOST header: 'of-somebody-else.example'. "
        "You may need to add 'of-somebody-else.example' to ALLOWED_HOSTS.",
        "Not Found: /nothing/else",
    ]
    clock[0] = 61.0
    client.get("/nothing/100%/more")
    client.get("/nothing/more")
    assert refused(caplog) == ["Not Found: /nothing/100%/more (and 49 more like it, left out here)"]


def test_refusals_of_many_addresses_are_bounded_too(
    caplog: pytest.LogCaptureFixture, clock: list[float]
) -> None:
    for number in range(600):
        Client(REMOTE_ADDR=f"2001:db8:0:{number:x}::1").get("/nothing")
    assert len(refused(caplog)) == 300


def test_a_warning_of_one_caller_is_bounded_and_so_are_tracebacks(
    caplog: pytest.LogCaptureFixture, clock: list[float]
) -> None:
    """What no request is: a refused socket, a disabled worker that asks again, an error of the server's."""
    log, server = structlog.get_logger("ourvidz.live"), logging.getLogger("daphne.server")
    for _ in range(300):
        log.warning("socket.refused", user=7, code=4429)
        log.info("job.submitted", actor="user:7")
        server.error("Exception inside application: %s", "one or the other")
    log.warning("socket.refused", user=8, code=4429)
    said = Counter(str(record.msg)[:60] for record in caplog.records)
    assert sorted(said.values()) == [1, 100, 100, 300]
    caplog.clear()
    clock[0] = 61.0
    log.warning("socket.refused", user=7, code=4429)
    server.error("Exception inside application: %s", "this one")
    first, second = caplog.records
    assert isinstance(first.msg, dict)
    assert first.msg["left_out"] == 200
    assert second.getMessage().endswith("this one (and 200 more like it, left out here)")


def _formatter() -> logging.Formatter:
    """The one of the site's own log."""
    formatters: Any = settings.LOGGING["formatters"]
    made = logging.config.DictConfigurator({}).configure_formatter(dict(formatters["structured"]))
    assert isinstance(made, logging.Formatter)
    return made
