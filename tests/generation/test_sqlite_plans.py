"""SQLite goes by the index that leaves few rows, though nobody ever ran ANALYZE: as installations have it.

It then takes any `=` for ten rows, an owner's too, which is the whole Library where one person works.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from generation.assets import listing, relations, review, stacks
from generation.assets.filters import AssetFilter
from generation.assets.groupings import COLLECTIONS, TAGS, find_or_create
from generation.jobs import lease
from generation.jobs import listing as jobs
from generation.models import Asset, CollectionItem, Job, SearchEntry, TagItem, Worker
from tests.acting import user_actor
from tests.factories import complete, make_job
from tests.generation.test_plans import plans

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(120)]

JOBS, OF_A_JOB = 300, 3
# Of SQLite's virtual machine for each result of the Library, however many they are; 200 were measured.
STEPS = 500
ENOUGH = 10_000


@pytest.fixture(autouse=True)
def _only_on_sqlite() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps statistics: test_library_plans")


@pytest.fixture
def filled(owner: User, worker: Worker) -> Asset:
    """One of the results, of jobs of three: all in a collection and a project, with a tag and a word."""
    [first] = complete(make_job(owner, quantity=1, prompt="a common word"), worker)
    job = "printf('%%032x', 1000000 + n)"
    moment = "datetime('2026-06-30', -n || ' hours')"
    _copy(Job, JOBS, id=job, lease_token=job)
    own = {"id": "printf('%%032x', 10 * n + slot)", "job_id": job, "image_index": "slot"}
    _copy(Asset, JOBS, slots=True, **own, saved_at=moment, rating="4", favourite="1")
    made = f"WHERE id <> '{first.pk.hex}'"
    with connection.cursor() as cursor:
        [(tokens,)] = SearchEntry.objects.filter(asset=first).values_list("tokens")
        cursor.execute(
            "INSERT INTO generation_searchentry (asset_id, tokens, saved_at)"  # noqa: S608 # of ours
            f" SELECT id, %s, saved_at FROM generation_asset {made}",
            [tokens],
        )
        for kind, items in ((COLLECTIONS, CollectionItem), (TAGS, TagItem)):
            group = find_or_create(kind, owner_id=owner.pk, actor=user_actor(owner.pk), name="Box")
            cursor.execute(
                f"INSERT INTO {items._meta.db_table} (group_id, asset_id, saved_at, shown)"  # noqa: S608
                f" SELECT %s, id, saved_at, 1 FROM generation_asset {made}",
                [group.pk.hex],
            )
        cursor.execute("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'")
        assert cursor.fetchone() == (0,), "somebody ran ANALYZE"
    Asset.objects.filter(pk=first.pk).update(trashed_at=timezone.now())
    return Asset.objects.in_library()[0]


def _copy(model: Any, number: int, *, slots: bool = False, **changed: str) -> None:
    """The only row of the table so many times, thrice that with `slots`."""
    columns = [str(field.column) for field in model._meta.concrete_fields]
    table, values = model._meta.db_table, ", ".join(changed.get(column, column) for column in columns)
    slot = "UNION ALL SELECT n, slot + 1 FROM copy WHERE slot + 1 < %s" if slots else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE copy (n, slot) AS (SELECT 1, 0 UNION ALL SELECT n + 1, 0 FROM copy"  # noqa: S608
            f" WHERE slot = 0 AND n < %s {slot})"
            f" INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table}, copy",
            [number, OF_A_JOB] if slots else [number],
        )


def _filters(asset: Asset) -> dict[str, AssetFilter]:
    [collection], [tag] = (kind.model.objects.values_list("pk", flat=True) for kind in (COLLECTIONS, TAGS))
    return {
        "everything": AssetFilter(),
        "images": AssetFilter(media="image"),
        "a project": AssetFilter(project_id=asset.project_id),
        "rated": AssetFilter(rating=3),
        "favourites": AssetFilter(favourite=True),
        "a shape": AssetFilter(shape="square"),
        "days": AssetFilter(since=date(2026, 1, 1)),
        "a word": AssetFilter(q="common"),
        "a word in a project": AssetFilter(q="common", project_id=asset.project_id),
        "a collection": AssetFilter(collection_id=collection),
        "a tag": AssetFilter(tag_id=tag),
        "a word in a collection": AssetFilter(q="common", collection_id=collection),
        "a collection and a tag": AssetFilter(collection_id=collection, tag_id=tag),
    }


def steps(call: Callable[[], object]) -> int:
    """How many SQLite's virtual machine takes, to a hundred."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 100
        return 0

    connection.connection.set_progress_handler(count, 100)
    try:
        call()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return taken


def test_no_page_looks_through_the_library_for_each_of_its_rows(filled: Asset) -> None:
    """Pitfall 26: of 2,900 pictures the parts of the scrubber of the stacks took 6 to 19 s."""
    for name, only in _filters(filled).items():
        for asked in (only, replace(only, stacks=True)):
            rows = listing.saved(owner_id=filled.owner_id, only=asked)
            calls: dict[str, Callable[[], object]] = {"page": partial(rows.page, "", 60), "count": rows.count}
            calls["parts"] = partial(rows.newest_hours, ENOUGH)
            for what, call in calls.items():
                assert steps(call) < STEPS * JOBS * OF_A_JOB, (name, asked.stacks, what)
            hours, _ = rows.newest_hours(ENOUGH)
            assert sum(number for _, number in hours) == JOBS * (1 if asked.stacks else OF_A_JOB), name


def test_what_a_stack_holds_is_looked_up_by_its_job(filled: Asset) -> None:
    for name, only in _filters(filled).items():
        fitting = only.fitting(filled.owner_id)
        [size] = stacks.sizes(fitting, [filled]).values()
        assert size == len(stacks.opened(fitting, [filled.pk])) == OF_A_JOB, name
        if not (only.collection_id or only.tag_id):  # of which it may go through the items
            found = plans(partial(stacks.sizes, fitting, [filled]))
            found += plans(partial(stacks.opened, fitting, [filled.pk]))
            assert all("generation_asset_2 (job_id=?)" in plan for plan in found), (name, found)


BY_ITS_INDEX: dict[str, tuple[str, Callable[[Asset], object]]] = {
    "a job's": (
        "generation_asset_2 (job_id=?)",
        lambda asset: listing.library(owner_id=asset.owner_id, only=AssetFilter(job_id=asset.job_id)),
    ),
    "named": (
        "generation_asset_1 (id=?)",
        lambda asset: listing.completed_assets(
            owner_id=asset.owner_id, asset_ids=[asset.pk, *(uuid.uuid4() for _ in range(500))]
        ),
    ),
    "a named job": (
        "job_newest (owner_id=? AND id=?)",
        lambda asset: jobs.jobs_with_slots(owner_id=asset.owner_id, job_ids=[asset.job_id]),
    ),
    "siblings": ("generation_asset_2 (job_id=?)", relations.relations_of),
    "reviewed": (
        "asset_changes (owner_id=? AND revision=?)",
        lambda asset: review.undo(
            owner_id=asset.owner_id,
            actor=user_actor(asset.owner_id),
            reviewed=review.Reviewed(saved=[10**6], discarded=[]),
        ),
    ),
    "a worker's attempt at a job": (
        "generation_attempt_2 (job_id=?)",
        lambda asset: lease.refusal(worker=asset.job.leased_by, job_id=asset.job_id),
    ),
}


@pytest.mark.parametrize("name", BY_ITS_INDEX)
def test_what_is_named_is_looked_up(name: str, filled: Asset) -> None:
    """Not sought among all that its owner has."""
    index, call = BY_ITS_INDEX[name]
    found = plans(lambda: call(filled))
    assert [plan for plan in found if index in plan], found
    whole = (
        "asset_changes (owner_id=?)",
        "asset_library (owner_id=? AND saved_at>?)",
        "SCAN generation_asset",
    )
    assert not [plan for plan in found for each in whole if each in plan], found
