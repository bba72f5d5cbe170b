"""Decoding processes: what a file may take, who waits for whom, and what becomes of them."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from generation.core.errors import DecoderUnavailable, TooManyDecodes
from generation.media import measure as measuring
from generation.media import messages
from generation.media.decoders import DecoderPool
from generation.media.formats import BrokenMedia
from generation.media.measure import measure
from generation.media.turns import FairSemaphore, NoTurn
from tests.factories import make_reference, make_user, png
from tests.generation.pictures import chunk, clip, encoded, plain
from tests.generation.side import in_thread

pytestmark = pytest.mark.any_database

MB = 1024 * 1024
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., DecoderPool]]:
    """Makes a pool for the test, and ends its processes."""
    made: list[DecoderPool] = []

    def make(**options: int) -> DecoderPool:
        defaults: dict[str, Any] = {
            "decoders": settings.DECODERS,
            "memory_bytes": settings.DECODE_MEMORY_BYTES,
            "seconds": settings.DECODE_SECONDS,
        }
        made.append(DecoderPool(**defaults | options))
        monkeypatch.setattr(measuring, "pool", lambda: made[-1])
        return made[-1]

    yield make
    for each in made:
        each.stop()


def refusal(content: bytes, media: str = "image") -> tuple[str, str]:
    with pytest.raises(BrokenMedia) as refused:
        measure(io.BytesIO(content), media=media)
    return refused.value.code, refused.value.message


def children() -> list[int]:
    """The processes that this one has started and that run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == os.getpid() and state != "Z":
            found.append(int(path.parent.name))
    return found


def peak_mb(pid: int | str = "self") -> float:
    [line] = [
        each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM")
    ]
    return int(line.split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    _, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    return sum(map(int, rest.split()[11:13])) / os.sysconf("SC_CLK_TCK")


def mp4_that_claims(samples: int, *, table: bytes = b"stsz") -> bytes:
    """A sound clip whose table of sizes, or of durations, stands for so many samples."""
    content = bytearray(clip())
    at = content.index(table) + 8
    content[at : at + 8] = (1).to_bytes(4, "big") + samples.to_bytes(4, "big")
    return bytes(content)


def black_clip(width: int, height: int) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream: Any = file.add_stream("libx264", rate=16, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        file.mux(stream.encode(av.VideoFrame(width, height, "yuv420p")))
        file.mux(stream.encode(None))
    return out.getvalue()


def flat_webp(width: int, height: int) -> bytes:
    """One colour, lossless: each of its five codes has a single symbol, so no pixel takes a bit."""
    header = [*_bits(0x2F, 8), *_bits(width - 1, 14), *_bits(height - 1, 14), *_bits(0, 4)]
    code = [1, 0, 1, *_bits(0, 8)]
    bits = header + [0, 0, 0] + code * 5
    data = bytes(
        sum(bit << place for place, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8)
    )
    data += b"\0" * (len(data) % 2)
    body = b"WEBPVP8L" + len(data).to_bytes(4, "little") + data
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _bits(value: int, count: int) -> list[int]:
    return [value >> place & 1 for place in range(count)]


def many_scans(edge: int, scans: int) -> bytes:
    """A progressive grey JPEG whose last scan comes again and again."""
    picture = encoded(plain(edge, edge, "L"), "JPEG", progressive=True)
    start = picture.rindex(b"\xff\xda")
    return picture[:-2] + picture[start:-2] * scans + picture[-2:]


def png_with(kind: bytes, unpacked: int) -> bytes:
    """A sound PNG with a part that unpacks to so many bytes."""
    content = png()
    packed = zlib.compress(b"\0" * unpacked)
    names = {b"zTXt": b"a\0\0", b"iCCP": b"a\0\0", b"iTXt": b"a\0\1\0\0\0"}
    return content[:33] + chunk(kind, names[kind] + packed) + content[33:]


# Bombs


@pytest.mark.parametrize("table", [b"stsz", b"stts"])
def test_an_mp4_that_claims_millions_of_samples_is_refused_by_its_tables(table: bytes) -> None:
    """1.4 KB made the demuxer take 832 MB."""
    code, message = refusal(mp4_that_claims(20_000_000, table=table), "video")
    assert (code, "20,000,000 samples" in message) == ("too_large", True)


def test_a_table_that_claims_more_than_its_box_has_is_refused() -> None:
    content = bytearray(clip())
    at = content.index(b"stco") + 8
    content[at : at + 4] = (100_000).to_bytes(4, "big")
    assert "table stco claims 400,000 bytes" in refusal(bytes(content), "video")[1]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (flat_webp(8000, 8000), "8,000 × 8,000 px"),
        (many_scans(64, 99), "more than 32 scans"),
        (png_with(b"zTXt", 50 * MB), "unpacks to too many bytes"),
        (png_with(b"iTXt", 50 * MB), "unpacks to too many bytes"),
        (png_with(b"iCCP", 50 * MB), "unpacks to too many bytes"),
        (png()[:33] + chunk(b"tEXt", b"a\0b") * 25_000 + png()[33:], "more than 20,000 parts"),
    ],
    ids=["WebP", "JPEG", "zTXt", "iTXt", "iCCP", "parts"],
)
def test_a_small_file_that_takes_much_is_refused_by_its_structure(content: bytes, says: str) -> None:
    """The sentence names what was seen."""
    code, message = refusal(content)
    assert code == "too_large"
    assert says in message


def test_a_file_of_a_million_parts_is_not_opened_to_count_them(decoders: Callable[..., DecoderPool]) -> None:
    """Pillow took ten seconds over them."""
    decoders(decoders=1, seconds=1)
    parts = chunk(b"abCd", b"") * 1_500_000
    assert refusal(png()[:33] + parts + png()[33:])[1] == "The PNG is made of more than 20,000 parts."


@needs_proc
def test_bombs_at_once_take_no_more_than_the_processes_may(decoders: Callable[..., DecoderPool]) -> None:
    """Pitfall 40: six took 5.9 GB, an MP4 832 MB, of the web process."""
    decoders(decoders=2)
    bombs = [(flat_webp(8000, 8000), "image")] * 6 + [(mp4_that_claims(20_000_000), "video")] * 2
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mb()
    with ThreadPoolExecutor(8) as threads:
        codes = list(threads.map(lambda bomb: refusal(*bomb)[0], bombs))
    assert set(codes) == {"too_large"}
    assert peak_mb() - before < 32
    assert sum(peak_mb(pid) for pid in children()) < 2 * 150


@needs_proc
def test_the_largest_picture_that_is_taken_stays_within_its_memory(
    decoders: Callable[..., DecoderPool],
) -> None:
    decoders(decoders=1)
    edge = int((settings.DECODE_MEMORY_BYTES / 20) ** 0.5)
    assert measure(io.BytesIO(flat_webp(edge, edge)), media="image").width == edge
    assert max(peak_mb(pid) for pid in children()) < settings.DECODE_MEMORY_BYTES / MB + 100
    assert "at most" in refusal(flat_webp(edge + 10, edge + 10))[1]


def test_what_needs_more_memory_than_it_may_have_is_refused_in_words(
    decoders: Callable[..., DecoderPool],
) -> None:
    """The limit holds where no header says so in advance."""
    decoders(decoders=1, memory_bytes=1)
    code, message = refusal(black_clip(4096, 2304), "video")
    assert (code, "of memory" in message) == ("too_large", True)
    assert measure(io.BytesIO(clip()), media="video").frames == 16, "and the process goes on"


def test_what_takes_too_long_is_stopped_and_the_next_is_not(decoders: Callable[..., DecoderPool]) -> None:
    decoders(decoders=1, seconds=1)
    code, message = refusal(many_scans(6000, 24))
    assert (code, message) == ("too_large", "Opening the file takes more than 1 s.")
    assert measure(io.BytesIO(png()), media="image").width == 64


@needs_proc
def test_each_picture_has_its_time_though_the_process_goes_on(decoders: Callable[..., DecoderPool]) -> None:
    """CPU time adds up over a process's life."""
    pool = decoders(decoders=1, seconds=1)
    pool.warm_up()
    [first] = pool._idle
    content = encoded(plain(1000, 1000), "PNG")
    while cpu_seconds(first.pid) < 3:
        measure(io.BytesIO(content), media="image")
    assert pool._idle == [first]


@needs_proc
def test_a_process_that_stands_still_is_replaced(decoders: Callable[..., DecoderPool]) -> None:
    pool = decoders(decoders=1, seconds=1)
    pool.warm_up()
    [still] = pool._idle
    os.kill(still.pid, signal.SIGSTOP)
    assert "takes more than" in refusal(png())[1]
    assert still.pid not in children()
    assert measure(io.BytesIO(png()), media="image").width == 64


# Processes


@needs_proc
def test_one_process_serves_many_pictures(decoders: Callable[..., DecoderPool]) -> None:
    pool = decoders()
    for _ in range(20):
        measure(io.BytesIO(png()), media="image")
    assert len(pool._idle) == 1


@needs_proc
def test_a_process_that_is_killed_over_a_picture_costs_nobody_anything(
    decoders: Callable[..., DecoderPool],
) -> None:
    """Pitfall 43"""
    pool = decoders(decoders=1)
    pool.warm_up()
    [first] = pool._idle
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(measure, io.BytesIO(many_scans(2000, 20)), media="image")
        while pool._idle:
            time.sleep(0.001)
        os.kill(first.pid, signal.SIGKILL)
        assert waiting.result(60).width == 2000
    assert measure(io.BytesIO(png()), media="image").width == 64
    os.kill(pool._idle[0].pid, signal.SIGKILL)
    assert measure(io.BytesIO(png()), media="image").width == 64


@needs_proc
def test_a_process_has_no_secret_no_files_and_no_room_for_any(decoders: Callable[..., DecoderPool]) -> None:
    pool = decoders()
    pool.warm_up()
    proc = Path(f"/proc/{pool._idle[0].pid}")
    names = {each.partition("=")[0] for each in (proc / "environ").read_text().split("\0") if each}
    assert names <= {"PATH", "LANG", "MALLOC_MMAP_THRESHOLD_", "LD_LIBRARY_PATH"}
    opened = sorted(int(each.name) for each in (proc / "fd").iterdir())
    assert opened == [0, 1, 2, 3]
    assert {(proc / f"fd/{each}").readlink().as_posix() for each in (0, 1, 2)} == {"/dev/null"}
    [limit] = [each for each in (proc / "limits").read_text().splitlines() if "open files" in each]
    assert limit.split()[3:5] == ["6", "6"]
    assert os.getsid(pool._idle[0].pid) != os.getsid(0)
    assert "django" not in (proc / "maps").read_text()


OPENS_MORE = """
import os, socket, sys
from generation.media import decoder_process
decoder_process._confine(2**28, 2**20)
files = [os.open("/dev/null", os.O_RDONLY)]
decoder_process._allow(5, files)
for attempt in (lambda: open("/etc/passwd"), socket.socket, os.pipe):
    try:
        attempt()
    except OSError as error:
        assert error.errno == 24, error
    else:
        os._exit(1)
os._exit(0)
"""


@needs_proc
def test_a_process_can_open_nothing_while_it_decodes() -> None:
    """A playlist or a reference inside a file leads nowhere: there is no descriptor left for it."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        line = theirs.fileno()
        words = [
            sys.executable,
            "-c",
            f"import os; os.dup2({line}, 3); {line} > 3 and os.close({line})\n{OPENS_MORE}",
        ]
        ended = subprocess.run(words, cwd=settings.BASE_DIR, pass_fds=[line], check=False)
    assert ended.returncode == 0


STARTS_ONE = """
import os, sys
sys.path.insert(0, {root!r})
os.environ["DJANGO_SETTINGS_MODULE"] = "ourvidz.settings"
from generation.media.decoders import DecoderPool
pool = DecoderPool(decoders=1, memory_bytes=2**28, seconds=30)
pool.warm_up()
print("pid", pool._idle[0].pid, flush=True)
sys.stdin.read()
"""


@needs_proc
def test_a_process_ends_with_the_server_even_when_that_is_killed() -> None:
    """No orphans."""
    program = STARTS_ONE.format(root=str(settings.BASE_DIR))
    server = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with server:
        decoder = int(next(line for line in server.stdout if line.startswith(b"pid ")).split()[1])
        assert Path(f"/proc/{decoder}").exists()
        server.kill()
        server.wait()
        deadline = time.monotonic() + 30
        while Path(f"/proc/{decoder}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not Path(f"/proc/{decoder}").exists()


# What they answer

SOUND = {"content_type": "image/png", "width": 4, "height": 4, "duration": None, "frames": None}
WEBP = b"RIFF\0\0\0\0WEBP"


@pytest.mark.parametrize(
    ("answer", "thumbnail"),
    [
        ({}, WEBP),
        ({"measured": SOUND}, b"<svg/>"),
        ({"measured": SOUND | {"content_type": "text/html"}}, WEBP),
        ({"measured": SOUND | {"content_type": ["image/png"]}}, WEBP),
        ({"measured": SOUND | {"width": 0}}, WEBP),
        ({"measured": SOUND | {"width": "4"}}, WEBP),
        ({"measured": SOUND | {"height": 10**9}}, WEBP),
        ({"measured": SOUND | {"frames": -1}}, WEBP),
        ({"measured": SOUND | {"duration": float("inf")}}, WEBP),
        ({"measured": SOUND | {"duration": "long"}}, WEBP),
        ({"measured": SOUND | {"has_audio": "yes"}}, WEBP),
        ({"code": "owned", "message": "x"}, b""),
        ({"code": "too_large", "message": 7}, b""),
    ],
)
def test_an_answer_that_no_sound_process_gives_is_not_believed(
    answer: dict[str, Any], thumbnail: bytes
) -> None:
    with pytest.raises(DecoderUnavailable):
        measuring._measured(answer, thumbnail, media="image")


@pytest.mark.parametrize("sent", [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\2[]", b"\0\0\0\3{x}", b"\0\0"])
def test_a_message_is_bounded_before_it_is_read(sent: bytes) -> None:
    mine, theirs = socket.socketpair()
    with mine:
        with theirs:
            theirs.sendall(sent)
        with pytest.raises(messages.BadMessage):
            messages.receive(mine)


# Taking turns


def in_order(turns: FairSemaphore, callers: list[str]) -> list[str]:
    """Who was served when, where all of these came while another held every slot."""
    served: list[str] = []

    def ask(caller: str) -> None:
        with turns.turn(caller, wait=30):
            served.append(caller)

    threads = []
    with turns.turn("holder", wait=1):
        for number, caller in enumerate(callers, 1):
            threads.append(threading.Thread(target=ask, args=[caller]))
            threads[-1].start()
            while turns._slots.waiting(caller) < callers[:number].count(caller):
                time.sleep(0.001)
    for thread in threads:
        thread.join(30)
    return served


def test_callers_are_served_in_rotation_each_in_its_own_order() -> None:
    """pitfall 13: who sends a hundred does not starve who sends one."""
    order = in_order(FairSemaphore(1, max_waiting=8), ["a", "a", "a", "a", "b", "b", "c"])
    assert order == ["a", "b", "c", "a", "b", "a", "a"]


def test_one_caller_never_holds_the_last_slot() -> None:
    """Pitfall 40"""
    turns = FairSemaphore(2, max_waiting=8)
    with turns.turn("a", wait=1):
        with pytest.raises(NoTurn), turns.turn("a", wait=0.05):
            pass
        with turns.turn("b", wait=1):
            pass
    with turns.turn("a", wait=1):
        pass


def test_of_one_caller_a_few_wait_and_the_next_is_refused_at_once() -> None:
    turns = FairSemaphore(1, max_waiting=1)
    served = threading.Event()

    def wait() -> None:
        with turns.turn("a", wait=30):
            served.set()

    waiting = threading.Thread(target=wait)
    with turns.turn("a", wait=1):
        waiting.start()
        while not turns._slots.waiting("a"):
            time.sleep(0.001)
        with pytest.raises(NoTurn), turns.turn("a", wait=3600):
            pass
    assert served.wait(30)
    waiting.join()


def test_who_gave_up_is_not_served() -> None:
    turns = FairSemaphore(1, max_waiting=8)
    with turns.turn("a", wait=1), pytest.raises(NoTurn), turns.turn("b", wait=0.01):
        pass
    assert not turns._slots.waiting("b")
    with turns.turn("c", wait=1):
        pass


def test_a_picture_that_finds_no_turn_is_refused_with_a_time_to_come_back(
    decoders: Callable[..., DecoderPool], owner: User, client: Client
) -> None:
    pool = decoders(decoders=1, max_waiting=0)
    client.force_login(owner)
    with pool._turns.turn("another", wait=1):
        refused = client.put("/api/v1/references", png(), content_type="image/png")
    assert (refused.status_code, refused.json()["code"]) == (429, "busy_with_pictures")
    assert int(refused.headers["Retry-After"]) > 0
    assert client.put("/api/v1/references", png(), content_type="image/png").status_code == 201


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_who_waits_for_a_turn_holds_no_database_connection(decoders: Callable[..., DecoderPool]) -> None:
    """Ten that waited would have taken the pool from everybody."""
    pool, owner = decoders(decoders=1), make_user()

    def in_use() -> int:
        stats = connection.pool.get_stats()  # type: ignore[attr-defined] # PostgreSQL's
        return int(stats["pool_size"] - stats["pool_available"])

    before = in_use()
    with ThreadPoolExecutor(1) as thread:
        with pool._turns.turn("another", wait=1):
            uploading = thread.submit(in_thread, lambda: make_reference(owner))
            while not pool._turns._slots._waiting:
                time.sleep(0.001)
            assert in_use() == before
        assert uploading.result(30).width == 64


def test_without_a_process_nothing_is_kept_and_it_is_sent_again(
    decoders: Callable[..., DecoderPool], owner: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 43"""
    decoders()
    client.force_login(owner)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/nonexistent/python")
        refused = client.put("/api/v1/references", png(), content_type="image/png")
    assert (refused.status_code, refused.json()["code"]) == (503, "decoder_unavailable")
    assert "Retry-After" in refused.headers
    assert client.put("/api/v1/references", png(), content_type="image/png").status_code == 201


def test_a_busy_pool_says_so(decoders: Callable[..., DecoderPool]) -> None:
    pool = decoders(decoders=1)
    with pool._turns.turn("another", wait=1), pytest.raises(TooManyDecodes):
        measure(io.BytesIO(png()), media="image", caller="me", wait=0.01)
