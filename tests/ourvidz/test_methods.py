"""Every address answers every method, also those that nobody sends: never with a 500."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.factories import make_user

METHODS = ("OPTIONS", "HEAD", "TRACE", "PATCH", "PROPFIND", "get")
VALUES = {"uuid": uuid.uuid4(), "int": 1}


def paths(resolver: URLResolver | None = None, prefix: str = "/") -> Iterator[str]:
    for entry in (resolver or get_resolver()).url_patterns:
        pattern: Any = entry.pattern
        if isinstance(entry, URLResolver):
            if entry.namespace != "admin":
                yield from paths(entry, prefix + _filled(pattern))
        else:
            assert isinstance(entry, URLPattern)
            yield prefix + _filled(pattern)
    if prefix == "/":
        yield from ("/admin/", "/admin/login/", "/admin/logout/", "/admin/jsi18n/", "/nothing/here")


def _filled(pattern: Any) -> str:
    """The pattern's text with a value in place of each converter; empty for a regular expression."""
    if not hasattr(pattern, "_route"):
        return ""
    text = str(pattern)
    for name, converter in pattern.converters.items():
        kind = type(converter).__name__.removesuffix("Converter").lower()
        for written in (f"<{kind}:{name}>", f"<str:{name}>", f"<{name}>"):
            text = text.replace(written, str(VALUES.get(kind, "image")))
    return text


@pytest.mark.django_db
@pytest.mark.parametrize("signed_in", [False, True])
def test_no_method_makes_an_error_of_the_server(*, signed_in: bool) -> None:
    client = Client(raise_request_exception=False)
    user = make_user()
    broken = []
    for path, method in itertools.product(paths(), METHODS):
        if signed_in:
            client.force_login(user)
        status = client.generic(method, path).status_code
        if status >= 500:
            broken.append(f"{method} {path}: {status}")
    assert broken == []


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/account/password", "/workspace/cancel", "/library/discard", "/sign-out/"])
def test_a_browser_that_opens_the_address_of_an_action_gets_a_page(path: str) -> None:
    client = Client()
    client.force_login(make_user())
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 405
    assert answer["Allow"].startswith("POST")
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert 'href="/">Go to the Workspace' in answer.content.decode()


@pytest.mark.django_db
def test_what_no_person_reads_stays_without_one() -> None:
    assert Client().get("/sign-out/", headers={"Accept": "application/json"}).content == b""
