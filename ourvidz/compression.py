"""Compressed answers, where their length tells nobody a secret: docs/decisions/0013-compression.md."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

# By URL namespace. Accounts, the admin and files are not among them, nor is what nobody has thought about.
NAMESPACES = frozenset({"workspace", "library", "api"})
OPEN_VIEWS = frozenset({"schema"})
CONTENT_TYPES = frozenset({"text/html", "application/json", "application/problem+json"})
OPENAPI = "application/vnd.oai.openapi"
OWN_SITE = frozenset({"same-origin", "none"})


class CompressionMiddleware(GZipMiddleware):
    """Django's own, which pads each answer by a random length, for chosen routes and callers only."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.streaming or not _is_compressible(response) or not _is_chosen(request):
            return response
        if _may_be_forced(request):
            return response
        return super().process_response(request, response)


def _is_compressible(response: HttpResponseBase) -> bool:
    content_type = response.get("Content-Type", "").partition(";")[0]
    return content_type in CONTENT_TYPES or content_type.startswith(OPENAPI)


def _is_chosen(request: HttpRequest) -> bool:
    match = request.resolver_match
    if match is None:
        return False
    return match.app_name in NAMESPACES or match.view_name in OPEN_VIEWS


def _may_be_forced(request: HttpRequest) -> bool:
    """Whether another site may have made this browser ask, with its user's cookies.

    Browsers say so themselves over HTTPS. Over plain HTTP they do not, and who listens reads the page anyway.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        return request.is_secure() and bool(request.COOKIES)
    return site not in OWN_SITE
