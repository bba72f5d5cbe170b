"""The Library of one owner with up to a million results, among others', through the real server.

All servers run at once and are asked in turn, so that a busy machine slows all alike.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.db import connection

from bench import library_actions
from bench.library_fill import Library, fill
from bench.output import json_line, say, table
from generation.assets.listing import saved
from generation.core.keyset import cursor_of
from generation.models import Asset
from tests.databases import sqlite_url
from tests.functional.callers import Person
from tests.functional.installation import Installation, installed

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from bench.__main__ import Options

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (600, 1_200)
ON_SQLITE = 100_000
PAGE = 60
AIMS = {"page_ratio_1m_to_10k": 1.3, "page_ratio_deep_to_first": 1.2, "page_ratio_to_trivial": 5.0}
AIMS |= {"search_rare_ratio": 2.0, "search_common_ratio": 2.0, "search_missing_ratio": 2.0}
FIRST, TRIVIAL, BARE = "first page", "a trivial page: the account", "bare SQL of the first page"
DEEP = {"depth 10": 10, "depth 1,000": 1_000, "last page": 0}
# Each is asked for by the page's own address, with the count that the page shows.
SEARCHES = {
    "rare word": "heliotrope",
    "common word": "light",
    "missing word": "abracadabra",
    "two words": "light golden",
    "phrase": '"golden hour"',
    "excluded word": "light -golden",
    "only an excluded word": "-light",
    "prefix": "golde*",
    "common long ago": "winter",
}
FACETS = {
    "videos": {"media": "video"},
    "job type": {"job_type": "video_high"},
    "portrait": {"shape": "portrait"},
    "four stars": {"rating": "4"},
    "favourites": {"favourite": "1"},
    "stacks": {"stacks": "1"},
    "a month": {"since": "2026-01-01", "until": "2026-01-31"},
}
# What the date scrubber asks for: kept counts of the whole Library, counted ones of a filter's.
SCRUBBERS = {
    "scrubber": {},
    "scrubber of a common word": {"q": "light"},
    "scrubber of the favourites": {"favourite": "1"},
    "scrubber of the stacks": {"stacks": "1"},
}
# Further figures of the largest Library: the name in the JSON line, and what measures it.
FURTHER: dict[str, Callable[[Stage], float]] = {
    "zip_peak_mb": library_actions.zip_peak_mb,
    "bulk_favourite_10k_s": library_actions.bulk_favourite_10k_s,
}


@dataclass(slots=True)
class Stage:
    """A server with its own database and a filled Library."""

    name: str
    live: Installation
    library: Library
    person: Person
    paths: dict[str, str]
    ms: dict[str, list[float]] = field(default_factory=dict)

    def ask_all(self) -> None:
        for name, path in self.paths.items():
            self._note(name, partial(self.person.page, path))
        with self.live.database():
            sql, params = self.newest(PAGE + 1).query.sql_with_params()
            with connection.cursor() as cursor:
                cursor.execute(sql, params)  # the connection
                self._note(BARE, lambda: cursor.execute(sql, params) and cursor.fetchall())

    def newest(self, number: int) -> QuerySet[Asset]:
        """The first rows of its Library."""
        return saved(owner_id=self.library.owner.pk).source.order_by("-saved_at", "-pk")[:number]

    def _note(self, name: str, call: Callable[[], object]) -> None:
        began = time.perf_counter()
        call()
        self.ms.setdefault(name, []).append((time.perf_counter() - began) * 1000)

    def median(self, name: str) -> float:
        return statistics.median(self.ms[name])

    def p95(self, name: str) -> float:
        return sorted(self.ms[name])[int(len(self.ms[name]) * 0.95)]


def run(options: Options) -> None:
    sizes = QUICK_SIZES if options.quick else tuple(size for size in options.sizes if size) or SIZES
    rounds = 2 if options.quick else 15
    with tempfile.TemporaryDirectory(prefix="ourvidz-library-") as folder, contextlib.ExitStack() as stack:
        stages = [stack.enter_context(_stage(f"{size:,}", Path(folder) / str(size), size)) for size in sizes]
        on_sqlite = min(ON_SQLITE, max(sizes))
        data = Path(folder) / "sqlite"
        url = sqlite_url(data / "db.sqlite3")
        small = stack.enter_context(_stage(f"{on_sqlite:,} on SQLite", data, on_sqlite, DATABASE_URL=url))
        for number in range(rounds + 1):
            for stage in [*stages, small]:
                stage.ask_all()
                if not number:
                    stage.ms.clear()  # connections, caches
        further: dict[str, object] = {name: measure(stages[-1]) for name, measure in FURTHER.items()}
    _report(stages, small, rounds, further)


@contextlib.contextmanager
def _stage(name: str, data: Path, size: int, **environment: str) -> Iterator[Stage]:
    limits = {"REQUESTS_PER_SECOND": "10000", "REQUEST_BURST": "10000"}
    with installed(data, **limits, **environment) as live, live.database():
        began = time.perf_counter()
        library = fill(live.user("librarian"), size)
        say(f"{name}: filled in {time.perf_counter() - began:.0f} s")
        person = live.person(library.owner)
        paths = _paths(library)
        try:
            yield Stage(name, live, library, person, paths)
        finally:
            person.http.close()


def _paths(library: Library) -> dict[str, str]:
    paths = {TRIVIAL: "/account/", FIRST: "/library/"}
    paths |= {name: f"/library/?{urlencode({'cursor': cursor})}" for name, cursor in _cursors(library)}
    paths |= {name: f"/library/?{urlencode({'q': q})}" for name, q in SEARCHES.items()}
    facets = FACETS | {"a project": {"project": str(library.small_project.pk)}}
    paths |= {name: f"/library/?{urlencode(query)}" for name, query in facets.items()}
    paths |= {name: f"/library/parts?{urlencode(query)}" for name, query in SCRUBBERS.items()}
    return paths


def _cursors(library: Library) -> Iterator[tuple[str, str]]:
    newest_first = Asset.objects.of(library.owner.pk).in_library().order_by("-saved_at", "-pk")
    pages = library.assets // PAGE
    for name, page in DEEP.items():
        if page < pages:
            last = newest_first.only("saved_at")[(page or pages) * PAGE - PAGE - 1]
            assert last.saved_at
            yield name, cursor_of(last.saved_at, last.pk)


def _report(stages: list[Stage], small: Stage, rounds: int, further: Mapping[str, object]) -> None:
    for stage in [*stages, small]:
        rows = [
            (name, f"{stage.median(name):.1f}", f"{stage.p95(name):.1f}", _ratio(stage, name, FIRST))
            for name in stage.ms
        ]
        table(f"{stage.name} results, ms", ("", "median", "95 %", "to the first page"), rows)
    largest = stages[-1]
    deep = max(largest.median(name) for name in DEEP if name in largest.ms)
    first = largest.median(FIRST)
    figures: dict[str, object] = {
        "page_ratio_1m_to_10k": round(first / stages[0].median(FIRST), 2),
        "page_ratio_deep_to_first": round(deep / first, 2),
        "page_ratio_to_trivial": round(first / largest.median(TRIVIAL), 2),
        "search_rare_ratio": round(largest.median("rare word") / first, 2),
        "search_common_ratio": round(largest.median("common word") / first, 2),
        "search_missing_ratio": round(largest.median("missing word") / first, 2),
    }
    say("\n" + "; ".join(f"{name} {figures[name]}, aim {aim}" for name, aim in AIMS.items()))
    ratios = {name: round(largest.median(name) / first, 2) for name in (*SEARCHES, *FACETS, *SCRUBBERS)}
    medians = {
        stage.name: {name: round(stage.median(name), 1) for name in stage.ms} for stage in (*stages, small)
    }
    json_line(
        {"bench": "library", "rounds": rounds, **figures, **further, "ratios": ratios, "median_ms": medians}
    )


def _ratio(stage: Stage, name: str, to: str) -> str:
    return f"{stage.median(name) / stage.median(to):.2f}"
