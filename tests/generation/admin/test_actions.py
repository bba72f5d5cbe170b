from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from generation.access.tokens import find_personal_token, worker_of
from generation.models import Image, Job, PersonalToken, Worker, WorkerToken
from tests.acting import issue_personal_token, issue_worker_token
from tests.factories import complete, fresh, lease_next, make_job, make_user, make_worker
from tests.generation.admin.rotating import WORKERS, rotate, rotation

TOKEN = re.compile(r"ovw_[\w-]{40,}")


@pytest.fixture
def staff_user(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff_user", password="a good long password"))
    return client


def act(client: Client, action: str, *rows: Any) -> str:
    """Run the action on the rows; what it says."""
    url = reverse(f"admin:generation_{rows[0]._meta.model_name}_changelist")
    response = client.post(url, {"action": action, "_selected_action": [str(row.pk) for row in rows]})
    return [str(message) for message in get_messages(response.wsgi_request)][-1]


def test_jobs_are_cancelled_by_the_lifecycle(staff_user: Client) -> None:
    queued, leased, done = (make_job(make_user()) for _ in range(3))
    complete(queued)
    queued, done = done, queued
    lease_next(make_worker())

    assert act(staff_user, "cancel_jobs", queued, leased, done) == "2 cancelled, 1 had already ended."

    assert [fresh(job).status for job in (queued, leased, done)] == ["cancelled", "cancelled", "completed"]
    assert {a.status for a in fresh(queued).slots} == {"cancelled"}


def test_cancelling_again_says_that_nothing_was_left(staff_user: Client) -> None:
    job = make_job(make_user())
    act(staff_user, "cancel_jobs", job)
    revision = fresh(job).revision

    assert act(staff_user, "cancel_jobs", job) == "0 cancelled, 1 had already ended."
    assert fresh(job).revision == revision


def test_what_did_not_complete_is_retried(staff_user: Client) -> None:
    cancelled, queued = make_job(make_user()), make_job(make_user())
    act(staff_user, "cancel_jobs", cancelled)

    assert act(staff_user, "retry_jobs", cancelled, queued) == "1 queued again, 1 cannot be retried."
    assert fresh(cancelled).status == "queued"


def test_assets_of_many_owners_are_discarded_and_restored(staff_user: Client) -> None:
    worker = make_worker()
    made = [complete(make_job(make_user()), worker)[0] for _ in range(2)]
    images = list(Image.objects.filter(pk__in=[image.pk for image in made]))
    waiting = Image.objects.get(job=make_job(make_user()))

    assert act(staff_user, "discard_assets", *images, waiting) == "2 discarded, 1 left as they were."
    assert Image.objects.in_trash().count() == 2
    assert act(staff_user, "restore_assets", *images) == "2 restored, 0 left as they were."
    assert Image.objects.in_library().count() == 2


def test_an_admin_without_the_permission_to_change_does_nothing(staff_user: Client) -> None:
    from django.contrib.auth.models import Permission

    looker = make_user()
    User.objects.filter(pk=looker.pk).update(is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_job"))
    client = Client()
    client.force_login(User.objects.get(pk=looker.pk))
    job = make_job(make_user())

    url = reverse("admin:generation_job_changelist")
    client.post(url, {"action": "cancel_jobs", "_selected_action": [str(job.pk)]})

    assert fresh(job).status == "queued"


def test_a_new_worker_shows_its_token_once(staff_user: Client) -> None:
    inlines = {
        f"{prefix}-{name}_FORMS": "0" for prefix in ("tokens", "speeds") for name in ("TOTAL", "INITIAL")
    }
    body = {"name": "gpu-one", "engines": ["sdxl", "wan"], "enabled": "on"} | inlines

    answer = staff_user.post(reverse("admin:generation_worker_add"), body)

    (raw,) = set(TOKEN.findall(answer.content.decode()))
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert raw not in staff_user.cookies.output(), "the token is in the answer alone"
    worker = worker_of(raw)
    assert worker is not None
    assert (worker.name, worker.engines) == ("gpu-one", ["sdxl", "wan"])
    assert raw not in staff_user.get(reverse("admin:generation_worker_changelist")).content.decode()


def test_a_stolen_session_makes_no_worker_and_no_token(staff_user: Client) -> None:
    """A worker's token would outlive the session, and read the prompts of everybody."""
    worker = make_worker()
    form = rotation(staff_user, worker)
    session = staff_user.session
    session["confirmed_at"] -= 600
    session.save()
    inlines = {
        f"{prefix}-{name}_FORMS": "0" for prefix in ("tokens", "speeds") for name in ("TOTAL", "INITIAL")
    }
    body = {"name": "gpu-one", "engines": ["sdxl", "wan"], "enabled": "on"} | inlines
    add = reverse("admin:generation_worker_add")

    for path, fields in ((add, body), (WORKERS, form), (WORKERS, {**form, "confirmed": ""})):
        assert staff_user.post(path, fields)["Location"].startswith("/account/confirm?next=")

    assert list(Worker.objects.all()) == [worker]
    assert not WorkerToken.objects.exists()
    path = reverse("admin:generation_worker_change", args=[worker.pk])
    assert staff_user.get(path).status_code == 200, "looking at a worker asks for nothing"


def test_a_worker_serves_known_engines_only(staff_user: Client) -> None:
    body = {"name": "gpu-one", "engines": ["flux"], "enabled": "on"}

    assert staff_user.post(reverse("admin:generation_worker_add"), body).status_code == 200
    assert not Worker.objects.exists()


def test_a_form_that_was_opened_first_and_sent_last_issues_the_newest(staff_user: Client) -> None:
    worker = make_worker()
    forms = [rotation(staff_user, worker) for _ in range(3)]
    pages = [staff_user.post(WORKERS, form).content.decode() for form in reversed(forms)]
    _, older, newest = (TOKEN.findall(page)[0] for page in pages)
    assert [worker_of(raw) for raw in (older, newest)] == [worker, worker]
    act(staff_user, "revoke_older_tokens", worker)
    assert [worker_of(raw) for raw in (older, newest)] == [None, worker]


def test_a_token_is_rotated_without_a_gap(staff_user: Client) -> None:
    worker = make_worker()
    old = issue_worker_token(worker)

    (new,) = TOKEN.findall(rotate(staff_user, worker))
    assert (worker_of(old), worker_of(new)) == (worker, worker)

    assert act(staff_user, "revoke_older_tokens", worker) == "1 tokens revoked."
    assert (worker_of(old), worker_of(new)) == (None, worker)


def test_a_rotated_token_is_in_the_answer_alone_and_a_reload_issues_no_other(staff_user: Client) -> None:
    """A second rotation would end the token that is in use."""
    first, second = make_worker(), make_worker()
    old = issue_worker_token(first)
    form = rotation(staff_user, first, second)
    assert WorkerToken.objects.count() == 1, "it asks first"

    answer = staff_user.post(WORKERS, form)
    raws = TOKEN.findall(answer.content.decode())
    assert {worker_of(raw) for raw in raws} == {first, second}
    assert "no-store" in answer["Cache-Control"]
    assert not any(raw in staff_user.cookies.output() for raw in raws)

    again = staff_user.post(WORKERS, form, follow=True).content.decode()
    assert "issued before" in again
    assert not TOKEN.findall(again)
    assert WorkerToken.objects.count() == 3
    assert worker_of(old) == first


def test_tokens_are_revoked_for_good(staff_user: Client) -> None:
    owner, worker = make_user(), make_worker()
    personal, machine = issue_personal_token(owner_id=owner.pk, name="script"), issue_worker_token(worker)

    assert act(staff_user, "revoke", PersonalToken.objects.get()) == "1 revoked."
    assert act(staff_user, "revoke", WorkerToken.objects.get()) == "1 revoked."
    assert act(staff_user, "revoke", WorkerToken.objects.get()) == "0 revoked."
    assert (find_personal_token(personal), worker_of(machine)) == (None, None)


@pytest.mark.parametrize(
    ("action", "field", "value"),
    [
        ("disable", "enabled", False),
        ("enable", "enabled", True),
        ("drain", "draining", True),
        ("take_jobs_again", "draining", False),
    ],
)
def test_workers_are_switched(staff_user: Client, action: str, field: str, value: bool) -> None:
    worker = make_worker()
    Worker.objects.update(**{field: not value})

    act(staff_user, action, worker)

    assert getattr(Worker.objects.get(), field) is value


def test_a_draining_worker_gets_no_new_job(staff_user: Client) -> None:
    from generation.jobs.lease import lease

    make_job(make_user())
    worker = make_worker()
    act(staff_user, "drain", worker)

    assert lease(worker=Worker.objects.get(), engines=["sdxl"]) is None
    assert Job.objects.get().status == "queued"


def test_the_list_of_workers_says_what_each_does(staff_user: Client) -> None:
    job = make_job(make_user())
    lease_next(make_worker())

    page = staff_user.get(reverse("admin:generation_worker_changelist")).content.decode()

    assert f'/admin/generation/job/{job.pk}/change/">sdxl_image_fast</a> 0 %' in page
