"""What the admin says of each worker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generation.admin.workers import WorkerAdmin
from generation.jobs.lease import reap
from generation.models import Attempt, Job, Worker
from generation.queue.speeds import record_benchmark, record_run
from tests.factories import (
    call_back,
    complete,
    completed,
    failed,
    lease_next,
    make_job,
    make_user,
    make_worker,
)

LIST = reverse("admin:generation_worker_changelist")


@pytest.fixture
def staff_user(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff_user", password="a good long password"))
    return client


@pytest.fixture
def gpu(db: None) -> Worker:
    return make_worker("gpu-one")


def cell(staff_user: Client, worker: Worker, column: str) -> str:
    """What the list says of the worker in this column."""
    changelist = staff_user.get(LIST).context["cl"]
    (row,) = [row for row in changelist.result_list if row.pk == worker.pk]
    model_admin = changelist.model_admin
    assert isinstance(model_admin, WorkerAdmin)
    told: str = getattr(model_admin, column)(row)
    return told


def test_a_fresh_worker_has_done_nothing(staff_user: Client, gpu: Worker) -> None:
    assert cell(staff_user, gpu, "current_job") == "none"
    assert cell(staff_user, gpu, "today") == "0 done, 0 failed"
    assert cell(staff_user, gpu, "offers") == "nothing yet"
    assert cell(staff_user, gpu, "seen") == "never"
    assert cell(staff_user, gpu, "runs_on") == "not said"


def test_today_counts_what_came_of_the_leases_that_ended(staff_user: Client, gpu: Worker) -> None:
    owner = make_user()
    complete(make_job(owner, quantity=3), gpu)
    make_job(owner, quantity=3)
    job = lease_next(gpu)
    call_back(job, completed(job, 0), failed(job, 1), failed(job, 2))
    complete(make_job(owner), make_worker())
    assert cell(staff_user, gpu, "today") == "4 done, 2 failed"


def test_yesterday_is_not_today(staff_user: Client, gpu: Worker) -> None:
    complete(make_job(make_user()), gpu)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    Attempt.objects.update(leased_at=midnight - timedelta(hours=1), ended_at=midnight - timedelta(seconds=1))
    assert cell(staff_user, gpu, "today") == "0 done, 0 failed"


def test_leases_that_were_lost_are_told(staff_user: Client, gpu: Worker) -> None:
    """pitfall 18: a worker that keeps dying is seen."""
    make_job(make_user())
    lease_next(gpu)
    Job.objects.update(lease_expires_at=F("created_at") - timedelta(days=1))
    assert reap() == 1
    assert cell(staff_user, gpu, "today") == "0 done, 0 failed, 1 leases lost"


def test_a_lease_that_runs_counts_with_what_it_has_delivered(staff_user: Client, gpu: Worker) -> None:
    make_job(make_user(), quantity=3)
    job = lease_next(gpu)
    call_back(job, completed(job, 0), completed(job, 1), status="processing")
    assert cell(staff_user, gpu, "today") == "2 done, 0 failed"
    page = reverse("admin:generation_job_change", args=[job.pk])
    assert cell(staff_user, gpu, "current_job") == f'<a href="{page}">sdxl_image_fast</a> 0 %'


def test_each_job_type_says_how_long_one_result_takes(staff_user: Client, gpu: Worker) -> None:
    pools = ["sdxl_image_fast", "sdxl_image_fast+style", "video_fast", "video_fast+end_frame+start_frame"]
    Worker.objects.update(pools=[*pools, "image_fast"])
    record_benchmark(worker=gpu, seconds={"sdxl_image_fast": 4.04, "video_fast": 120}, with_="1.0, H100")
    record_run(worker=gpu, job_type="video_fast", seconds=130, slots=1)
    assert cell(staff_user, gpu, "offers").split("<br>") == [
        "sdxl_image_fast 4.0 s (benchmark)",
        "video_fast 130.0 s",
        "image_fast",
        "with end_frame, start_frame, style",
    ]


def test_what_it_withdrew_is_told_with_why_and_since_when(staff_user: Client, gpu: Worker) -> None:
    """Pitfall 46: that a worker fails a pool was to be read in logs alone."""
    assert cell(staff_user, gpu, "withdrawn") == ""
    told = {"reason": "not_a_picture: <script>", "since": "2026-11-01T10:00:00+00:00"}
    Worker.objects.update(degraded={"sdxl_image_fast": told})
    line = cell(staff_user, gpu, "withdrawn")
    assert line.startswith("sdxl_image_fast: not_a_picture: &lt;script&gt; (since Nov. 1, 2026, ")
    page = staff_user.get(reverse("admin:generation_worker_change", args=[gpu.pk])).content.decode()
    assert line in page


def test_what_a_worker_says_of_itself_is_text_and_never_markup(staff_user: Client, gpu: Worker) -> None:
    Worker.objects.update(pools=["<script>"], device="<script>", software="<script>")
    assert "<script>" not in cell(staff_user, gpu, "offers")
    assert '<td class="field-runs_on">&lt;script&gt;' in staff_user.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("flags", "state"),
    [
        ({}, "enabled"),
        ({"fallback": True}, "fallback"),
        ({"draining": True}, "draining"),
        ({"enabled": False, "draining": True}, "disabled"),
    ],
)
def test_its_state_is_told_in_a_word(
    staff_user: Client, gpu: Worker, flags: dict[str, bool], state: str
) -> None:
    Worker.objects.update(**flags)
    assert cell(staff_user, gpu, "state") == state


def test_the_workers_own_page_shows_its_benchmark(staff_user: Client, gpu: Worker) -> None:
    record_benchmark(worker=gpu, seconds={"sdxl_image_fast": 4.25}, with_="1.0, H100")
    page = staff_user.get(reverse("admin:generation_worker_change", args=[gpu.pk])).content.decode()
    assert "1.0, H100" in page
    assert "4.25" in page
