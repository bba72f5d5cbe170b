"""Bulk operations: cancel, undo, stop telling of."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse

from generation.access.principals import principal_of
from generation.assets import operations
from generation.http.page_requests import owner_id_of
from library.operation_texts import what_was_done
from library.responses import done
from library.views.action import action
from library.views.bulk import work


@action
def cancel(request: HttpRequest, operation_id: uuid.UUID) -> HttpResponse:
    operation = operations.cancel(
        owner_id=owner_id_of(request), actor=principal_of(request), operation_id=operation_id
    )
    return done(request, f"Stopped. {what_was_done(operation)}")


@action
def undo(request: HttpRequest, operation_id: uuid.UUID) -> HttpResponse:
    operation = operations.undo(
        owner_id=owner_id_of(request), actor=principal_of(request), operation_id=operation_id
    )
    return work(request, operation)


@action
def dismiss(request: HttpRequest, operation_id: uuid.UUID) -> HttpResponse:
    operations.dismiss(owner_id=owner_id_of(request), operation_id=operation_id)
    return done(request, "")
