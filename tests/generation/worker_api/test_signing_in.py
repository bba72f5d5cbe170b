from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from generation.models import Worker, WorkerToken
from tests.acting import issue_personal_token, issue_worker_token
from tests.factories import make_job
from tests.generation.worker_api.conftest import V1, Machine

CALLS = [
    ("post", f"{V1}/lease"),
    ("post", f"{V1}/job-callback"),
    ("post", f"{V1}/jobs/0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01/heartbeat"),
    ("post", f"{V1}/jobs/0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01/release"),
    ("put", f"{V1}/jobs/0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01/uploads/0"),
    ("put", f"{V1}/jobs/0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01/previews/0"),
    ("post", f"{V1}/benchmark"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "url"), CALLS)
@pytest.mark.parametrize("header", [None, "Bearer ovw_wrong", "Bearer", "Bearer caf\xe9"])
def test_nobody_calls_without_a_workers_token(method: str, url: str, header: str | None) -> None:
    """pitfall 17"""
    client = APIClient()
    if header:
        client.credentials(HTTP_AUTHORIZATION=header)

    response = getattr(client, method)(url, {}, format="json")

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "url"), CALLS)
def test_a_persons_token_and_session_are_no_workers(owner: User, method: str, url: str) -> None:
    token = issue_personal_token(owner_id=owner.pk, name="test")
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert getattr(client, method)(url, {}, format="json").status_code == 401

    client = APIClient()
    client.force_login(owner)
    assert getattr(client, method)(url, {}, format="json").status_code == 401


def test_a_disabled_worker_is_told_so_and_gets_nothing(machine: Machine, owner: User) -> None:
    job = make_job(owner)
    Worker.objects.update(enabled=False)

    response = machine.lease()

    assert (response.status_code, response.json()["code"]) == (403, "worker_disabled")
    job.refresh_from_db()
    assert job.status == "queued"


def test_two_tokens_live_at_once_and_a_third_retires_the_first(machine: Machine) -> None:
    first = machine.http
    second = APIClient(HTTP_AUTHORIZATION=f"Bearer {issue_worker_token(machine.worker)}")
    body = {"engines": ["sdxl"]}
    assert [c.post(f"{V1}/lease", body, format="json").status_code for c in (first, second)] == [204, 204]

    issue_worker_token(machine.worker)
    assert [c.post(f"{V1}/lease", body, format="json").status_code for c in (first, second)] == [401, 204]


def test_a_revoked_token_is_refused(machine: Machine) -> None:
    WorkerToken.objects.update(revoked_at=timezone.now())

    assert machine.lease().status_code == 401


def test_calling_is_noted_once_in_ten_seconds(machine: Machine) -> None:
    machine.lease()
    first = Worker.objects.get().last_seen_at
    assert first is not None

    with CaptureQueriesContext(connection) as queries:
        machine.lease()
    assert not [q for q in queries if "last_seen_at" in q["sql"] and q["sql"].startswith("UPDATE")]

    Worker.objects.update(last_seen_at=first - timedelta(seconds=11))
    machine.lease()
    again = Worker.objects.get().last_seen_at
    assert again is not None
    assert again >= first
