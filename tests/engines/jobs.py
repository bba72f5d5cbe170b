"""Jobs for an engine, without a server."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import av
import numpy as np
from PIL import Image

from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.base import FinishedSlot, Result
from ourvidz_worker.engines.chosen import resolve
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.protocol import Job, Reference, parse_job
from tests.worker.protocol_server import job_body

# As stable-diffusion-webui's infotext_utils reads a picture's parameters.
PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


class Make:
    """A loaded engine, and what came of a job: its stages with their progress, and every preview."""

    def __init__(self, entry: ModelSettings | None = None, /, **settings: Any) -> None:
        self.engine: Any = create_engine(EngineSettings(**settings), entry)
        self.engine.load()
        self.progress: list[tuple[float, str]] = []
        self.shown: list[tuple[int, Any]] = []

    def is_due(self) -> bool:
        return True

    def show(self, slot: int, picture: Any) -> None:
        self.shown.append((slot, picture))

    def __call__(self, wanted: Job, stop: Callable[[], bool] = lambda: False) -> list[FinishedSlot]:
        self.progress, self.shown = [], []
        return list(self.engine.generate(wanted, lambda *news: self.progress.append(news), stop, self))

    def modelled(self, wanted: Job) -> list[Result]:
        """As `results`, for a job of the engine's model: with what the operator fixed and the user chose."""
        return self.results(resolve(wanted, self.engine.model))

    def results(self, wanted: Job) -> list[Result]:
        return [result(finished) for finished in self(wanted)]


def job(*references: Reference, slots: int = 1, only: int | None = None, **parameters: Any) -> Job:
    """A job of small pictures. `only`: this slot of the batch alone, as in a retry."""
    prompt, job_type = parameters.pop("prompt", "a lighthouse at dusk"), parameters.pop("job_type", "")
    wanted = {"width": 128, "height": 96, "steps": 2, "guidance": 5.0, **parameters}
    body = job_body(slots=slots, prompt=prompt, **wanted)
    if only is not None:
        body["slots"] = [body["slots"][only]]
    return replace(parse_job(body), references=references, negative_prompt="fog", job_type=job_type)


def film(*references: Reference, **parameters: Any) -> Job:
    small = {"media": "video", "width": 64, "height": 48, "frames": 9, "fps": 16, "shift": 5.0}
    wanted = job(*references, **{**small, "solver": "unipc", **parameters})
    return replace(wanted, engine="wan", slots=(replace(wanted.slots[0], image_index=None),))


def drawing(kind: str, strength: float = 0.5, shade: int = 0) -> Reference:
    """A reference image with an edge in it, larger than any job here."""
    pixels = np.full((300, 200, 3), shade, np.uint8)
    pixels[150:] = 255 - shade
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return Reference(kind, strength, "", file.getvalue())


def result(finished: FinishedSlot) -> Result:
    assert isinstance(finished.outcome, Result), finished.outcome
    return finished.outcome


def pixels(made: Result) -> Any:
    return np.asarray(Image.open(io.BytesIO(made.media)).convert("RGB"), dtype=np.int16)


def decoded(media: bytes) -> tuple[Any, dict[str, Any]]:
    """A film's frames, and what its file says of it."""
    with av.open(io.BytesIO(media), "r") as container:
        stream = container.streams.video[0]
        facts = {
            "codec": stream.codec_context.name,
            "pixels": stream.codec_context.pix_fmt,
            "rate": stream.average_rate,
            "comment": container.metadata.get("comment", ""),
        }
        frames = [frame.to_ndarray(format="rgb24").astype(np.int16) for frame in container.decode(stream)]
    return frames, facts


def read_back(text: str) -> tuple[str, str, dict[str, str]]:
    """Prompt, negative prompt and the pairs, as the tools of this field take them from the text."""
    *lines, last = text.strip().split("\n")
    prompt, _, negative = "\n".join(lines).partition("\nNegative prompt: ")
    return prompt, negative, dict(PAIR.findall(last))
