from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from generation.catalog.submission import InvalidSubmission, Submission
from generation.models import Job, Model, Worker
from tests.acting import submit
from tests.advertised import FILM, advertise, body
from tests.factories import make_job, make_user, make_worker

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
