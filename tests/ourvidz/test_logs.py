"""Logs keep no secret."""

from __future__ import annotations

import logging
import logging.config
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


def _formatter() -> logging.Formatter:
    """The one of the site's own log."""
    formatters: Any = settings.LOGGING["formatters"]
    made = logging.config.DictConfigurator({}).configure_formatter(dict(formatters["structured"]))
    assert isinstance(made, logging.Formatter)
    return made
