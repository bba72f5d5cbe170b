"""A socket is opened by this site's pages alone: its cookie comes along from any port of the host."""

from __future__ import annotations

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import LazySettings

from ourvidz.origins import SameOriginSockets, is_same_origin

SITE = "studio.example:8000"


@pytest.fixture(autouse=True)
def _site(settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS = ["studio.example", "[::1]"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://front.example"]


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://studio.example:8000", SITE),
        ("https://studio.example", "studio.example"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("https://front.example", SITE),
    ],
)
def test_a_page_of_the_site_is_let_in(origin: str, host: str) -> None:
    assert is_same_origin(origin, host)


@pytest.mark.parametrize(
    "origin",
    [
        "http://studio.example:9999",
        "http://studio.example",
        "http://evil.example:8000",
        "http://front.example",
        "file://studio.example:8000",
        "http://studio.example:8000@evil.example",
        "http://[",
        "null",
        "",
    ],
)
def test_another_page_is_not(origin: str) -> None:
    """Another port is another service, perhaps somebody else's."""
    assert not is_same_origin(origin, SITE)


def test_a_host_that_is_not_ours_is_refused_even_to_itself() -> None:
    """A name that an attacker points at this machine."""
    assert not is_same_origin("http://evil.example:8000", "evil.example:8000")


def test_behind_tls_a_plain_page_is_refused(settings: LazySettings) -> None:
    settings.HTTPS = True
    assert is_same_origin("https://studio.example", "studio.example")
    assert not is_same_origin("http://studio.example", "studio.example")


@pytest.mark.parametrize(("origin", "answer"), [(b"http://studio.example:8000", True), (None, False)])
async def test_the_socket_opens_or_is_denied(origin: bytes | None, answer: bool) -> None:
    async def accepting(scope: object, receive: object, send: object) -> None:
        await send({"type": "websocket.accept"})  # type: ignore[operator] # ASGI's send

    headers = [(b"host", SITE.encode()), *([(b"origin", origin)] if origin else [])]
    page = WebsocketCommunicator(SameOriginSockets(accepting), "/ws/workspace/", headers)
    connected, _ = await page.connect()
    assert connected is answer


def test_the_sites_sockets_stand_behind_it() -> None:
    from ourvidz.asgi import application  # only now: it looks at the static folder

    assert isinstance(application.application_mapping["websocket"], SameOriginSockets)
