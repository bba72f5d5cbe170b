"""A fallback, as the bundled worker is, makes nothing in the place of a worker that was registered for it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now

from generation.jobs.lease import lease, offered_pools
from generation.models import Worker
from tests.factories import make_job, make_worker

BOTH = ("sdxl", "wan")


@pytest.fixture
def fallback(db: None) -> Worker:
    worker = make_worker("bundled-1")
    worker.fallback = True
    worker.save()
    return worker


def other(engines: Sequence[str] = BOTH, **fields: object) -> Worker:
    """One that has called, long ago."""
    worker = make_worker(engines=engines)
    long_ago = {"last_seen_at": "2020-01-01T00:00:00Z"}
    Worker.objects.filter(pk=worker.pk).update(**long_ago | fields)
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
    [
        {"last_seen_at": None},
        {"enabled": False},
        {"fallback": True, "last_seen_at": Now()},
        {"engines": [], "embeds": True},
    ],
    ids=["never called", "disabled", "a fallback too", "for embeddings alone"],
)
def test_it_does_beside_one_that_serves_nothing(
    owner: User, fallback: Worker, fields: dict[str, Any]
) -> None:
    other(**fields)
    make_job(owner)
    assert gets_a_job(fallback)


def test_the_others_share_as_ever(owner: User, fallback: Worker) -> None:
    first, second = other(), other()
    make_job(owner)
    make_job(owner)
    assert gets_a_job(first)
    assert gets_a_job(second)


def test_bundled_workers_of_before_are_fallbacks(db: None) -> None:
    for name in ("bundled-1", "bundled-12", "bundled-gpu", "my-bundled-1"):
        make_worker(name)
    migration = import_module("generation.migrations.0045_worker_fallback")
    migration.bundled_are_fallbacks(apps, SimpleNamespace(connection=connection))
    fallbacks = Worker.objects.filter(fallback=True).order_by("name").values_list("name", flat=True)
    assert list(fallbacks) == ["bundled-1", "bundled-12"]
