"""Logs keep no secret."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
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
    (name,) = site["handlers"]["stderr"]["filters"]
    limit = site["filters"][name]["()"](clock=lambda: now[0])
    caplog.handler.addFilter(limit)
    yield now
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


def _formatter() -> logging.Formatter:
    """The one of the site's own log."""
    formatters: Any = settings.LOGGING["formatters"]
    made = logging.config.DictConfigurator({}).configure_formatter(dict(formatters["structured"]))
    assert isinstance(made, logging.Formatter)
    return made
