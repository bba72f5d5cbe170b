"""Signing in as a worker: `Authorization: Bearer ovw_…`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import structlog
from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission

from generation.access import tokens
from generation.access.principals import Principal, principal_of, worker_principal
from generation.core.client_address import address_of
from generation.http.authentication import REALM, bearer_of
from generation.models import Worker
from generation.worker_api.presence import record_seen

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

log = structlog.get_logger("ourvidz.worker_api")


class WorkerTokenAuthentication(BaseAuthentication):
    """A worker is a principal of its own, and nobody's user."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Principal] | None:
        raw = bearer_of(request.headers.get("Authorization", ""))
        if raw is None:
            return None
        worker = tokens.worker_of(raw, used_from=address_of(request._request))
        if worker is None:
            raise AuthenticationFailed("This token is unknown, revoked or expired.")
        if not worker.enabled:
            log.warning("worker.refused", worker=str(worker.pk), reason="disabled")
            raise PermissionDenied("This worker is disabled.", code="worker_disabled")
        record_seen(worker)
        return AnonymousUser(), worker_principal(worker)

    def authenticate_header(self, request: Request) -> str:
        return REALM


class IsWorker(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, Principal) and request.auth.worker is not None


def worker_of(request: Request) -> Worker:
    """The calling worker; IsWorker has refused everybody else."""
    return cast("Worker", principal_of(request).worker)


class WorkerTokenScheme(OpenApiAuthenticationExtension):
    target_class = "generation.worker_api.authentication.WorkerTokenAuthentication"
    name = "workerToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        made = "`manage.py create_worker NAME --engines sdxl,wan` prints one: `ovw_…`."
        return {"type": "http", "scheme": "bearer", "description": made}
