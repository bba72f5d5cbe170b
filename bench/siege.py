"""Attacks on one web process while honest callers go on: what the attacks take from them.

Memory is that of the process and its children together, as the kernel counts it. The attackers are a process
of their own, with addresses of their own on the loopback.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.attacks.__main__ import ATTACKS
from bench.honest import Calls, Honest, honest_callers
from bench.hostile_media import write_hostile_media
from bench.live_stage import Owner
from bench.memory import Memory
from bench.output import json_line, say, table
from generation.models import Asset
from tests.acting import cancel_all, issue_personal_token
from tests.factories import make_job
from tests.functional.callers import session_of
from tests.functional.installation import Installation, installed

if TYPE_CHECKING:
    from bench.__main__ import Options

AIM_MB, AIM_RATIO = 600, 5
BIG_FILE_BYTES = 102 * 1000 * 1000
JOBS, IMAGES, METADATA_BYTES = 200, 6, 16_000  # a page of them has some 20 MB
PAUSE_S = 3
PATIENCE_S = 45  # for a server that has to recover
# As most systems give a process, so that what it does about that is measured.
FEW_FILES = ["sh", "-c", 'ulimit -Sn 1024; exec "$@"', "sh"]


@dataclass(slots=True)
class Phase:
    """What the honest callers saw, and what became of the attack's calls."""

    name: str
    calls: Calls
    peak_mb: float
    seen: dict[str, int] = field(default_factory=dict)

    def row(self, quiet_p95: float) -> list[str]:
        median, p95 = self.calls.figures()
        failures = self.calls.failures
        return [
            self.name,
            f"{self.peak_mb:.0f}",
            f"{median:.0f}",
            f"{p95:.0f}",
            f"{p95 / quiet_p95:.1f}",
            f"{sum(failures.values())} of {len(self.calls.took_ms)}",
            ", ".join(f"{count} {what}" for what, count in sorted(self.seen.items())),
        ]


def run(options: Options) -> None:
    names = options.attacks or list(ATTACKS)
    with (
        tempfile.TemporaryDirectory(prefix="ourvidz-siege-") as folder,
        installed(Path(folder) / "data", wrapper=FEW_FILES) as live,
        live.database(),
    ):
        say("jobs, files and people …")
        user = live.user()
        siege = Siege(
            live,
            _means(live, Path(folder)),
            Owner(user.pk, session_of(user)),
            live.machine().token,
            options.seconds or (4 if options.quick else 15),
        )
        phases = asyncio.run(siege.phases(names))
        _print(phases)
        live.kill_server()  # one that was hurt would take long to stop


def _means(live: Installation, folder: Path) -> dict[str, Any]:
    """What the attackers have: a user with many jobs and a large file, a token, a worker, hostile files."""
    person, machine = live.person(), live.machine()
    for _ in range(JOBS):
        make_job(person.user, quantity=IMAGES)
    Asset.objects.filter(owner=person.user).update(metadata={"note": "x" * METADATA_BYTES})
    cancel_all(owner_id=person.user.pk)
    person.submit("video_fast")
    machine.finish()
    movie = Asset.objects.get(owner=person.user, media="video")
    (path,) = (live.data / "media").rglob("*.mp4")
    with path.open("ab") as file:
        file.truncate(BIG_FILE_BYTES)
    pictures, video = write_hostile_media(folder)
    return {
        "port": live.port,
        "session": session_of(person.user),
        "token": issue_personal_token(owner_id=person.user.pk, name="attacks"),
        "worker_token": machine.token,
        "big_file": f"/media/video/{movie.pk}/file",
        "pictures": pictures,
        "video": video,
    }


@dataclass(slots=True)
class Siege:
    live: Installation
    means: dict[str, Any]
    owner: Owner
    worker_token: str
    seconds: float

    async def phases(self, names: Sequence[str]) -> list[Phase]:
        async with honest_callers(self.live.address, self.owner, self.worker_token) as honest:
            await honest.work(2)  # connections, caches
            found = [await self._phase(honest, "")]
            for name in names:
                found.append(await self._phase(honest, name))
                await self._recovered(honest, name)
        return found

    async def _phase(self, honest: Honest, name: str) -> Phase:
        assert self.live.web is not None
        memory = Memory(self.live.web.process.pid)
        say(f"{name or 'undisturbed'} …")
        with memory.watched():
            attack = await self._attack(name) if name else None
            calls = await honest.work(self.seconds)
            seen = await _ended(attack) if attack else {}
        median, p95 = calls.figures()
        failed = sum(calls.failures.values())
        say(f"    {memory.peak_mb:.0f} MB, {median:.0f} and {p95:.0f} ms, {failed} failures")
        for what, count in calls.failures.most_common(3):
            say(f"    {count} × {what}")
        return Phase(name or "undisturbed", calls, memory.peak_mb, seen)

    async def _attack(self, name: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.attacks"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin
        process.stdin.write(json.dumps(self.means | {"name": name, "seconds": self.seconds}).encode())
        process.stdin.close()
        return process

    async def _recovered(self, honest: Honest, name: str) -> None:
        """A pause, and if the server is dead or deaf, a new one: each attack finds one that serves."""
        await asyncio.sleep(PAUSE_S)
        limit = time.monotonic() + PATIENCE_S
        while not await honest.is_served():
            if time.monotonic() > limit or not (self.live.web and self.live.web.is_running):
                say(f"    the server did not recover from {name} and was started again")
                await asyncio.to_thread(self.live.restart)
                return
            await asyncio.sleep(1)


async def _ended(attack: asyncio.subprocess.Process) -> dict[str, int]:
    output, _ = await attack.communicate()
    return dict(json.loads(output)) if output else {"broke off": 1}


def _print(phases: Sequence[Phase]) -> None:
    quiet, *attacks = phases
    _, quiet_p95 = quiet.calls.figures()
    head = ("attack", "peak MB", "median ms", "95th ms", "× quiet", "failures", "what the attack got")
    table("Honest callers while one web process is attacked", head, [each.row(quiet_p95) for each in phases])
    say(f"Aim: under {AIM_MB} MB, {AIM_RATIO} times the undisturbed 95th percentile, no failure")
    json_line(
        {
            "bench": "siege",
            "peak_mb": round(max(each.peak_mb for each in phases)),
            "honest_p95_ratio": round(
                max((each.calls.figures()[1] for each in attacks), default=0) / quiet_p95, 1
            ),
            "honest_failures": sum(sum(each.calls.failures.values()) for each in attacks),
            "attacks": {
                each.name: {
                    "peak_mb": round(each.peak_mb),
                    "median_ms": round(each.calls.figures()[0]),
                    "p95_ms": round(each.calls.figures()[1]),
                    "failures": sum(each.calls.failures.values()),
                    "calls": len(each.calls.took_ms),
                    "seen": each.seen,
                }
                for each in phases
            },
        }
    )
