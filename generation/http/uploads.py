"""The methods that take uploads: whether the caller may send one is asked before the body is read.

`takes_upload` is the one declaration. ourvidz.admission finds it by the URL and first puts the request to
the view by its headers alone; every other method is sent at most MAX_BODY_BYTES.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.urls import Resolver404, resolve
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access.principals import principal_of

SCOPE_KEY = "ourvidz.admission"
# In the scope of an upload that was admitted: its view was asked, and it has been counted.
ADMITTED_KEY = "ourvidz.admitted"


@dataclass(frozen=True, slots=True)
class UploadRule:
    """What a method takes: bodies of up to as many bytes as this setting says."""

    limit_setting: str

    @property
    def limit(self) -> int:
        return int(getattr(settings, self.limit_setting))


@dataclass(slots=True)
class Admission:
    """In a request's ASGI scope: the view is asked by the headers alone, and names whom it admits."""

    caller: str = ""


def takes_upload(limit_setting: str, admit: Callable[..., None]) -> Callable[[Any], Any]:
    """Declare that a view's method takes uploads.

    `admit(request, **kwargs)` raises what the method itself would raise for this caller, as far as the
    headers show it. Authentication and permissions have been checked before.
    """

    def decorate(method: Any) -> Any:
        @wraps(method)
        def handle(view: Any, request: Request, **kwargs: Any) -> Any:
            admission = getattr(request._request, "scope", {}).get(SCOPE_KEY)
            if admission is None:
                return method(view, request, **kwargs)
            admit(request, **kwargs)
            admission.caller = _caller_of(request)
            return Response(status=204)

        handle.upload_rule = UploadRule(limit_setting)  # type: ignore[attr-defined] # read by upload_rule
        return handle

    return decorate


def upload_rule(path: str, method: str) -> UploadRule | None:
    """What the view at this path declares for the method; None for a view that takes no uploads."""
    try:
        view = resolve(path).func
    except Resolver404:
        return None
    return getattr(getattr(getattr(view, "view_class", None), method.lower(), None), "upload_rule", None)


def _caller_of(request: Request) -> str:
    """The same for all sessions and tokens of a user, for a bound that is theirs together."""
    principal = principal_of(request)
    return str(principal) if principal.worker else f"user:{principal.user_id}"
