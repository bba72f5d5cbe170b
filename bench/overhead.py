"""From the last step to the accepted callback: one 1024 × 1024 image, a real server, the worker's own code.

Only the steps are left out: the engine here has its pixels ready. What comes after is what a worker does.
"""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from bench.output import json_line, say, table
from generation.media.measure import measure
from ourvidz_worker.client import Server
from ourvidz_worker.engines.base import (
    NULL_PREVIEWS,
    FinishedSlot,
    Pixels,
    Previews,
    ReportProgress,
    Result,
    ShouldStop,
)
from ourvidz_worker.engines.png import png
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.engines.sketch.picture import Picture
from ourvidz_worker.protocol import Job, parse_job
from ourvidz_worker.session import Session
from ourvidz_worker.spool import Spool
from tests.functional.installation import Installation, installed

if TYPE_CHECKING:
    from bench.__main__ import Options

SIDE = 1024
AIM_MS = 150
SLOW_S = 0.5  # each upload, where it is shown that nothing waits for one
PARAMETERS = "a lighthouse at dusk\nSteps: 15, Sampler: Euler, CFG scale: 6.0, Seed: 1, Size: 1024x1024"
PARTS = ("encode the PNG", "keep it on disk", "reach the sender", "upload", "callback")
Marks = dict[str, float]


class ReadyEngine(SketchEngine):
    """A GPU that has just finished: its pixels are there, then they are encoded as ever."""

    name = "ready"

    def __init__(self, pixels: Pixels, marks: Marks) -> None:
        super().__init__()
        self._pixels = pixels
        self._marks = marks
        self.waits_s: list[float] = []

    def generate(
        self,
        job: Job,
        report_progress: ReportProgress,
        should_stop: ShouldStop,
        previews: Previews = NULL_PREVIEWS,
    ) -> Iterator[FinishedSlot]:
        for slot in job.slots:
            self._marks["last step"] = time.perf_counter()
            media = png(self._pixels, parameters=f"{PARAMETERS}, Slot: {slot.number}")
            result = Result(media, "image/png", SIDE, SIDE, None, {})
            self._marks["encoded"] = time.perf_counter()
            yield FinishedSlot(slot, result)
            self.waits_s.append(time.perf_counter() - self._marks["encoded"])


class TimedSpool(Spool):
    marks: Marks

    def keep(self, *given: Any) -> Path:
        kept = super().keep(*given)
        self.marks["kept"] = time.perf_counter()
        return kept


class TimedServer(Server):
    marks: Marks
    slow_s = 0.0

    def upload(self, *given: Any, **named: Any) -> Any:
        self.marks["upload"] = time.perf_counter()
        time.sleep(self.slow_s)
        receipt = super().upload(*given, **named)
        self.marks["uploaded"] = time.perf_counter()
        return receipt

    def report(self, *given: Any, **named: Any) -> Mapping[str, Any]:
        receipt = super().report(*given, **named)
        assert not receipt["rejected"], receipt
        self.marks["accepted"] = time.perf_counter()
        return receipt


class Machine:
    """The worker's parts, each with a clock on it."""

    def __init__(self, live: Installation, folder: Path) -> None:
        self._live = live
        self._caller = live.machine()
        self._person = live.person()
        self.marks: Marks = {}
        self.processor_ms: list[list[float]] = []  # of each job: this process, the server's
        self.pixels = Picture("a lighthouse at dusk", 1, SIDE, SIDE).still(lambda _: None)
        self.server = TimedServer(live.address, self._caller.token)
        self.spool = TimedSpool(folder, live.address, self._caller.token)
        assert live.web is not None
        self._server_stat = Path(f"/proc/{live.web.process.pid}/stat")
        self.server.marks = self.spool.marks = self.marks

    def job(self, quantity: int) -> ReadyEngine:
        """Submitted, leased, delivered."""
        self._person.submit(quantity=quantity)
        engine = ReadyEngine(self.pixels, self.marks)
        session = Session(self.server, engine, parse_job(self._caller.lease()), Event(), self.spool)
        before = self._processor_ms()
        ending = session.run()
        self.processor_ms.append(
            [late - early for early, late in zip(before, self._processor_ms(), strict=True)]
        )
        assert ending == "completed", ending
        return engine

    def parts_ms(self) -> list[float]:
        """Of the last slot, in the order of PARTS; they follow each other."""
        moments = [
            self.marks[name] for name in ("last step", "encoded", "kept", "upload", "uploaded", "accepted")
        ]
        return [1000 * (end - begin) for begin, end in pairwise(moments)]

    def _processor_ms(self) -> tuple[float, float]:
        """Of this process and of the server's, so far: on a busy machine waiting does not count."""
        fields = self._server_stat.read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return time.process_time() * 1000, ticks * 1000 / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.spool.close()
        self.server.close()


def run(options: Options) -> None:
    rounds = 3 if options.quick else 30
    with (
        tempfile.TemporaryDirectory(prefix="ourvidz-overhead-") as folder,
        installed(Path(folder) / "data") as live,
        live.database(),
    ):
        machine = Machine(live, Path(folder) / "spool")
        try:
            figures = _measured(machine, rounds)
        finally:
            machine.close()
            live.tidy()
    json_line({"bench": "overhead", "rounds": rounds, **figures})


def _measured(machine: Machine, rounds: int) -> dict[str, object]:
    for _ in range(2):  # connections, caches
        machine.job(1)
    seen = []
    machine.processor_ms.clear()
    for _ in range(rounds):
        machine.job(1)
        seen.append(machine.parts_ms())
    spent_ms = [statistics.mean(each) for each in zip(*machine.processor_ms, strict=True)]
    parts = [statistics.median(part) for part in zip(*seen, strict=True)]
    totals = sorted(sum(each) for each in seen)
    media = png(machine.pixels, parameters=PARAMETERS)
    decode_ms = _median_ms(lambda: measure(io.BytesIO(media), media="image"), rounds)
    plain_ms = statistics.median(machine.job(3).waits_s[:2]) * 1000
    machine.server.slow_s = SLOW_S
    slow_ms = max(machine.job(3).waits_s[:2]) * 1000
    rows = [(name, f"{spent:.1f}") for name, spent in zip(PARTS, parts, strict=True)]
    rows += [
        ("all of it", f"{statistics.median(totals):.1f}"),
        ("all of it, fastest tenth", f"{totals[len(totals) // 10]:.1f}"),
        ("processor time in all, worker", f"{spent_ms[0]:.1f}"),
        ("processor time in all, server", f"{spent_ms[1]:.1f}"),
        ("in the upload, the server decodes the file", f"{decode_ms:.1f}"),
        ("between two slots, the engine waits", f"{plain_ms:.1f}"),
        (f"the same, an upload taking {SLOW_S:.1f} s more", f"{slow_ms:.1f}"),
    ]
    table(
        f"A PNG of {len(media) / 2**20:.1f} MiB, ms", ("from the last step to the callback", "median"), rows
    )
    say(f"Aim: {AIM_MS} ms")
    return {
        "median_ms": round(statistics.median(totals), 1),
        "undisturbed_ms": round(totals[len(totals) // 10], 1),
        "parts_ms": {name: round(spent, 1) for name, spent in zip(PARTS, parts, strict=True)},
        "processor_ms": [round(each, 1) for each in spent_ms],
        "server_decodes_ms": round(decode_ms, 1),
        "engine_waits_ms": round(plain_ms, 1),
        "engine_waits_when_uploads_are_slow_ms": round(slow_ms, 1),
    }


def _median_ms(call: Callable[[], object], times: int) -> float:
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1000
