"""How much the Workspace costs to load, printed and held."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generation.catalog.job_types import JOB_TYPES
from tests.advertised import advertise, body
from tests.factories import complete, lease_next, make_job, make_worker

SCRIPTS = Path(__file__).resolve().parents[2] / "static" / "js"
# Not import(), of what is loaded when it is used: tests/browser/test_speed.py counts what is at once.
IMPORTED = re.compile(r'^(?:import|export)\b[^"(]*"(\./[^"]+)"', re.MULTILINE)
PROMPT = "paper boats on a city canal at night, lantern reflections, watercolour, number"
KB = 1000


def fill(owner: User, *, finished: int, waiting: int, quantity: int) -> None:
    worker = make_worker()
    for number in range(finished):
        job = make_job(owner, prompt=f"{PROMPT} {number}", quantity=quantity, review=number % 5 == 0)
        complete(job, worker)
    make_job(owner, prompt=f"{PROMPT} in work", quantity=quantity)
    lease_next(worker)
    for number in range(waiting):
        make_job(owner, prompt=f"{PROMPT} waiting {number}", quantity=quantity)


def test_a_full_page_is_small(signed_in: Client, owner: User, capsys: pytest.CaptureFixture[str]) -> None:
    """Fifty stacks of three images: one in work, 29 that wait, a page of what is finished."""
    fill(owner, finished=20, waiting=29, quantity=3)
    with CaptureQueriesContext(connection) as queries:
        html = signed_in.get("/").content
    compressed = gzip.compress(html, 6)
    with capsys.disabled():
        print(f"\nWorkspace, 50 stacks: {len(html) / KB:.0f} KB of HTML, ", end="")
        print(f"{len(compressed) / KB:.1f} KB compressed, {len(queries)} queries")
    assert html.count(b'<article class="stack"') == 50
    assert len(html) < 200 * KB
    assert len(compressed) < 25 * KB


def test_sixty_four_models_are_a_small_part_of_a_page(signed_in: Client) -> None:
    """What a worker may advertise at most: all job types, a title and sizes of its own each."""
    without = len(signed_in.get("/").content)
    sizes = {f"{aspect}:9": [1024, 1024] for aspect in range(9, 18)}
    pools = [
        f"{job_type}@model-{number}" for job_type in ("sdxl_image_fast", "video_fast") for number in range(64)
    ]
    models = [
        body(f"model-{number}", title=f"A model of the number {number}", sizes=sizes, job_types=[*JOB_TYPES])
        for number in range(64)
    ]
    advertise(make_worker(), *models, pools=pools)
    html = signed_in.get("/").content
    assert html.count(b"A model of the number 63") == 2
    assert len(html) - without < 16 * KB


def test_the_queries_do_not_grow_with_the_stacks(signed_in: Client, owner: User) -> None:
    """Pitfall 26"""

    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            signed_in.get("/")
        return len(counted)

    fill(owner, finished=1, waiting=1, quantity=3)
    few = queries()
    fill(owner, finished=0, waiting=6, quantity=6)
    assert queries() == few


def scripts(*names: str) -> set[Path]:
    """These modules of ours and all that they import; libraries are elsewhere."""
    found: set[Path] = set()
    wanted = [SCRIPTS / name for name in names]
    while wanted:
        path = wanted.pop().resolve()
        if path not in found:
            found.add(path)
            wanted += [path.parent / name for name in IMPORTED.findall(path.read_text())]
    return found


def test_the_pages_scripts_are_small(
    signed_in: Client, owner: User, capsys: pytest.CaptureFixture[str]
) -> None:
    named = re.findall(r'src="[^"]*js/([\w-]+)(?:\.\w+)?\.js"', signed_in.get("/").content.decode())
    assert {"page", "workspace"} <= set(named)
    files = scripts(*(f"{name}.js" for name in named))
    names = {path.name for path in files}
    assert {"stacks.js", "toast.js"} <= names
    assert not names & {"lightbox.js", "menus.js", "references.js", "reorder.js"}  # when they are wanted
    total = sum(path.stat().st_size for path in files)
    with capsys.disabled():
        print(f"\nWorkspace, own JavaScript: {total / KB:.0f} KB in {len(files)} modules")
    assert total < 90 * KB
