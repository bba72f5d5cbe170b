"""From a commit to the pages: a real server on PostgreSQL and Redis, real sockets, real callbacks.

Time counts from the hint, which leaves after the commit: one more subscriber of the channel layer hears it.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.live_stage import Callback, Owner, Page, Stage, until
from bench.output import json_line, say, table
from tests.functional.installation import installed
from tests.servers import temporary_redis

if TYPE_CHECKING:
    from bench.__main__ import Options

AIM_RATIO = 5
QUIET_S = 0.5
IMAGES = 6
STACK = re.compile(r'data-revision="(\d+)"')


@dataclass(frozen=True, slots=True)
class Scale:
    """How many sockets of one owner, and how many owners with one each."""

    sockets: Sequence[int]
    rounds: int
    owners: int
    per_second: int = 20


FULL = Scale(sockets=(1, 20, 100), rounds=12, owners=200)
QUICK = Scale(sockets=(1, 3), rounds=2, owners=4)


@dataclass(slots=True)
class Outcome:
    """The latencies (ms) of each callback, in the order of arrival, and what went wrong."""

    latencies_ms: list[list[float]]
    processor_ms: float
    lost: int
    doubled: int

    def figures(self) -> dict[str, float]:
        each = [found for found in self.latencies_ms if found]
        every = sorted(latency for found in each for latency in found)
        if len(each[0]) == 1:  # one page for each callback: the callbacks are compared
            firsts, lasts, ratios = every[:1], every[-1:], [every[-1] / every[0]]
        else:
            firsts, lasts = [found[0] for found in each], [found[-1] for found in each]
            ratios = [found[-1] / found[0] for found in each]
        return {
            "first_ms": round(statistics.median(firsts), 1),
            "median_ms": round(statistics.median(every), 1),
            "p95_ms": round(every[min(len(every) - 1, int(0.95 * len(every)))], 1),
            "last_ms": round(statistics.median(lasts), 1),
            "last_to_first": round(statistics.median(ratios), 2),
            "cpu_ms_per_update": round(self.processor_ms / len(every), 2),
            "updates": len(every),
            "lost": self.lost,
            "doubled": self.doubled,
        }


def run(options: Options) -> None:
    scale = QUICK if options.quick else FULL
    with (
        temporary_redis() as redis_url,
        tempfile.TemporaryDirectory(prefix="ourvidz-live-") as folder,
        installed(Path(folder) / "data", REDIS_URL=redis_url) as live,
        live.database(),
    ):
        stage = Stage(live, redis_url)
        try:
            found = _measured(stage, scale)
        finally:
            stage.http.close()
            live.tidy()
    _print(found)
    widest, busiest = f"1 × {max(scale.sockets)}", f"{scale.owners} × 1"
    json_line(
        {
            "bench": "live",
            "fanout_last_to_first": found[widest]["last_to_first"],
            "p95_ms": found[busiest]["p95_ms"],
            "cpu_ms_per_update": found[busiest]["cpu_ms_per_update"],
            "lost": sum(int(figures["lost"]) for figures in found.values()),
            "doubled": sum(int(figures["doubled"]) for figures in found.values()),
            "cases": found,
        }
    )


def _measured(stage: Stage, scale: Scale) -> dict[str, dict[str, float]]:
    """The figures of each case, named by owners × sockets."""
    for callback in stage.leased_job_callbacks(stage.owner(), IMAGES):  # connections, caches, statements
        stage.call_back(callback)
    found: dict[str, dict[str, float]] = {}
    for count in scale.sockets:
        say(f"one owner, {count} sockets …")
        owner = stage.owner()
        jobs = [stage.leased_job_callbacks(owner, IMAGES) for _ in range(-(-scale.rounds // IMAGES))]
        callbacks = [callback for job in jobs for callback in job][: scale.rounds]
        figures = found[f"1 × {count}"] = asyncio.run(_fan_out(stage, owner, count, callbacks)).figures()
        say(", ".join(f"{name} {figure:g}" for name, figure in figures.items()))
    say(f"{scale.owners} owners, a socket each, {scale.per_second} callbacks a second …")
    owners = [stage.owner() for _ in range(scale.owners)]
    callbacks = [callback for each in owners for callback in stage.leased_job_callbacks(each, 1)]
    found[f"{scale.owners} × 1"] = asyncio.run(_stream(stage, owners, callbacks, scale.per_second)).figures()
    return found


async def _fan_out(stage: Stage, owner: Owner, count: int, callbacks: Sequence[Callback]) -> Outcome:
    """One callback after the other, each when every page has the one before."""
    async with stage.pages([owner], count) as pages, stage.hints(callbacks):
        processor_ms = 0.0
        for callback in callbacks:
            await asyncio.sleep(QUIET_S)
            before = stage.processor_ms()
            await asyncio.to_thread(stage.call_back, callback)
            await until(lambda now=callback: now.revision and min(p.revision for p in pages) >= now.revision)
            processor_ms += stage.processor_ms() - before
        await asyncio.sleep(QUIET_S)
    return _outcome(pages, callbacks, processor_ms)


async def _stream(
    stage: Stage, owners: Sequence[Owner], callbacks: Sequence[Callback], per_second: int
) -> Outcome:
    """Callbacks at an even pace, whatever the pages do."""
    async with stage.pages(owners, 1) as pages, stage.hints(callbacks):
        await asyncio.sleep(QUIET_S)
        before = stage.processor_ms()
        sending = []
        for callback in callbacks:
            sending.append(asyncio.create_task(asyncio.to_thread(stage.call_back, callback)))
            await asyncio.sleep(1 / per_second)
        await asyncio.gather(*sending)
        callback_of = {callback.owner_id: callback for callback in callbacks}
        await until(lambda: all(0 < callback_of[page.owner_id].revision <= page.revision for page in pages))
        processor_ms = stage.processor_ms() - before
        await asyncio.sleep(QUIET_S)
    return _outcome(pages, callbacks, processor_ms)


def _outcome(pages: Sequence[Page], callbacks: Sequence[Callback], processor_ms: float) -> Outcome:
    latencies_ms, lost = [], 0
    for callback in callbacks:
        assert callback.revision, "the hint of a callback was not heard"
        arrivals = [page.arrival(callback) for page in pages if page.owner_id == callback.owner_id]
        came = sorted(1000 * (at - callback.at) for at in arrivals if at is not None)
        latencies_ms.append(came)
        lost += len(arrivals) - len(came)
    wrong = [_checked(page, callbacks) for page in pages]
    return Outcome(
        latencies_ms, processor_ms, lost + sum(each[0] for each in wrong), sum(each[1] for each in wrong)
    )


def _checked(page: Page, callbacks: Sequence[Callback]) -> tuple[int, int]:
    """How many jobs the page ends up showing wrongly, and how many stacks came twice in the same state."""
    stacks = page.stacks()
    states = [(job_id, STACK.search(html)) for job_id, html in stacks]
    seen = [(job_id, state[1]) for job_id, state in states if state]
    shown = dict(stacks)
    made = {callback.job_id: callback.done for callback in callbacks if callback.owner_id == page.owner_id}
    wrong = sum(shown.get(job_id, "").count('data-phase="done"') != done for job_id, done in made.items())
    return wrong, len(seen) - len(set(seen))


def _print(found: dict[str, dict[str, float]]) -> None:
    names = ("first_ms", "median_ms", "p95_ms", "last_ms", "last_to_first", "cpu_ms_per_update")
    rows = [
        [
            case,
            *(f"{figures[name]:.1f}" for name in names),
            *(f"{figures[n]:.0f}" for n in ("lost", "doubled")),
        ]
        for case, figures in found.items()
    ]
    head = ("owners × sockets", "first", "median", "95th", "last", "last : first", "server's CPU per update")
    table("From the commit to the page, ms", (*head, "lost", "doubled"), rows)
    say(f"Aim: the last of {max(FULL.sockets)} within {AIM_RATIO} times the first")
