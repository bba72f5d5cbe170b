from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from generation.assets.infotext import infotext
from generation.assets.parameters import parameters_of_each
from generation.catalog.job_types import JOB_TYPES
from generation.catalog.submission import InvalidSubmission, Submission
from generation.core.errors import NotRetryable
from generation.jobs.again import NotRepeatable
from generation.jobs.lease import lease
from generation.models import Job, Model, Worker, WorkerSpeed
from generation.queue.estimates import QueuePosition, forecast, queue_positions
from generation.queue.speeds import Work, run_times
from tests.acting import retry, run_again, submit
from tests.advertised import FILM, advertise, body, deliver
from tests.factories import call_back, completed, failed, fresh, make_job, make_user, make_worker

pytestmark = pytest.mark.django_db
GRAIN = {"name": "film-grain", "weight": 0.8}


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def worker() -> Worker:
    return make_worker("m1")


def refusal(owner: User, **fields: Any) -> dict[str, str]:
    with pytest.raises(InvalidSubmission) as refused:
        make_job(owner, **{"model": FILM, **fields})
    assert not Job.objects.exists()
    return refused.value.errors


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({"steps": 13}, "settings.steps"),
        ({"steps": 3}, "settings.steps"),
        ({"steps": 8.0}, "settings.steps"),
        ({"steps": True}, "settings.steps"),
        ({"steps": "8"}, "settings.steps"),
        ({"steps": None}, "settings.steps"),
        ({"guidance": 3.01}, "settings.guidance"),
        ({"guidance": float("nan")}, "settings.guidance"),
        ({"scheduler": "ddim"}, "settings.scheduler"),
        ({"scheduler": ["euler"]}, "settings.scheduler"),
        ({"shift": 5}, "settings.shift"),
        ({"width": 4096}, "settings.width"),
        ({"loras": GRAIN}, "settings.loras"),
        ({"loras": "film-grain"}, "settings.loras"),
        ({"loras": ["film-grain"]}, "settings.loras"),
        ({"loras": [{"weight": 1}]}, "settings.loras"),
        ({"loras": [{"name": "sharp", "weight": 1}]}, "settings.loras"),
        ({"loras": [{"name": ["film-grain"], "weight": 1}]}, "settings.loras"),
        ({"loras": [{"name": "night", "weight": 1.1}]}, "settings.loras"),
        ({"loras": [{"name": "night", "weight": True}]}, "settings.loras"),
        ({"loras": [GRAIN, GRAIN]}, "settings.loras"),
        ({"loras": [GRAIN] * 9}, "settings.loras"),
        ({"loras": [{**GRAIN, "file": "/etc/passwd"}]}, "settings.loras"),
    ],
)
def test_a_setting_is_checked_against_the_offer(
    owner: User, worker: Worker, chosen: dict[str, Any], field: str
) -> None:
    advertise(worker, body())
    assert list(refusal(owner, settings=chosen)) == [field]


def test_what_a_model_cannot_do_is_refused_by_field(owner: User, worker: Worker) -> None:
    advertise(worker, body())
    assert list(refusal(owner, job_type="sdxl_image_high")) == ["model"]
    assert list(refusal(owner, aspect="16:9")) == ["aspect"]
    assert list(refusal(owner, model="other")) == ["model"]
    assert list(refusal(owner, model="", settings={"steps": 8})) == ["model"]


def test_every_setting_on_offer_is_told_and_what_was_asked_is_kept(owner: User, worker: Worker) -> None:
    advertise(worker, body())
    job = make_job(owner, model=FILM, settings={"guidance": 3, "loras": [{"name": "night"}]})
    assert job.settings == {"guidance": 3, "loras": [{"name": "night"}]}
    told = {name: job.parameters[name] for name in ("steps", "guidance", "scheduler", "loras")}
    assert told == {
        "steps": 8,
        "guidance": 3.0,
        "scheduler": "euler",
        "loras": [{"name": "night", "weight": 0.5}],
    }
    assert make_job(owner, model=FILM).parameters["loras"] == []


def test_a_hidden_model_and_one_of_other_groups_are_none(owner: User, worker: Worker) -> None:
    model = advertise(worker, body())
    artists = Group.objects.create(name="artists")
    model.groups.add(artists)
    assert list(refusal(owner)) == ["model"]
    owner.groups.add(artists)
    make_job(owner, model=FILM)
    Model.objects.update(is_hidden=True)
    with pytest.raises(InvalidSubmission):
        make_job(owner, model=FILM)


def test_the_digest_of_a_submission_without_a_model_is_that_of_earlier_releases() -> None:
    asked = Submission(job_type="sdxl_image_fast", prompt="boats", seed=7)
    assert asked.digest() == "cc305d307e5bf41d21c29b47a8922d14828f801528f77c427d644b6d44d55099"
    assert (
        Submission(job_type="sdxl_image_fast", prompt="boats", seed=7, model=FILM).digest()
        != "cc305d307e5bf41d21c29b47a8922d14828f801528f77c427d644b6d44d55099"
    )


def test_a_repeated_key_is_answered_although_the_model_is_gone(owner: User, worker: Worker) -> None:
    advertise(worker, body())
    asked = Submission(job_type="sdxl_image_fast", prompt="boats", model=FILM)
    first = submit(owner_id=owner.pk, submission=asked, idempotency_key="k")
    advertise(worker, body("other"))
    assert submit(owner_id=owner.pk, submission=asked, idempotency_key="k").pk == first.pk
    with pytest.raises(InvalidSubmission):
        submit(owner_id=owner.pk, submission=asked)


def test_an_operators_default_is_used_where_no_model_is_named(owner: User, worker: Worker) -> None:
    advertise(worker, body(), body("wide", sizes={"16:9": [1344, 768]}))
    assert make_job(owner).model == ""
    Model.objects.filter(name=FILM).update(default_for=["sdxl_image_fast"])

    job = make_job(owner)

    assert (job.model, job.pool, job.settings) == (FILM, f"sdxl_image_fast@{FILM}", {})
    assert job.parameters["steps"] == 8
    # What it cannot do is made without a model, as ever.
    assert make_job(owner, aspect="16:9").model == ""
    assert make_job(owner, job_type="sdxl_image_high").model == ""


def half_done(worker: Worker, owner: User) -> Job:
    """One of three came, the others failed for good."""
    make_job(owner, model=FILM, quantity=3, settings={"steps": 5})
    job = lease(worker=worker, engines=worker.engines, pools=[f"sdxl_image_fast@{FILM}"])
    assert job is not None
    call_back(job, completed(job, 0), failed(job, 1), failed(job, 2))
    return fresh(job)


def again(owner: User, job: Job, **how: Any) -> Job:
    return run_again(owner_id=owner.pk, job_id=job.pk, **how)


def test_what_is_made_again_keeps_model_and_settings(owner: User, worker: Worker) -> None:
    advertise(worker, body())
    job = half_done(worker, owner)
    kept = ("model", "model_digest", "settings", "pool", "parameters", "width", "height")
    for other in (again(owner, job), again(owner, job, vary=True)):
        assert [getattr(other, name) for name in kept] == [getattr(job, name) for name in kept]
    retry(owner_id=owner.pk, job_id=job.pk, slots=[1])
    assert [asset.status for asset in fresh(job).slots] == ["completed", "queued", "failed"]


@pytest.mark.parametrize("slots", [None, [1]])
def test_a_changed_model_is_said_and_only_a_variation_is_made(
    owner: User, worker: Worker, slots: list[int] | None
) -> None:
    advertise(worker, body())
    job = half_done(worker, owner)
    advertise(worker, body(digest="b" * 64))
    with pytest.raises(NotRepeatable, match="Film XL has changed since it was submitted"):
        again(owner, job)
    with pytest.raises(NotRetryable, match="Film XL has changed since it was submitted"):
        retry(owner_id=owner.pk, job_id=job.pk, slots=slots)
    assert fresh(job).status == "partial"
    assert again(owner, job, vary=True).model_digest == "b" * 64


def test_a_model_that_is_gone_is_said(owner: User, worker: Worker) -> None:
    advertise(worker, body())
    job = half_done(worker, owner)
    advertise(worker, body("other"))
    for call in (again, lambda owner, job: again(owner, job, vary=True)):
        with pytest.raises(NotRepeatable, match="film-xl"):
            call(owner, job)
    with pytest.raises(NotRetryable, match="“film-xl” is not there any more"):
        retry(owner_id=owner.pk, job_id=job.pk)


def test_a_model_whose_worker_says_no_digest_is_taken_as_the_same(owner: User, worker: Worker) -> None:
    advertise(worker, body(digest=""))
    job = half_done(worker, owner)
    advertise(worker, body())
    assert again(owner, job).model_digest == "a" * 64


def test_a_job_without_a_model_is_made_again_without_one(owner: User, worker: Worker) -> None:
    advertise(worker, body())
    job = make_job(owner)
    Model.objects.update(default_for=["sdxl_image_fast"])
    assert again(owner, job).model == ""
    assert make_job(owner).model == FILM


def position(job: Job) -> QueuePosition:
    return queue_positions([job])[job.pk]


def test_times_are_of_the_job_type_with_the_model(owner: User, worker: Worker) -> None:
    plain, film = "sdxl_image_fast", f"sdxl_image_fast@{FILM}"
    advertise(worker, body(), pools=[plain, film])
    WorkerSpeed.objects.create(worker=worker, job_type="sdxl_image_fast", seconds=10)
    assert position(make_job(owner, model=FILM)).runs_for == 10, "nobody has run it yet"
    WorkerSpeed.objects.create(worker=worker, job_type="sdxl_image_fast", model=FILM, seconds=4)
    first, second = make_job(owner), make_job(owner, model=FILM)
    assert (position(first).runs_for, position(second).runs_for) == (10, 4)
    assert position(second).starts_in == 14
    times = run_times([worker.pk])
    assert times.pace_of[worker.pk] == pytest.approx(2), "a model with few steps says nothing of it"
    assert times.factor_of[Work("sdxl_image_fast", FILM)] == pytest.approx(0.4)
    assert times.seconds(None, "sdxl_image_fast", 1, FILM) == pytest.approx(4)


def test_a_lease_is_recorded_as_the_speed_with_its_model(owner: User, worker: Worker) -> None:
    advertise(worker, body())
    deliver(worker, make_job(owner, model=FILM))
    [speed] = WorkerSpeed.objects.all()
    assert (speed.job_type, speed.model, speed.samples) == ("sdxl_image_fast", FILM, 1)


def test_no_worker_for_it_is_said_of_the_model_alone(owner: User, worker: Worker) -> None:
    job_type = JOB_TYPES["sdxl_image_fast"]
    advertise(worker, body(), pools=["sdxl_image_fast"])
    waiting = make_job(owner, model=FILM)
    assert not position(waiting).served
    assert not forecast(owner_id=owner.pk, job_type=job_type, quantity=1, model=FILM).served
    assert forecast(owner_id=owner.pk, job_type=job_type, quantity=1).served
    advertise(worker, body())
    assert position(waiting).served
    assert forecast(owner_id=owner.pk, job_type=job_type, quantity=1, model=FILM).position == 2


def test_files_that_leave_say_model_and_settings(owner: User, worker: Worker) -> None:
    advertise(worker, body())
    [asset] = deliver(worker, make_job(owner, model=FILM, settings={"steps": 5}))
    [said] = parameters_of_each([asset])
    assert (said["model"], said["settings"], said["parameters"]["guidance"]) == (FILM, {"steps": 5}, 2.0)
    assert f"Model: {FILM}" in infotext(asset)
