"""`script/bench marking`: what a C2PA manifest costs an upload, in time, bytes and memory."""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from django.test.utils import override_settings
from PIL import Image

from bench.output import json_line, table
from generation.media import decoders
from generation.media.manifests import measured_with_manifest
from generation.media.signing import signing_identity
from ourvidz_worker.engines import xmp
from ourvidz_worker.engines.mp4 import mp4
from ourvidz_worker.engines.png import png
from tests.certificates import made_chain

if TYPE_CHECKING:
    from bench.__main__ import Options

Media = Literal["image", "video"]
ROUNDS, QUICK_ROUNDS = 15, 3
HEAD = ("file", "MB", "ms without", "ms with", "ms more", "bytes more", "MB of memory more")


def run(options: Options) -> None:
    """Each file of a worker's, as it is measured and kept without and with a certificate, in turn."""
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    with tempfile.TemporaryDirectory(prefix="ourvidz-bench-") as folder:
        chain = made_chain(Path(folder))
        identity = {"SIGNING_CERTIFICATE": str(chain.certificate), "SIGNING_KEY": str(chain.key)}
        found = [compared(*each, identity, rounds) for each in files(quick=options.quick)]
    rows = [[str(value) for value in figures.values()] for figures in found]
    table("An upload with a manifest", HEAD, rows)
    json_line({"bench": "marking", "rounds": rounds, "files": found})


def files(*, quick: bool) -> Iterator[tuple[str, Media, bytes]]:
    picture = _picture(1024, 1024)
    yield "PNG 1 MP", "image", png(picture)
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=95)
    yield "JPEG 1 MP", "image", xmp.marked(out.getvalue(), "image/jpeg")
    yield "MP4 5 s", "video", _film(480, 832, 81)
    if quick:
        return
    yield "PNG 16 MP", "image", png(_picture(4096, 4096))
    yield "MP4 5 s, 1080p", "video", _film(1088, 1920, 81)


def _picture(height: int, width: int) -> Any:
    """Soft shapes under grain, which compresses as a picture does."""
    down, across = np.mgrid[0:height, 0:width]
    grain = np.random.default_rng(7).normal(0, 4, (height, width, 3))
    waves = np.stack([127 + 110 * np.sin(down / (90 + tone) + across / 131) for tone in (0, 20, 50)], -1)
    return np.clip(waves + grain, 0, 255).astype(np.uint8)


def _film(height: int, width: int, frames: int) -> bytes:
    still = _picture(height, width)
    return mp4((np.roll(still, 3 * at, 1) for at in range(frames)), width=width, height=height, fps=16)


class Way:
    """How results are kept: with these settings, and a decoding process of its own."""

    def __init__(self, **identity: str) -> None:
        self.settings = {"SIGNING_CERTIFICATE": "", "SIGNING_KEY": "", "DECODERS": 1, **identity}
        self.seconds: list[float] = []
        self.bytes = self.peak_kb = 0

    def keep(self, content: bytes, media: Media, rounds: int) -> None:
        """So many times, and once before, which starts the process."""
        with override_settings(**self.settings):
            signing_identity.cache_clear()
            decoders.pool.cache_clear()
            for number in range(rounds + 1):
                start = time.perf_counter()
                with measured_with_manifest(io.BytesIO(content), media=media, caller="bench") as (_, kept):
                    self.bytes = kept.seek(0, os.SEEK_END)
                if number:
                    self.seconds.append(time.perf_counter() - start)
            self._note_peak()
            decoders.pool().stop()

    def _note_peak(self) -> None:
        [process] = decoders.pool()._idle
        status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        peaks = [int(line.split()[1]) for line in status if line.startswith("VmHWM")]
        self.peak_kb = max(self.peak_kb, *peaks)

    @property
    def milliseconds(self) -> float:
        return 1000 * median(self.seconds)


def compared(
    name: str, media: Media, content: bytes, identity: dict[str, str], rounds: int
) -> dict[str, object]:
    """Both ways in turn, three times, so that a busy machine is as busy for both."""
    without, signed = Way(), Way(**identity)
    for _ in range(3):
        for way in (without, signed):
            way.keep(content, media, rounds // 3)
    return {
        "file": name,
        "mb": round(len(content) / 1e6, 1),
        "without": round(without.milliseconds, 1),
        "with": round(signed.milliseconds, 1),
        "more": round(signed.milliseconds - without.milliseconds, 1),
        "bytes": signed.bytes - without.bytes,
        "memory": round((signed.peak_kb - without.peak_kb) / 1000, 1),
    }
