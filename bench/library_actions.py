"""What `bench library` does to the largest Library besides reading it: a ZIP, a bulk operation."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from bench.memory import Memory
from bench.output import say
from generation.assets import operation_work
from generation.models import BulkOperation

if TYPE_CHECKING:
    from bench.library import Stage

FILES = 1_000
FILE_BYTES = 1_500_000  # as the filled rows say
BULK = 10_000


def zip_peak_mb(stage: Stage) -> float:
    """How far the web process grows while a ZIP of 1,000 results, 1.5 GB, is sent."""
    assert stage.live.web is not None
    part = _first_part(stage)
    memory = Memory(stage.live.web.process.pid)
    before, size, began = memory.now_mb(), 0, time.perf_counter()
    with memory.watched(), stage.person.http.stream("GET", part) as answer:
        for chunk in answer.iter_raw():
            size += len(chunk)
    assert size == int(answer.headers["Content-Length"]) > FILES * FILE_BYTES, size
    say(f"ZIP of {FILES:,}: {size / 1e9:.2f} GB in {time.perf_counter() - began:.0f} s")
    return round(max(0.0, memory.peak_mb - before), 1)


def _first_part(stage: Stage) -> str:
    """The address of an archive's first part, with the files behind its rows."""
    answer = stage.person.post("/downloads/", {"all": "1"})
    assert answer.status_code == 302, answer.text
    page = answer.headers["Location"].split("/")
    part = "/".join(page) if page[-1] else "/".join([*page[:-1], "1.zip"])
    with stage.live.database():
        rows = stage.newest(FILES).values_list("file", flat=True)
        content = stage.live.data / "one.bin"
        content.write_bytes(os.urandom(FILE_BYTES))
        for name in set(rows):  # a multiplied Library has several rows of one file
            file = stage.live.data / "media" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.hardlink_to(content)
    return part


def bulk_favourite_10k_s(stage: Stage) -> float:
    """How long it takes to make 10,000 results favourites: the page's request, then the chores."""
    owner_id = stage.library.owner.pk
    began = time.perf_counter()
    stage.person.post("/library/favourite", {"all": "1", "project": str(stage.library.small_project.pk)})
    with stage.live.database():
        while operation_work.work(owner_id, seconds=60):
            pass
        operation = BulkOperation.objects.filter(owner_id=owner_id).latest("created_at")
    seconds = time.perf_counter() - began
    say(f"bulk favourite: {operation.changed:,} changed in {seconds:.1f} s")
    return round(seconds * BULK / max(1, operation.changed), 2)
