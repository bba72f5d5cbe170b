"""A result once made outlives an outage, a restart and a kill -9."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from ourvidz_worker.client import Server
from ourvidz_worker.engines.base import FinishedSlot, ReportProgress
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.errors import ServerUnavailable
from ourvidz_worker.protocol import Job, parse_job
from ourvidz_worker.spool import Spool
from ourvidz_worker.spool_recovery import deliver_spooled_result, recover_spool
from tests.worker.protocol_server import TOKEN, ProtocolServer, job_body
from tests.worker.scripted import ScriptedEngine, finished
from tests.worker.test_runner import callbacks, ended, wait_for, working

ASSET = {"image_index": 0, "status": "completed", "upload_id": "", "seed": 7}


def kept(root: Path, url: str, *, token: str = TOKEN, job: Job | None = None) -> None:
    """As a process leaves it that was killed: a result on disk, the lock gone."""
    spool = Spool(root, url, token)
    spool.keep(job or parse_job(job_body(slots=3)), 0, "image/png", ASSET, b"a picture")
    spool.close()


def worker(server: ProtocolServer, root: Path, *more: str) -> subprocess.Popen[bytes]:
    command = ["run", "--server", server.url, "--spool", str(root), *more]
    environment = {**os.environ, "OURVIDZ_WORKER_TOKEN": TOKEN}
    return subprocess.Popen(
        [sys.executable, "-m", "ourvidz_worker", *command], env=environment, stderr=subprocess.DEVNULL
    )


def test_a_start_first_delivers_the_spooled_results(server: ProtocolServer, tmp_path: Path) -> None:
    kept(tmp_path, server.url)
    spool = Spool(tmp_path, server.url, TOKEN)
    with working(server, SketchEngine(), spool):
        wait_for(lambda: server.seen("/lease"))
    (upload,) = server.uploads()
    assert (upload.body, upload.headers["x-lease-token"]) == (b"a picture", "lease-1")
    (report,) = callbacks(server)
    assert report["assets"] == [ASSET | {"upload_id": "u0"}]
    assert report["status"] == "processing"
    order = [request.path.rsplit("/", 1)[1] for request in server.requests]
    assert order[:4] == ["0", "job-callback", "release", "lease"]
    spool.close()
    assert not list(tmp_path.rglob("*.json"))


def test_a_result_of_a_lost_lease_is_dropped(server: ProtocolServer, tmp_path: Path) -> None:
    """pitfall 16"""
    kept(tmp_path, server.url)
    server.script("PUT /uploads/0", 409)
    spool = Spool(tmp_path, server.url, TOKEN)
    with working(server, SketchEngine(), spool):
        wait_for(lambda: server.seen("/lease"))
    spool.close()
    assert not callbacks(server)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(("url", "token"), [("", "ovw_other"), ("http://other.example", TOKEN)])
def test_results_of_another_worker_are_not_touched(
    server: ProtocolServer, tmp_path: Path, url: str, token: str
) -> None:
    kept(tmp_path, url or server.url, token=token)
    spool = Spool(tmp_path, server.url, TOKEN)
    assert not list(spool.undelivered())
    spool.close()


def test_results_of_a_running_process_are_not_touched(tmp_path: Path) -> None:
    living = Spool(tmp_path, "http://server", TOKEN)
    living.keep(parse_job(job_body()), 0, "image/png", ASSET, b"a picture")
    other = Spool(tmp_path, "http://server", TOKEN)
    assert not list(other.undelivered())
    living.close()
    assert [each.media.read_bytes() for each in other.undelivered()] == [b"a picture"]
    other.close()


def test_two_starts_at_once_leave_each_other_their_folders(tmp_path: Path) -> None:
    """An empty folder that nobody has locked yet looks like one that a dead process left."""

    def start(_: int) -> bool:
        spool = Spool(tmp_path, "https://server", TOKEN)
        list(spool.undelivered())
        is_there = spool._folder.is_dir()
        spool.close()
        return is_there

    with ThreadPoolExecutor(8) as starts:
        assert all(starts.map(start, range(400)))


def test_half_a_result_is_none(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "http://server", TOKEN)
    (folder,) = tmp_path.glob("*/run-*")
    (folder / "job-0.bin").write_bytes(b"half a pic")
    assert not list(spool.undelivered())
    spool.close()


@pytest.mark.parametrize("broken", [b"", b"[]", b'{"id": "job-1"}'])
def test_a_description_that_a_power_cut_left_is_dropped(tmp_path: Path, broken: bytes) -> None:
    kept(tmp_path, "http://server")
    (described,) = tmp_path.rglob("*.json")
    described.write_bytes(broken)
    spool = Spool(tmp_path, "http://server", TOKEN)
    assert not list(spool.undelivered())
    spool.close()
    assert not list(tmp_path.rglob("*.bin"))


def test_a_file_that_a_power_cut_shortened_is_dropped(tmp_path: Path) -> None:
    kept(tmp_path, "http://server")
    (media,) = tmp_path.rglob("*.bin")
    media.write_bytes(b"a pict")
    spool = Spool(tmp_path, "http://server", TOKEN)
    assert not list(spool.undelivered())
    spool.close()


def test_undelivered_results_are_deleted_after_a_week(tmp_path: Path) -> None:
    for token, days in (("ovw_old", 8), ("ovw_new", 6)):
        kept(tmp_path, "http://server", token=token)
        then = time.time() - days * 86400
        for path in tmp_path.rglob("*"):
            if path.stat().st_mtime > time.time() - 5 * 86400:
                os.utime(path, (then, then))
    Spool(tmp_path, "http://server", TOKEN).close()
    (left,) = tmp_path.rglob("*.json")
    assert time.time() - left.stat().st_mtime < 7 * 86400


def test_the_folder_of_a_running_process_does_not_expire(tmp_path: Path) -> None:
    """A process that has been idle for long still has its folder."""
    living = Spool(tmp_path, "http://server", TOKEN)
    for path in tmp_path.rglob("*"):
        os.utime(path, (0, 0))
    Spool(tmp_path, "http://server", "ovw_other").close()
    living.keep(parse_job(job_body()), 0, "image/png", ASSET, b"a picture")
    living.close()


def test_a_result_made_before_a_kill_is_delivered_after_it(server: ProtocolServer, tmp_path: Path) -> None:
    """pitfall 14"""
    server.jobs.append(job_body(slots=3))
    for _ in range(20):  # the server is away just when the first result is ready
        server.script("PUT /uploads/0", 503)
    first = worker(server, tmp_path, "--pace", "1")
    try:
        wait_for(lambda: list(tmp_path.rglob("*-0.json")) and server.uploads(), seconds=40)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    made = server.uploads()[0].body
    server.answers.clear()
    server.requests.clear()
    second = worker(server, tmp_path)
    try:
        wait_for(lambda: server.seen("/lease"), seconds=40)
    finally:
        second.terminate()
        assert second.wait(10) == 0
    assert server.uploads()[0].body == made
    assert callbacks(server)[0]["assets"][0]["upload_id"] == "u0"
    assert server.seen("/release")


def test_the_engine_does_not_wait_for_an_upload(server: ProtocolServer) -> None:
    server.jobs.append(job_body(slots=6))
    server.script("PUT /uploads/0", 503, Retry_After="1")
    made: list[float] = []

    def quick(job: Job, report_progress: ReportProgress) -> Iterator[FinishedSlot]:
        for slot in job.slots:
            made.append(time.monotonic())
            yield finished(slot)

    with working(server, ScriptedEngine(quick)):
        wait_for(lambda: ended(server))
    assert made[-1] - made[0] < 0.5
    assert [each["assets"][0]["image_index"] for each in callbacks(server)] == list(range(6))
    assert callbacks(server)[-1]["status"] == "completed"


def test_a_disk_that_is_full_does_not_stop_a_delivery(
    server: ProtocolServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    server.jobs.append(job_body())
    spool = Spool(tmp_path, server.url, TOKEN)
    with working(server, SketchEngine(), spool):
        wait_for(lambda: ended(server))
    spool.close()
    assert callbacks(server)[-1]["status"] == "completed"


def test_a_result_whose_file_is_gone_is_a_failed_slot(server: ProtocolServer, tmp_path: Path) -> None:
    server.jobs.append(job_body())
    server.script("PUT /uploads/0", 503, Retry_After="1")
    spool = Spool(tmp_path, server.url, TOKEN)
    with working(server, SketchEngine(), spool):
        wait_for(server.uploads)
        for path in tmp_path.rglob("*.bin"):
            path.unlink()
        wait_for(lambda: ended(server))
    spool.close()
    assert callbacks(server)[-1]["assets"][0]["error"]["code"] == "spool_failed"


SENDING = """
import sys
from pathlib import Path
from threading import Event
from ourvidz_worker.client import Server
from ourvidz_worker.protocol import parse_job
from tests.worker.protocol_server import job_body

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

server = Server(sys.argv[1], sys.argv[2])
before = peak()
server.upload(parse_job(job_body()), 0, Path(sys.argv[3]), "video/mp4", halted=Event())
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_file_is_sent_in_little_memory(
    server: ProtocolServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / "film.mp4"
    with film.open("wb") as file:
        file.truncate(200 * 2**20)
    server.largest_kept = 2**20
    command = [sys.executable, "-c", SENDING, server.url, TOKEN, str(film)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    grown_mib = int(result.stdout) / 2**10
    (upload,) = server.uploads()
    assert upload.headers["content-length"] == str(200 * 2**20)
    assert grown_mib < 20
    with capsys.disabled():
        print(f"\na file of 200 MiB sent: the worker's memory grew by {grown_mib:.1f} MiB")


def test_a_full_disk_is_not_left_full_of_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a film stayed for as long as the worker lived, and kept the disk full."""
    spool, written = Spool(tmp_path, "http://server", TOKEN), Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        written(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        spool.keep(parse_job(job_body()), 0, "image/png", ASSET, b"a picture")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["lock"]
    spool.close()


def test_a_foreign_file_in_the_spool_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "owner").mkdir()
    foreign = tmp_path / "owner" / "run-notes"
    foreign.write_text("not a folder")
    Spool(tmp_path, "http://server", TOKEN).close()
    assert foreign.exists()


def test_a_result_that_the_server_always_fails_over_does_not_stop_all_work(
    server: ProtocolServer, tmp_path: Path
) -> None:
    """Its leases were never asked for again, for as long as the worker lived."""
    kept(tmp_path, server.url)
    for _ in range(50):
        server.script("PUT /uploads/0", 500)
    server.script("POST /lease", 422)
    client, spool = Server(server.url, TOKEN, patience=0.2), Spool(tmp_path, server.url, TOKEN)
    (left,) = spool.undelivered()
    deliver_spooled_result(client, left, Event())
    assert not list(spool.undelivered())
    client.close()
    spool.close()


@pytest.mark.parametrize(("upload", "lease"), [(503, 422), (500, 500), (500, 503)])
def test_a_result_outlives_a_server_that_fails_over_everything(
    server: ProtocolServer, tmp_path: Path, upload: int, lease: int
) -> None:
    kept(tmp_path, server.url)
    for _ in range(50):
        server.script("PUT /uploads/0", upload)
    server.script("POST /lease", lease)
    client, spool = Server(server.url, TOKEN, patience=0.2), Spool(tmp_path, server.url, TOKEN)
    (left,) = spool.undelivered()
    with pytest.raises(ServerUnavailable):
        deliver_spooled_result(client, left, Event())
    assert left.media.exists()
    client.close()
    spool.close()


@pytest.mark.parametrize(
    "change",
    [
        {"asset": None},
        {"slot": "../1"},
        {"lease_token": "a\nb"},
        {"lease_token": "ü"},
        {"id": "a/../b"},
        {"id": 5},
        {"content_type": 5},
    ],
)
def test_a_damaged_description_ends_no_start(tmp_path: Path, change: dict[str, object]) -> None:
    """It raised at every start for as long as it lay there."""
    spool = Spool(tmp_path, "http://server", TOKEN)
    media = spool.keep(parse_job(job_body()), 0, "image/png", ASSET, b"a picture")
    description = media.with_suffix(".json")
    description.write_text(json.dumps(json.loads(description.read_text()) | change))
    assert not list(spool.undelivered())
    assert not description.exists()
    spool.close()


@pytest.mark.parametrize("typed", ["https://x.example/", "HTTPS://X.example"])
def test_a_server_is_the_same_however_it_is_typed(tmp_path: Path, typed: str) -> None:
    kept(tmp_path, "https://x.example")
    spool = Spool(tmp_path, typed, TOKEN)
    assert len(list(spool.undelivered())) == 1
    spool.close()


def test_the_folders_of_old_tokens_do_not_pile_up(tmp_path: Path) -> None:
    for token in ("ovw_old", "ovw_new"):
        Spool(tmp_path, "http://server", token).close()
    (tmp_path / "owner").mkdir()
    (tmp_path / "owner" / "notes").touch()
    old, new = sorted(path for path in tmp_path.iterdir() if path.name != "owner")
    for path in (old, tmp_path / "owner"):
        os.utime(path, (0, 0))
    Spool(tmp_path, "http://server", "ovw_third").close()
    assert not old.exists()
    assert new.exists()
    assert (tmp_path / "owner" / "notes").exists()


def abandoned(root: Path, url: str, *, token: str = TOKEN) -> None:
    """As a process leaves it that was killed in the middle of a job."""
    spool = Spool(root, url, token)
    spool.note_lease(parse_job(job_body(slots=3)))
    spool.close()


def test_a_job_in_which_the_worker_was_killed_is_reported_at_the_next_start(
    server: ProtocolServer, tmp_path: Path
) -> None:
    """Pitfall 12: it waited until its lease ran out, though its worker was there again."""
    server.jobs.append(job_body(slots=3))
    first = worker(server, tmp_path, "--pace", "600")
    try:
        wait_for(lambda: server.seen("/heartbeat") or server.seen("/lease"))
        wait_for(lambda: list(tmp_path.rglob("in-hand")))
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    finally:
        first.kill()
    assert not callbacks(server)
    spool = Spool(tmp_path, server.url, TOKEN)
    with working(server, SketchEngine(), spool):
        wait_for(lambda: callbacks(server))
        wait_for(lambda: server.requests[-1].path.endswith("/lease"))
    spool.close()
    (report,) = callbacks(server)
    assert (report["status"], report["assets"], report["lease_token"]) == ("failed", [], "lease-1")
    assert "ended in the middle" in report["error_message"]
    assert not list(tmp_path.rglob("in-hand"))


def test_a_job_with_a_spooled_result_is_released_and_not_reported_too(
    server: ProtocolServer, tmp_path: Path
) -> None:
    spool = Spool(tmp_path, server.url, TOKEN)
    job = parse_job(job_body(slots=3))
    spool.keep(job, 0, "image/png", ASSET, b"a picture")
    spool.note_lease(job)
    spool.close()
    spool = Spool(tmp_path, server.url, TOKEN)
    with working(server, SketchEngine(), spool):
        wait_for(lambda: server.seen("/lease"))
    spool.close()
    assert [report["status"] for report in callbacks(server)] == ["processing"]
    assert server.seen("/release")
    assert not list(tmp_path.rglob("run-*"))


@pytest.mark.parametrize("status", [409, 404, 500])
def test_a_lease_that_the_server_does_not_know_is_forgotten(
    server: ProtocolServer, tmp_path: Path, status: int
) -> None:
    """Pitfall 16: the job is somebody else's now."""
    abandoned(tmp_path, server.url)
    for _ in range(20):
        server.script("POST /job-callback", status)
    client, spool = Server(server.url, TOKEN, patience=0.2), Spool(tmp_path, server.url, TOKEN)
    recover_spool(client, spool, Event())
    assert list(spool.abandoned()) == []
    client.close()
    spool.close()


def test_a_lease_is_kept_while_the_server_is_away(server: ProtocolServer, tmp_path: Path) -> None:
    abandoned(tmp_path, server.url)
    for _ in range(20):
        server.script("POST /job-callback", 503)
    client, spool = Server(server.url, TOKEN, patience=0.2), Spool(tmp_path, server.url, TOKEN)
    with pytest.raises(ServerUnavailable):
        recover_spool(client, spool, Event())
    assert [lease.id for lease in spool.abandoned()] == ["job-1"]
    client.close()
    spool.close()


@pytest.mark.parametrize("token", [TOKEN, "ovw_other"])
def test_the_lease_of_a_running_process_or_another_worker_is_not_touched(tmp_path: Path, token: str) -> None:
    living = Spool(tmp_path, "http://server", token)
    living.note_lease(parse_job(job_body()))
    other = Spool(tmp_path, "http://server", TOKEN)
    assert list(other.abandoned()) == []
    living.close()
    if token != TOKEN:
        assert list(other.abandoned()) == []
        assert list(tmp_path.rglob("in-hand"))
    other.close()


@pytest.mark.parametrize("note", [b"", b"[]", b"{}", b'{"id": "a/../b", "lease_token": "x"}', b'{"id": 3}'])
def test_a_note_that_a_power_cut_left_is_dropped(tmp_path: Path, note: bytes) -> None:
    abandoned(tmp_path, "http://server")
    next(tmp_path.rglob("in-hand")).write_bytes(note)
    spool = Spool(tmp_path, "http://server", TOKEN)
    assert list(spool.abandoned()) == []
    spool.close()
    assert not list(tmp_path.rglob("in-hand"))
