"""A fallback, as the bundled worker is, makes nothing in the place of a worker that was registered for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from rest_framework.test import APIClient

from generation.jobs.lease import lease, offered_pools
from generation.models import Worker, WorkerToken
from tests.acting import issue_worker_token
from tests.factories import make_job, make_worker

BOTH = ("sdxl", "wan")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def fallback(db: None) -> Worker:
    worker = make_worker("bundled-1")
    worker.fallback = True
    worker.save()
    return worker


def other(engines: Sequence[str] = BOTH, **fields: object) -> Worker:
    """One that asked for jobs, long ago."""
    worker = make_worker(engines=engines)
    issue_worker_token(worker)
    Worker.objects.filter(pk=worker.pk).update(**{"joined_at": LONG_AGO} | fields)
    return worker


def gets_a_job(worker: Worker) -> bool:
    return lease(worker=worker, engines=BOTH) is not None


def test_alone_it_gets_the_jobs(owner: User, fallback: Worker) -> None:
    make_job(owner)
    assert gets_a_job(fallback)


def test_it_gets_none_of_an_engine_that_another_serves(owner: User, fallback: Worker) -> None:
    """Nor while that one is away: nobody wants sketches among pictures."""
    other(["sdxl"])
    make_job(owner)
    make_job(owner, job_type="video_fast")
    assert gets_a_job(fallback)
    assert not gets_a_job(fallback)
    assert not any(pool.startswith("sdxl") for pool in offered_pools(fallback, BOTH, ()))


@pytest.mark.parametrize(
    "fields",
    [{"joined_at": None}, {"enabled": False}, {"fallback": True}, {"engines": [], "embeds": True}],
    ids=["never asked for jobs", "disabled", "a fallback too", "for embeddings alone"],
)
def test_it_does_beside_one_that_serves_nothing(
    owner: User, fallback: Worker, fields: dict[str, Any]
) -> None:
    other(**fields)
    make_job(owner)
    assert gets_a_job(fallback)


@pytest.mark.parametrize("fields", [{"revoked_at": LONG_AGO}, {"expires_at": LONG_AGO}], ids=str)
def test_it_does_once_the_others_token_has_ended(
    owner: User, fallback: Worker, fields: dict[str, Any]
) -> None:
    """As those of rented machines do."""
    rented = other()
    make_job(owner)
    assert not gets_a_job(fallback)
    WorkerToken.objects.filter(worker=rented).update(**fields)
    assert gets_a_job(fallback)


def test_only_who_asks_for_jobs_takes_them(owner: User, fallback: Worker) -> None:
    """`ourvidz-worker check` sends an empty call, hours before the weights are there."""
    worker = make_worker()
    Worker.objects.filter(pk=worker.pk).update(embeds=True)
    http = APIClient(HTTP_AUTHORIZATION=f"Bearer {issue_worker_token(worker)}")
    assert http.post("/api/v1/worker/lease", {}, format="json").status_code == 422
    http.post("/api/v1/worker/embeddings/lease", {"limit": 1}, format="json")
    assert offered_pools(fallback, BOTH, ())
    assert http.post("/api/v1/worker/lease", {"engines": ["sdxl"]}, format="json").status_code == 204
    assert not offered_pools(fallback, BOTH, ())


def test_the_others_share_as_ever(owner: User, fallback: Worker) -> None:
    first, second = other(), other()
    make_job(owner)
    make_job(owner)
    assert gets_a_job(first)
    assert gets_a_job(second)


def test_bundled_workers_of_before_are_fallbacks(db: None) -> None:
    for name in ("bundled-1", "bundled-12", "bundled-gpu", "my-bundled-1"):
        make_worker(name)
    migration = import_module("generation.migrations.0046_bundled_workers_are_fallbacks")
    migration.bundled_are_fallbacks(apps, SimpleNamespace(connection=connection))
    fallbacks = Worker.objects.filter(fallback=True).order_by("name").values_list("name", flat=True)
    assert list(fallbacks) == ["bundled-1", "bundled-12"]
