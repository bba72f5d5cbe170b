"""What starts a bulk operation: who does, and the answer."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from generation.access.principals import principal_of
from generation.api import organising as forms
from generation.assets import operation_work
from generation.http.views import owner_of
from generation.models import BulkOperation

WORKED_SECONDS = 1.0


def who(request: Request) -> dict[str, Any]:
    return {"owner_id": owner_of(request).pk, "actor": principal_of(request)}


def operation_response(operation: BulkOperation) -> Response:
    """Begin with it at once; what is left is worked without the caller."""
    operation_work.work(operation.owner_id, seconds=WORKED_SECONDS)
    operation.refresh_from_db()
    return Response(forms.OperationResponse(operation).data, 202)
