"""Machines make themselves workers, and renew their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access.enrolments import MintedToken, enrol, find_enrolment, renew
from generation.core.client_address import address_of
from generation.http.authentication import REALM, bearer_of
from generation.http.fields import StrictSerializer, StrictUUIDField
from generation.http.openapi import problems
from generation.http.views import ApiView, body_of
from generation.models import Enrolment
from generation.worker_api.authentication import worker_of
from generation.worker_api.views import WorkerView

if TYPE_CHECKING:
    from rest_framework.views import APIView


class EnrolmentAuthentication(BaseAuthentication):
    """By an enrolment's token, which opens this one call."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Enrolment] | None:
        raw = bearer_of(request.headers.get("Authorization", ""))
        if raw is None:
            return None
        enrolment = find_enrolment(raw, used_from=address_of(request._request))
        if enrolment is None:
            raise AuthenticationFailed("This enrolment token is unknown, revoked or expired.")
        return AnonymousUser(), enrolment

    def authenticate_header(self, request: Request) -> str:
        return REALM


class IsEnrolling(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, Enrolment)


class EnrolmentScheme(OpenApiAuthenticationExtension):
    target_class = "generation.worker_api.enrolment.EnrolmentAuthentication"
    name = "enrolmentToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        made = "`manage.py create_enrolment NAME --engines sdxl,wan` prints one: `ove_…`."
        return {"type": "http", "scheme": "bearer", "description": made}


class EnrolRequest(StrictSerializer):
    machine = StrictUUIDField(
        help_text="Chosen by the machine once and kept. The same one again gets a token for the same worker."
    )


class RenewRequest(StrictSerializer):
    """An empty object."""


class MintedTokenResponse(serializers.Serializer[Any]):
    worker = serializers.UUIDField(help_text="The id of the worker that this machine is.")
    name = serializers.CharField(help_text="As operators see it.")
    token = serializers.CharField(help_text="For all other calls of a worker; shown this once.")
    expires_at = serializers.DateTimeField()
    expires_in_s = serializers.IntegerField(help_text="Until then; renew it after half of that.")


def _response(minted: MintedToken) -> Response:
    return Response(
        {
            "worker": str(minted.worker.pk),
            "name": minted.worker.name,
            "token": minted.token,
            "expires_at": minted.expires_at,
            "expires_in_s": minted.seconds,
        }
    )


class EnrolView(ApiView):
    authentication_classes = [EnrolmentAuthentication]
    permission_classes = [IsEnrolling]

    @extend_schema(
        operation_id="worker_enrol",
        summary="Make this machine a worker",
        tags=["worker"],
        request=EnrolRequest,
        responses={200: MintedTokenResponse, **problems(403, 413, 422, 429)},
    )
    def post(self, request: Request) -> Response:
        """With an enrolment's token. Safe to repeat with the same `machine`. The token ends."""
        body = body_of(request, EnrolRequest)
        return _response(enrol(enrolment=cast("Enrolment", request.auth), machine=body["machine"]))


class RenewView(WorkerView):
    @extend_schema(
        operation_id="worker_token",
        summary="Renew a token",
        tags=["worker"],
        request=RenewRequest,
        responses={200: MintedTokenResponse, **problems(403, 413, 422, 429)},
    )
    def post(self, request: Request) -> Response:
        """A new token for a worker that enrolled; the one of this call goes on to its end."""
        body_of(request, RenewRequest)
        return _response(renew(worker=worker_of(request)))
