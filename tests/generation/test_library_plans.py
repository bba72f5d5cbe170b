"""Pages, facets, searches and counts of a large Library are planned for what they are: PostgreSQL, filled."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from generation.assets import listing
from generation.assets.filters import AssetFilter
from generation.assets.search import newest
from generation.models import Asset, Job, Worker
from tests.factories import complete, make_job, make_user

pytestmark = [pytest.mark.postgres, pytest.mark.django_db, pytest.mark.timeout(300)]

ROWS, LOOKED_AT, SORTED = 10_000, 200, 1_000
TABLES = {"generation_asset", "generation_searchentry"}
SOME = {
    "everything": AssetFilter(),
    "images": AssetFilter(media="image"),
    "videos": AssetFilter(media="video"),
    "rated": AssetFilter(rating=3),
    "favourites": AssetFilter(favourite=True),
    "days": AssetFilter(since=date(2026, 1, 1), until=date(2026, 1, 31)),
    "a job type that many have": AssetFilter(job_type="sdxl_image_fast"),
    "a job type that nobody has": AssetFilter(job_type="video_high"),
    "a model": AssetFilter(model="film-xl"),
    "a shape": AssetFilter(shape="square"),
    "a job": AssetFilter(job_id=uuid.UUID(int=7)),
    "a seed": AssetFilter(seed=77),
    "a rare word": AssetFilter(q="rare"),
    "a common word": AssetFilter(q="common"),
    "a missing word": AssetFilter(q="missing"),
    "two words": AssetFilter(q="half common"),
    "a phrase": AssetFilter(q='"common half"'),
    "an excluded word": AssetFilter(q="common -half"),
    "only an excluded word": AssetFilter(q="-half"),
    "a prefix": AssetFilter(q="comm*"),
    "a word of long ago": AssetFilter(q="old"),
    "a word of few favourites": AssetFilter(q="common", favourite=True, media="image"),
}


@pytest.fixture
def filled(owner: User, worker: Worker) -> User:
    """The owner's results over two years, and as many of somebody else's."""
    for user in (owner, make_user()):
        [asset] = complete(make_job(user, quantity=1, prompt="x"), worker)
        _multiply(asset)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ANALYZE generation_asset, generation_searchentry")
    return owner


def _multiply(asset: Asset) -> None:
    changed = {
        "id": "(lpad(to_hex(1700000000000 - n), 12, '0') || substr(md5(id::text || n), 13))::uuid",
        "image_index": "n",
        "saved_at": "'2026-06-30'::timestamptz - n * interval '53 minutes'",
        "favourite": "n %% 50 = 0",
        "rating": "CASE WHEN n %% 20 = 0 THEN 4 ELSE 0 END",
    }
    columns = [str(field.column) for field in Asset._meta.concrete_fields]
    o = f"{asset.owner_id}_"
    words = (
        f"'''{o}'' ''{o}_type_sdxl_image_fast'' ''{o}_shape_square''"
        f" ''{o}_seed_' || n || ''' ''{o}common'':1'"
        f" || CASE WHEN n %% 2 = 0 THEN ' ''{o}half'':2' ELSE '' END"
        f" || CASE WHEN n %% 2000 = 7 THEN ' ''{o}rare'':3' ELSE '' END"
        f" || CASE WHEN n > {ROWS // 2} THEN ' ''{o}old'':4' ELSE '' END"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO generation_asset ({', '.join(columns)})"  # noqa: S608 # columns of ours
            f" SELECT {', '.join(changed.get(column, column) for column in columns)}"
            f" FROM generation_asset, generate_series(1, %s) AS n WHERE id = %s",
            [ROWS, asset.pk],
        )
        cursor.execute(
            f"INSERT INTO generation_searchentry (asset_id, saved_at, tokens)"  # noqa: S608
            f" SELECT id, saved_at, ({words})::tsvector"
            " FROM (SELECT id, saved_at, image_index AS n FROM generation_asset"
            " WHERE owner_id = %s AND image_index > 0) AS made",
            [asset.owner_id],
        )


def plans(call: Callable[[], object]) -> list[dict[str, Any]]:
    """How the statements of `call` ran."""
    found: list[dict[str, Any]] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if any(table in sql for table in TABLES):
            execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params, many, context)
            [(plan,)] = context["cursor"].fetchall()
            [told] = json.loads(plan) if isinstance(plan, str) else plan
            found.append(told["Plan"])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        call()
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def _use_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest, "LOOKED_AT", LOOKED_AT)
    monkeypatch.setattr(newest, "LOOKED_AT_NEXT", 2 * LOOKED_AT)
    monkeypatch.setattr(newest, "SORTED", SORTED)


def test_no_page_reads_or_sorts_the_whole_library(filled: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 26. Nor does a count, nor what others have."""
    _use_less(monkeypatch)
    [deep] = listing.saved(owner_id=filled.pk).source.order_by("-saved_at")[ROWS // 2 : ROWS // 2 + 1]
    cursors = ["", listing.saved(owner_id=filled.pk).cursor_after(deep)]
    for name, only in SOME.items():
        library = listing.saved(owner_id=filled.pk, only=only)
        pages = [plan for cursor in cursors for plan in plans(partial(library.page, cursor, 60))]
        counted = plans(partial(library.count, most=500))
        assert pages, name
        for plan in [*pages, *counted]:
            for node in nodes(plan):
                told = f"{name}: {json.dumps(plan, indent=1)}"
                assert node["Node Type"] not in {"Seq Scan", "Hash Join", "Merge Join"}, told
                if node["Node Type"] in {"Sort", "Incremental Sort"} and name != "a word of long ago":
                    assert sum(child["Actual Rows"] for child in node["Plans"]) <= 2 * SORTED, told
                if node.get("Relation Name") == "generation_asset":
                    assert "owner_id" in json.dumps(node), told


def _divide_into_jobs_of_six(owner: User) -> None:
    """The owner's results, all of one job as they were made."""
    columns = [str(field.column) for field in Job._meta.concrete_fields]
    own = "md5('job' || n)::uuid"
    changed = {"id": own, "lease_token": own}
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO generation_job ({', '.join(columns)})"  # noqa: S608 # columns of ours
            f" SELECT {', '.join(changed.get(column, column) for column in columns)}"
            " FROM generation_job, generate_series(0, %s) AS n WHERE owner_id = %s",
            [ROWS // 6, owner.pk],
        )
        cursor.execute(
            "UPDATE generation_asset SET job_id = md5('job' || image_index / 6)::uuid WHERE owner_id = %s",
            [owner.pk],
        )
        cursor.execute("ANALYZE generation_asset, generation_job")


def test_a_page_of_stacks_reads_what_it_shows(filled: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page until there are enough, each job by its index; counts too."""
    _use_less(monkeypatch)
    _divide_into_jobs_of_six(filled)
    for name in ("everything", "images", "favourites", "a common word", "a rare word", "a shape"):
        stacks = listing.saved(owner_id=filled.pk, only=replace(SOME[name], stacks=True))
        asked = [
            *plans(partial(stacks.page, "", 60)),
            *plans(partial(stacks.count, most=100)),
            *plans(partial(stacks.newest_hours, 100)),
        ]
        for plan in asked:
            for node in nodes(plan):
                told = f"{name}: {json.dumps(plan, indent=1)}"
                assert node["Node Type"] not in {"Seq Scan", "Hash Join", "Merge Join"}, told
                if node.get("Relation Name") == "generation_asset":
                    assert node["Actual Rows"] <= 2 * SORTED, told
