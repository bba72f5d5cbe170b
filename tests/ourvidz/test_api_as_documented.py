"""Schemathesis over both APIs: whatever is sent, the answer is one that the schema describes, never a 5xx.

A short profile, the same cases in every run. Half of the calls name objects that are there, as what is random
never does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from generation.models import Worker
from tests.acting import begin_import, issue_personal_token, issue_worker_token
from tests.factories import complete, lease_next, make_job, make_reference, make_user, make_worker

# 10 s each on an idle machine, more than a hundred on a busy one.
pytestmark = [pytest.mark.timeout(400), pytest.mark.any_database]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Pairs of calls for each operation.
EXAMPLES = {"nobody": 1, "a user": 8, "an operator": 3, "a worker": 5}
CSRF_TOKEN = "c" * 32


@pytest.fixture(scope="module")
def schema() -> Any:
    return schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))


@pytest.fixture(scope="module")
def cases(schema: Any) -> dict[str, Any]:
    """By operation: pairs of calls, one as the schema says and one as it does not."""
    operations = [found.ok() for found in schema.get_all_operations()]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return {
        operation.label: st.tuples(*(operation.as_strategy(generation_mode=mode) for mode in modes))
        for operation in operations
    }


def application() -> Callable[[Any, Any], list[bytes]]:
    """The site, whose answers are read to the end and closed, as servers do."""
    site = get_wsgi_application()

    def whole(environ: Any, start_response: Any) -> list[bytes]:
        answer = site(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            answer.close()

    return whole


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Calls would close the connection of the test's transaction; their refusals need no lines in the log."""
    logging.disable(logging.CRITICAL)
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)
    logging.disable(logging.NOTSET)


def headers_of(caller: str, user: User, worker: Worker) -> dict[str, str]:
    match caller:
        case "a user":
            token = issue_personal_token(owner_id=user.pk, name="a script")
        case "a worker":
            token = issue_worker_token(worker)
        case "an operator":
            client = Client()
            client.force_login(user)
            cookies = f"sessionid={client.cookies['sessionid'].value}; csrftoken={CSRF_TOKEN}"
            return {"Cookie": cookies, "X-CSRFToken": CSRF_TOKEN}
        case _:
            return {}
    return {"Authorization": f"Bearer {token}"}


def objects_of(user: User, holder: Worker) -> dict[str, str]:
    """What path parameters and bodies may name: the user's, and a job of his that the worker holds."""
    image = complete(make_job(user), holder)[0]
    video = complete(make_job(user, "video_fast"), holder)[0]
    job = make_job(user, quantity=3)
    leased = lease_next(holder)
    return {
        "job_id": str(job.pk),
        "asset_id": str(image.pk),
        "video_id": str(video.pk),
        "reference_id": str(make_reference(user).pk),
        "import_id": str(begin_import(user.pk).pk),
        "slot": "1",
        "lease_token": str(leased.lease_token),
    }


def name(case: Case[Any], objects: dict[str, str]) -> None:
    """Let the case ask for what is there."""
    for parameter in list(case.path_parameters or {}):
        wanted = "video_id" if "videos" in case.path and parameter == "asset_id" else parameter
        if wanted in objects:
            case.path_parameters[parameter] = objects[wanted]
    if "X-Lease-Token" in (case.headers or {}):
        case.headers["X-Lease-Token"] = objects["lease_token"]
    if isinstance(case.body, dict):
        case.body |= {field: objects[field] for field in ("job_id", "lease_token") if field in case.body}


@pytest.mark.django_db
@pytest.mark.parametrize("caller", EXAMPLES)
def test_every_answer_is_documented(caller: str, schema: Any, cases: dict[str, Any]) -> None:
    user = User.objects.create_superuser("operator") if caller == "an operator" else make_user()
    holder = make_worker()
    objects, headers = objects_of(user, holder), headers_of(caller, user, holder)
    # Else a body comes compressed, which Schemathesis does not undo when it calls in process.
    headers |= {"Accept-Encoding": "identity"}
    schema.app, wrong = application(), {}
    for operation, strategy in cases.items():
        try:
            check(strategy, schema.app, headers, objects, EXAMPLES[caller])
        except FailureGroup as failure:
            wrong[operation] = str(failure)
    report = "\n\n".join(f"{operation}: {what}" for operation, what in wrong.items())
    assert not wrong, report


def check(
    strategy: Any, app: object, headers: dict[str, str], objects: dict[str, str], examples: int
) -> None:
    @given(pair=strategy, is_there=st.booleans())
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def answers_as_documented(pair: tuple[Case[Any], Case[Any]], is_there: bool) -> None:
        for case in pair:
            if is_there:
                name(case, objects)
            case.call_and_validate(headers=headers, checks=CHECKS, app=app)

    answers_as_documented()
