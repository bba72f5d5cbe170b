"""What an asset's details say it belongs with, and its parameters as text."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.assets.relations import MAX_JOBS, MAX_SHOWN
from generation.catalog.submission import ReferenceInput
from generation.jobs.lease import lease
from generation.models import Asset, Job, Worker
from tests import acting
from tests.factories import call_back, completed, fresh, make_job, make_user, make_worker
from tests.library.conftest import EMBEDDING_QUERIES, made


@pytest.fixture
def worker(db: None) -> Worker:
    return make_worker()


def details(reader: Client, asset: Asset) -> str:
    url = f"/library/{asset.media}/{asset.pk}/"
    return reader.get(url, headers={"X-Fragment": "1"}).content.decode()


def section(html: str, name: str) -> list[str]:
    """The ids of the assets in that part, in its order."""
    found = re.search(f'<section aria-label="{name}">(.*?)</section>', html, re.DOTALL)
    return re.findall(r'id="related-\w+-([^"]+)"', found.group(1)) if found else []


def made_with(image: Asset, worker: Worker, **submission: Any) -> list[Asset]:
    """The results of a job that uses the image."""
    style = ReferenceInput(type="style", image=image.pk)
    job = make_job(image.owner, references=[style], **submission)
    leased = lease(worker=worker, engines=["sdxl"], pools=[job.pool])
    assert leased
    call_back(leased, *[completed(leased, asset.slot) for asset in leased.slots])
    return fresh(job).slots


def ids(assets: list[Asset]) -> list[str]:
    return [str(asset.pk) for asset in assets]


def test_siblings_sources_and_what_was_made_of_it_are_named(
    reader: Client, owner: User, worker: Worker
) -> None:
    source, *others = made(owner, quantity=3)
    results = made_with(source, worker, quantity=3)
    acting.discard(owner_id=owner.pk, assets=[others[0].pk, results[2].pk])
    told = details(reader, source)
    assert section(told, "Of the same job") == ids([source, others[1]])
    assert section(told, "Made into") == ids(results[:2])[::-1]
    assert section(told, "Made from") == []
    told = details(reader, results[0])
    assert section(told, "Made from") == ids([source])
    assert section(details(reader, made(owner, quantity=1)[0]), "Of the same job") == []


def test_the_same_bytes_of_another_are_not_named(reader: Client, owner: User, worker: Worker) -> None:
    mine, theirs = made(owner, quantity=1)[0], made(make_user(), quantity=1)[0]
    Asset.objects.filter(pk=theirs.pk).update(sha256=mine.sha256)
    made_with(theirs, worker)
    assert section(details(reader, mine), "Made into") == []
    [result] = made_with(mine, worker)
    assert section(details(reader, result), "Made from") == ids([mine])


def test_its_queries_and_what_it_shows_are_bounded(
    reader: Client, owner: User, worker: Worker, django_assert_num_queries: Any
) -> None:
    source = made(owner, quantity=1)[0]
    made_with(source, worker)
    # session, user, asset, siblings, made into, tags, collections
    queries = 7 + EMBEDDING_QUERIES
    with django_assert_num_queries(queries):
        details(reader, source)
    newer = [made_with(source, worker, quantity=3) for _ in range(MAX_JOBS)]
    with django_assert_num_queries(queries):
        told = details(reader, source)
    newest = [asset for assets in newer[::-1] for asset in assets[::-1]]
    assert section(told, "Made into") == ids(newest)[:MAX_SHOWN]


def test_its_parameters_are_there_as_common_tools_write_them(reader: Client, owner: User) -> None:
    text: dict[str, Any] = {"prompt": "a fox\nin <snow>", "negative_prompt": "blurry, low", "seed": 0}
    [asset] = made(owner, quantity=1, **text)
    Job.objects.filter(pk=asset.job_id).update(enhanced_prompt="a fox, red")
    expected = (
        "a fox\nin &lt;snow&gt;\nNegative prompt: blurry, low\n"
        "Steps: 15, CFG scale: 6.0, Seed: 0, Size: 64x64, Model: SDXL fast, "
        "Enhanced prompt: &quot;a fox, red&quot;"
    )
    assert f'dir="auto" data-text>{expected}</pre>' in details(reader, asset)
