"""Rows of models that nobody has any more: what nothing names goes, whatever a worker invents."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.utils import timezone

from generation.models import Job, Model, ModelOffer, Worker
from generation.queue.unused_models import MAX_UNUSED, UNUSED_AGE, delete_old
from ourvidz.management.commands.maintain import HOURLY
from tests.advertised import FILM, advertise, body
from tests.factories import make_job, make_user, make_worker
from tests.generation.test_plans import plans
from tests.generation.worker_api.conftest import Machine
from workspace.models import Preset

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def worker() -> Worker:
    return make_worker("m1")


def forsake(worker: Worker, *, days: float = UNUSED_AGE.days + 1) -> None:
    """The worker has no models any more, since so many days."""
    advertise(worker)
    Model.objects.update(last_seen_at=timezone.now() - timedelta(days=days))


def names() -> list[str]:
    HOURLY["models_dropped"]()
    return sorted(Model.objects.values_list("name", flat=True))


def test_what_nobody_has_and_nothing_names_goes_after_a_week(worker: Worker) -> None:
    advertise(worker, body("kept"), body("gone"))
    Model.objects.update(last_seen_at=timezone.now() - timedelta(days=30))
    assert names() == ["gone", "kept"], "a worker has both"
    advertise(worker, body("kept"))
    assert names() == ["gone", "kept"], "since a moment"
    Model.objects.update(last_seen_at=timezone.now() - UNUSED_AGE)
    assert names() == ["kept"]
    advertise(worker, body("kept"), body("gone"))
    assert ModelOffer.objects.count() == 2


def test_a_disabled_worker_still_has_its_models(worker: Worker) -> None:
    advertise(worker, body())
    Worker.objects.update(enabled=False)
    Model.objects.update(last_seen_at=timezone.now() - timedelta(days=30))
    assert names() == [FILM]


def test_what_a_job_names_stays(worker: Worker, owner: User) -> None:
    advertise(worker, body(), body("other"))
    make_job(owner, model=FILM)
    forsake(worker)
    assert names() == [FILM]


@pytest.mark.parametrize("deleted_at", [None, timezone.now()])
def test_what_a_preset_names_stays(worker: Worker, owner: User, deleted_at: Any) -> None:
    advertise(worker, body(), body("other"))
    fields: list[dict[str, str]] = [{"model": FILM}, {"model": ""}, {}]
    for number, each in enumerate(fields):
        name = f"preset {number}"
        Preset.objects.create(owner=owner, name=name, folded_name=name, fields=each, deleted_at=deleted_at)
    forsake(worker)
    assert names() == [FILM]


@pytest.mark.parametrize(
    "said",
    [
        {"title": "Our film"},
        {"is_hidden": True},
        {"default_for": ["sdxl_image_fast"]},
        {"picture_version": "abc"},
        {"groups": True},
    ],
    ids=lambda said: next(iter(said)),
)
def test_what_an_operator_touched_stays(worker: Worker, said: dict[str, Any]) -> None:
    model = advertise(worker, body())
    if "groups" in said:
        model.groups.add(Group.objects.create(name="film"))
    else:
        Model.objects.update(**said)
    forsake(worker)
    assert names() == [FILM]


def test_a_worker_that_invents_names_adds_no_more_than_a_bound(worker: Worker) -> None:
    """Pitfall 40: each call may name 64 others."""
    machine = Machine(worker)
    Model.objects.create(name="hidden", is_hidden=True, last_seen_at=timezone.now() - timedelta(days=300))
    for call in range(8):
        invented = [body(f"name-{call}-{number}") for number in range(64)]
        assert machine.lease(models=invented, pools=[]).status_code == 204
    assert Model.objects.count() == 1 + MAX_UNUSED + 64
    assert ModelOffer.objects.count() == 64
    assert Model.objects.filter(name="hidden").exists()


def test_whether_a_job_names_it_is_read_from_an_index(worker: Worker, owner: User) -> None:
    make_job(owner)
    found = plans(lambda: delete_old(Preset.objects.none().values("name")))
    assert any("job_model" in plan for plan in found), (connection.vendor, found)
    assert Job.objects.exists()
