"""Maps every exception to a problem object (RFC 9457)."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from generation.catalog.submission import InvalidSubmission
from generation.core.errors import DomainError
from generation.core.service_errors import service_error_of
from generation.http.openapi import PROBLEM_JSON
from generation.queue import reap_hold

log = structlog.get_logger("ourvidz.api")
BODY = "body"
TOO_LARGE = "The body is too large."

STATUS_OF = {
    "not_found": HTTPStatus.NOT_FOUND,
    "too_many_operations": HTTPStatus.TOO_MANY_REQUESTS,
    "not_now": HTTPStatus.CONFLICT,
    "job_not_found": HTTPStatus.NOT_FOUND,
    "import_not_found": HTTPStatus.NOT_FOUND,
    "already_imported": HTTPStatus.CONFLICT,
    "unknown_slot": HTTPStatus.NOT_FOUND,
    "lease_lost": HTTPStatus.CONFLICT,
    "not_retryable": HTTPStatus.CONFLICT,
    "not_movable": HTTPStatus.CONFLICT,
    "not_repeatable": HTTPStatus.CONFLICT,
    "reference_in_use": HTTPStatus.CONFLICT,
    "duplicate": HTTPStatus.CONFLICT,
    "over_limit": HTTPStatus.TOO_MANY_REQUESTS,
    "storage_full": HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_previews": HTTPStatus.TOO_MANY_REQUESTS,
    "over_reference_quota": HTTPStatus.TOO_MANY_REQUESTS,
    "busy_with_pictures": HTTPStatus.TOO_MANY_REQUESTS,
    "decoder_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "enrolment_ended": HTTPStatus.FORBIDDEN,
    "not_renewable": HTTPStatus.FORBIDDEN,
    "worker_disabled": HTTPStatus.FORBIDDEN,
    "no_embeddings_here": HTTPStatus.NOT_FOUND,
    "other_embedding_model": HTTPStatus.CONFLICT,
    "embedding_pending": HTTPStatus.CONFLICT,
    "no_embedder": HTTPStatus.CONFLICT,
    "embedding_not_allowed": HTTPStatus.FORBIDDEN,
    "too_many_enrolments": HTTPStatus.TOO_MANY_REQUESTS,
    "reload": HTTPStatus.GONE,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
FIELD_OF = {
    "bad_cursor": "cursor",
    "bad_name": "name",
    "bad_project_name": "name",
    "idempotency_key_reused": "Idempotency-Key",
    "too_many": BODY,
    "unusable_picture": BODY,
}


def problem(exc: Exception, context: dict[str, Any]) -> Response | None:
    """The response to an exception that concerns the caller; None for a defect of the program."""
    match exc:
        case InvalidSubmission():
            return invalid_response(exc.errors)
        case DomainError():
            status = STATUS_OF.get(exc.code, HTTPStatus.UNPROCESSABLE_ENTITY)
            field = FIELD_OF.get(exc.code)
            return problem_response(
                status,
                exc.message,
                code=exc.code,
                errors={field: exc.message} if field else None,
                headers={"Retry-After": str(exc.retry_after)} if exc.retry_after else None,
            )
        case exceptions.ValidationError():
            return invalid_response(dict(_flat(exc.detail)))
        case exceptions.ParseError():
            return invalid_response({BODY: str(exc.detail)}, code="malformed")
        case exceptions.APIException():
            return _api_exception(exc)
    return _django_exception(exc)


def _django_exception(exc: Exception) -> Response | None:
    match exc:
        case Http404():
            return problem_response(HTTPStatus.NOT_FOUND, "There is nothing here.", code="not_found")
        case PermissionDenied():
            return problem_response(HTTPStatus.FORBIDDEN, "This is not allowed.", code="permission_denied")
        case RequestDataTooBig():
            return problem_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE, code="too_large")
    if service_error := service_error_of(exc):
        log.error(service_error.event, error=type(exc).__name__, reason=str(exc)[:200])
        reap_hold.begin()
        away = HTTPStatus.SERVICE_UNAVAILABLE
        return problem_response(
            away, service_error.message, code=service_error.code, headers=service_error.headers
        )
    return None


def problem_object(
    status: int, detail: str, *, code: str, errors: dict[str, str] | None = None
) -> dict[str, Any]:
    """A problem object: `errors` has one sentence for each field, named by its path, as `assets.0.seed`."""
    return {
        "type": f"urn:ourvidz:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": printable(detail),
        "errors": {printable(name): printable(text) for name, text in (errors or {}).items()},
    }


def problem_response(
    status: int,
    detail: str,
    *,
    code: str,
    errors: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body = problem_object(status, detail, code=code, errors=errors)
    return Response(body, int(status), headers=headers, content_type=PROBLEM_JSON)


def invalid_response(errors: dict[str, str], *, code: str = "invalid") -> Response:
    detail = " ".join(f"{name}: {message}" for name, message in errors.items())
    return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code=code, errors=errors)


def printable(text: str) -> str:
    """`text` without what cannot be sent (a lone surrogate a caller sent us), and not endless."""
    return text.encode("utf-8", "replace").decode()[:500]


def _api_exception(exc: exceptions.APIException) -> Response:
    headers = {}
    if scheme := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = scheme
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    code = exc.get_codes()
    name = code if isinstance(code, str) else exc.default_code
    return problem_response(exc.status_code, str(exc.detail), code=name, headers=headers)


def _flat(detail: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Field paths with their sentences, out of the framework's nested errors."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else str(name)
            yield from _flat(inner, ".".join(part for part in (path, own) if part))
    elif isinstance(detail, list) and any(isinstance(inner, dict | list) for inner in detail):
        for position, inner in enumerate(detail):
            yield from _flat(inner, f"{path}.{position}" if path else str(position))
    elif isinstance(detail, list):
        yield path or BODY, " ".join(map(str, detail))
    else:
        yield path or BODY, str(detail)
