"""Views with responses of every kind, for tests of what the server makes of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.files.base import File
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path

from generation.assets.delivery import FileStream

FILM_BYTES = 100 * 1024 * 1024


def sized(request: HttpRequest, size: int, status: int = 200) -> HttpResponse:
    return HttpResponse(b"x" * size, status=status)


def streamed(request: HttpRequest, size: int, status: int = 200) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        for start in range(0, size, 10_000):
            yield b"x" * min(10_000, size - start)

    return StreamingHttpResponse(parts(), status=status)


def endless(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter(lambda: b"x" * 10_000, b""))


def broken(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        yield b"x" * 1000
        raise OSError

    return StreamingHttpResponse(parts())


def announced(request: HttpRequest, size: int, length: int) -> HttpResponse:
    """A body that is not as long as its header says."""
    return HttpResponse(b"x" * size, headers={"Content-Length": str(length)})


def film(request: HttpRequest) -> FileStream:
    """A large file, after a query as each page makes one."""
    users(request)
    source = Path(settings.DATA_DIR, "film")
    if not source.exists():
        source.touch()
        os.truncate(source, FILM_BYTES)
    headers = {"Content-Length": str(FILM_BYTES)}
    return FileStream(File(source.open("rb")), start=0, length=FILM_BYTES, headers=headers)


def users(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("1")


def echo(request: HttpRequest, rest: str = "") -> JsonResponse:
    """What the server made of the request."""
    return JsonResponse(
        {
            "method": request.method,
            "path": request.path,
            "script_name": request.META["SCRIPT_NAME"],
            "url": request.build_absolute_uri(),
            "body": request.body.decode("latin1"),
            "headers": dict(request.headers),
        }
    )


urlpatterns = [
    path("sized/<int:size>", sized),
    path("sized/<int:size>/<int:status>", sized),
    path("streamed/<int:size>", streamed),
    path("streamed/<int:size>/<int:status>", streamed),
    path("endless", endless),
    path("broken", broken),
    path("announced/<int:size>/<int:length>", announced),
    path("film", film),
    path("users", users),
    path("echo/<path:rest>", echo),
    path("", include("ourvidz.urls")),
]
