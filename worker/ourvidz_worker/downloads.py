"""Shows how far a download of weights is, by what lies on the disk: tens of GB take hours on a slow line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from ourvidz_worker import log
from ourvidz_worker.hub_weights import HubProblem, hub_weights
from ourvidz_worker.weight_files import is_single_file, split_hub_name

POLL_S = 1.0
LOG_EVERY_S = 30.0
LOG_SHARE = 0.05  # a line for each, and one in LONGEST_SILENCE_S
LONGEST_SILENCE_S = 600.0
GIB = 2**30


@contextmanager
def download_progress(location: str) -> Iterator[None]:
    """Shows how much of `location`, a name on the hub, has come, until the block ends."""
    ended = Event()
    thread = Thread(target=_watch, args=(location, ended), name="downloads", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=2 * POLL_S)


def _watch(location: str, ended: Event) -> None:
    folder = _blobs(location)
    began, at_first, total = time.monotonic(), _bytes_in(folder), 0
    lines = _Lines(location)
    while not ended.wait(POLL_S):
        fetched = _bytes_in(folder)
        if fetched > at_first:
            total = total or _total(location)
            lines.show(fetched, max(total, fetched))
    if (fetched := _bytes_in(folder)) > at_first:
        seconds = round(time.monotonic() - began)
        log.event("downloaded", location=location, gib=round(fetched / GIB, 3), seconds=seconds)


class _Lines:
    """Log lines that are bounded in number, however long it takes."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._shown_at = float("-inf")
        self._shown = 0
        self._share = -1.0

    def show(self, fetched: int, total: int) -> None:
        now, share = time.monotonic(), fetched / total
        silence_s = now - self._shown_at
        is_news = share - self._share >= LOG_SHARE and silence_s >= LOG_EVERY_S
        if not is_news and silence_s < LONGEST_SILENCE_S:
            return
        rate = (fetched - self._shown) / silence_s / 2**20 if self._share >= 0 else None
        log.event(
            "downloading",
            location=self._location,
            gib=round(fetched / GIB, 3),
            total_gib=round(total / GIB, 3),
            percent=int(100 * share),
            **({} if rate is None else {"mib_per_s": round(rate, 1)}),
        )
        self._shown_at, self._shown, self._share = now, fetched, share


def _blobs(location: str) -> Path:
    """Where the hub's cache keeps the repository's files, whole and in part."""
    from huggingface_hub.constants import HF_HUB_CACHE

    repository, _ = split_hub_name(location)
    return Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "blobs"


def _bytes_in(folder: Path) -> int:
    """What the files take on the disk: some are written with gaps."""
    total = 0
    with suppress(OSError):
        for file in folder.iterdir():
            with suppress(OSError):  # it has just got its name
                total += file.stat().st_blocks * 512
    return total


def _total(location: str) -> int:
    """In bytes; 0 if the hub does not say."""
    kinds = ("file",) if is_single_file(location) else ("model", "enhancer")
    for about in kinds:
        with suppress(HubProblem):
            return sum(hub_weights(about, location).sizes)
    return 0
