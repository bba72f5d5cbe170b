"""Who did it: each kind of actor, through its own door, is told by the audit log as itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.test import APIClient

from generation.access.principals import EVERYTHING, principal_of
from generation.api.authentication import PersonalTokenAuthentication, SessionAuthentication
from generation.core.clock import from_now
from generation.models import Image, Job, PersonalToken, Worker, WorkerToken
from generation.worker_api.authentication import WorkerTokenAuthentication
from tests.acting import issue_personal_token, issue_worker_token
from tests.factories import call_back, complete, failed, fresh, lease_next, make_job, make_user, make_worker
from tests.generation.admin.rotating import rotate
from tests.generation.conftest import LogOf

Log = list[dict[str, object]]


@pytest.fixture
def staff_user(db: None) -> User:
    return User.objects.create_superuser("staff_user", password="a good long password")


def signed_in(user: User, client: Client | None = None) -> Any:
    client = client or Client()
    client.force_login(user)
    return client


def with_token(raw: str) -> APIClient:
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {raw}")


def admin_action(staff_user: User, action: str, *rows: Any) -> None:
    url = reverse(f"admin:generation_{rows[0]._meta.model_name}_changelist")
    body = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    assert signed_in(staff_user).post(url, body).status_code == 302


def lines(log: Log) -> list[tuple[object, object]]:
    return [(line["event"], line["actor"]) for line in log if "actor" in line]


def history(user: User) -> list[tuple[str | None, str]]:
    """What the admin has in its records' histories of this operator."""
    entries = LogEntry.objects.filter(user=user).order_by("id")
    return [(entry.object_id, entry.change_message) for entry in entries]


def test_an_owner_cancels_on_the_page(owner: User, log_of: LogOf) -> None:
    job = make_job(owner)
    log = log_of(lambda: signed_in(owner).post(reverse("workspace:cancel", args=[job.pk])))
    assert lines(log) == [("job.cancelled", f"user:{owner.pk}")]


def test_an_owner_cancels_over_rest_by_the_session(owner: User, log_of: LogOf) -> None:
    job = make_job(owner)
    log = log_of(lambda: signed_in(owner, APIClient()).post(f"/api/v1/jobs/{job.pk}/cancel"))
    assert lines(log) == [("job.cancelled", f"user:{owner.pk}")]


def test_an_owners_script_cancels_and_its_token_stays_secret(owner: User, log_of: LogOf) -> None:
    raw = issue_personal_token(owner_id=owner.pk, name="script")
    job = make_job(owner)
    log = log_of(lambda: with_token(raw).post(f"/api/v1/jobs/{job.pk}/cancel"))
    assert lines(log) == [("job.cancelled", f"token:{PersonalToken.objects.get().pk}")]
    assert raw not in repr(log)
    assert PersonalToken.objects.get().digest not in repr(log)


def test_an_operator_cancels_a_job_that_stays_its_owners(
    owner: User, staff_user: User, log_of: LogOf
) -> None:
    job, ended = make_job(owner), make_job(owner)
    signed_in(owner).post(reverse("workspace:cancel", args=[ended.pk]))
    log = log_of(lambda: admin_action(staff_user, "cancel_jobs", job, ended))
    assert lines(log) == [("job.cancelled", f"operator:{staff_user.pk}")]
    assert (fresh(job).status, fresh(job).owner) == ("cancelled", owner)
    assert history(staff_user) == [(str(job.pk), "Cancelled.")]


def test_a_worker_ends_a_job(owner: User, log_of: LogOf) -> None:
    worker = make_worker()
    make_job(owner)
    job = lease_next(worker)
    raw = issue_worker_token(worker)
    report = {"image_index": 0, "status": "failed", "error": {"code": "x", "retryable": False}}
    body = {"job_id": job.pk, "lease_token": job.lease_token, "status": "failed", "assets": [report]}
    log = log_of(lambda: with_token(raw).post("/api/v1/worker/job-callback", body, format="json"))
    assert lines(log) == [("asset.reported", f"worker:{worker.pk}"), ("job.ended", f"worker:{worker.pk}")]
    assert raw not in repr(log)


def test_the_chores_end_a_job(owner: User, worker: Worker, log_of: LogOf) -> None:
    make_job(owner)
    lease_next(worker)
    Job.objects.update(lease_expires_at=from_now(-1), attempts_left=0)
    log = log_of(lambda: call_command("maintain", "--once"))
    assert lines(log) == [("lease.expired", "system"), ("job.ended", "system")]


def test_nobody_cancels_what_is_anothers(owner: User, log_of: LogOf) -> None:
    """A stranger finds nothing, and nothing is told of them."""
    job = make_job(owner)
    log = log_of(lambda: signed_in(make_user()).post(reverse("workspace:cancel", args=[job.pk])))
    assert lines(log) == []
    assert fresh(job).status == "queued"


def test_an_operator_queues_again_what_failed(
    owner: User, staff_user: User, worker: Worker, log_of: LogOf
) -> None:
    make_job(owner)
    job = lease_next(worker)
    call_back(job, failed(job, 0))
    log = log_of(lambda: admin_action(staff_user, "retry_jobs", job))
    assert lines(log) == [("job.retried", f"operator:{staff_user.pk}")]
    assert history(staff_user) == [(str(job.pk), "Queued again.")]


def test_an_operator_discards_and_only_what_moved_is_told(
    owner: User, staff_user: User, log_of: LogOf
) -> None:
    complete(make_job(owner))
    make_job(owner)
    image, waiting = Image.objects.order_by("pk")
    log = log_of(lambda: admin_action(staff_user, "discard_assets", image, waiting))
    assert lines(log) == [("asset.discarded", f"operator:{staff_user.pk}")]
    assert history(staff_user) == [(str(image.pk), "Discarded.")]


def test_an_operator_revokes_a_token(owner: User, staff_user: User, log_of: LogOf) -> None:
    issue_personal_token(owner_id=owner.pk, name="script")
    token = PersonalToken.objects.get()
    log = log_of(lambda: admin_action(staff_user, "revoke", token))
    assert lines(log) == [("token.revoked", f"operator:{staff_user.pk}")]
    assert history(staff_user) == [(str(token.pk), "Revoked.")]
    assert lines(log_of(lambda: admin_action(staff_user, "revoke", token))) == []


def test_an_operator_rotates_the_token_of_a_worker(staff_user: User, worker: Worker, log_of: LogOf) -> None:
    issue_worker_token(worker)
    log = log_of(lambda: rotate(signed_in(staff_user), worker))
    log += log_of(lambda: admin_action(staff_user, "revoke_older_tokens", worker))
    operator = f"operator:{staff_user.pk}"
    assert lines(log) == [("token.issued", operator), ("token.revoked", operator)]
    assert history(staff_user) == [
        (str(worker.pk), "Token rotated."),
        (str(worker.pk), "Older tokens revoked."),
    ]
    for token in WorkerToken.objects.all():
        assert token.digest not in repr(log)


@pytest.mark.parametrize(
    ("action", "event"),
    [
        ("disable", "disabled"),
        ("enable", "enabled"),
        ("drain", "drained"),
        ("take_jobs_again", "undrained"),
    ],
)
def test_an_operator_switches_a_worker(
    staff_user: User, worker: Worker, log_of: LogOf, action: str, event: str
) -> None:
    log = log_of(lambda: admin_action(staff_user, action, worker))
    assert lines(log) == [(f"worker.{event}", f"operator:{staff_user.pk}")]
    assert log[0]["worker"] == str(worker.pk)
    assert history(staff_user) == [(str(worker.pk), f"{event.capitalize()}.")]


def test_an_operator_fills_in_a_form(owner: User, staff_user: User, log_of: LogOf) -> None:
    add = reverse("admin:generation_userquota_add")
    log = log_of(lambda: signed_in(staff_user).post(add, {"owner": owner.pk, "active_jobs": 5}))
    change = reverse("admin:generation_userquota_change", args=[owner.pk])
    log += log_of(lambda: signed_in(staff_user).post(change, {"owner": owner.pk, "active_jobs": 6}))
    delete = reverse("admin:generation_userquota_delete", args=[owner.pk])
    log += log_of(lambda: signed_in(staff_user).post(delete, {"post": "yes"}))
    operator = f"operator:{staff_user.pk}"
    events = [f"userquota.{event}" for event in ("added", "changed", "deleted")]
    assert lines(log) == [(event, operator) for event in events]
    assert len(history(staff_user)) == 3


def test_an_owner_makes_a_token_and_ends_it(owner: User, log_of: LogOf) -> None:
    def make_and_end() -> None:
        client = signed_in(owner)
        client.post(reverse("accounts:create-token"), {"name": "script", "scopes": ["read"], "days": 30})
        client.post(reverse("accounts:revoke-token", args=[PersonalToken.objects.get().pk]))

    log = log_of(make_and_end)
    assert lines(log) == [("token.issued", f"user:{owner.pk}"), ("token.revoked", f"user:{owner.pk}")]
    assert PersonalToken.objects.get().digest not in repr(log)


Request_ = Callable[[str], Request]


@pytest.fixture
def request_with(rf: RequestFactory) -> Request_:
    return lambda raw: Request(rf.get("/", HTTP_AUTHORIZATION=f"Bearer {raw}"))


def test_a_token_is_a_principal_for_its_owner(owner: User, request_with: Request_) -> None:
    request = request_with(issue_personal_token(owner_id=owner.pk, name="script"))
    user, principal = PersonalTokenAuthentication().authenticate(request)
    assert (user, principal.user_id, principal.worker) == (owner, owner.pk, None)
    assert principal.id == PersonalToken.objects.get().pk
    assert principal.scopes == EVERYTHING


def test_a_worker_is_a_principal_for_nobody(worker: Worker, request_with: Request_) -> None:
    user, principal = WorkerTokenAuthentication().authenticate(request_with(issue_worker_token(worker)))
    assert (user.is_authenticated, principal.user_id, principal.worker) == (False, None, worker)
    assert principal.scopes == frozenset()


def test_a_page_and_the_api_know_one_principal_of_a_session(owner: User, rf: RequestFactory) -> None:
    page = rf.get("/")
    page.user = owner
    call = Request(page)
    _, call.auth = SessionAuthentication().authenticate(call)
    assert principal_of(page) == principal_of(call)
    assert str(principal_of(page)) == f"user:{owner.pk}"
