"""A page for a browser that opens the address of an action, as after signing in again or from the history."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, HttpResponseNotAllowed
from django.template.loader import render_to_string


class MethodNotAllowedMiddleware:
    """Gives Django's empty 405 a body where a person reads it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and request.accepts("text/html"):
            self._explain(request, response)
        return response

    def _explain(self, request: HttpRequest, response: HttpResponse) -> None:
        if not response.content and not request.path_info.startswith("/api/"):
            response.content = render_to_string("405.html", request=request)
