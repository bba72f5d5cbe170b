"""Scopes: what a personal token may do. Every view of the API declares what each of its methods needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission

from generation.access.principals import principal_of
from generation.http.authentication import REALM

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class InsufficientScope(PermissionDenied):
    """As RFC 6750 says it, in the body and in WWW-Authenticate."""

    default_code = "insufficient_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This token lacks the scope “{scope}”.")
        self.auth_header = f'{REALM}, error="insufficient_scope", scope="{scope}"'


class HasScope(BasePermission):
    """Asks for `required_scopes[method]` of the view; a method that declares none is refused to everybody."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method == "OPTIONS" or not hasattr(view, method.lower()):
            return True  # the answer is about the address alone, or 405
        scope = getattr(view, "required_scopes", {}).get(method)
        if scope is None:
            return False
        if scope not in principal_of(request).scopes:
            raise InsufficientScope(scope)
        return True
