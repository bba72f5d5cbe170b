"""Workflows of the tests, with their entries of `[[models]]`, and jobs for them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from ourvidz_worker.engines.base import Engine, FinishedSlot, Pixels, Result
from ourvidz_worker.engines.comfy.engine import ComfyEngine
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.protocol import AssetError, Job, Reference, parse_job
from tests.worker.comfy_stand_in import ComfyStandIn
from tests.worker.protocol_server import job_body

IMAGE: Mapping[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
            "seed": 1,
            "steps": 4,
            "cfg": 6.0,
            "sampler_name": "euler",
            "denoise": 1.0,
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "film.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "secret house style", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "film"}},
}
IMAGE_BIND: Mapping[str, Any] = {
    "prompt": "6.inputs.text",
    "negative_prompt": "7.inputs.text",
    "seed": "3.inputs.seed",
    "width": "5.inputs.width",
    "height": "5.inputs.height",
    "steps": "3.inputs.steps",
}
VIDEO: Mapping[str, Any] = {
    **IMAGE,
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 9}},
    "9": {"class_type": "CreateVideo", "inputs": {"images": ["8", 0], "fps": 16.0}},
    "10": {"class_type": "SaveVideo", "inputs": {"video": ["9", 0], "filename_prefix": "film"}},
}
VIDEO_BIND: Mapping[str, Any] = {**IMAGE_BIND, "frames": "5.inputs.batch_size", "fps": "9.inputs.fps"}


def with_inputs(workflow: Mapping[str, Any], node: str, **inputs: Any) -> dict[str, Any]:
    """A copy with these inputs of one node; None takes one out."""
    changed = deepcopy(dict(workflow))
    merged = {**changed[node]["inputs"], **inputs}
    changed[node]["inputs"] = {name: value for name, value in merged.items() if value is not None}
    return changed


def with_class(workflow: Mapping[str, Any], node: str, class_type: str) -> dict[str, Any]:
    changed = deepcopy(dict(workflow))
    changed[node]["class_type"] = class_type
    return changed


def with_start_frame() -> dict[str, Any]:
    """The workflow of videos, which begins with a picture."""
    loads = {"class_type": "LoadImage", "inputs": {"image": "example.png"}}
    return {**with_inputs(VIDEO, "9", start=["12", 0]), "12": loads}


def image_model(folder: Path, url: str, workflow: Any = None, **changed: Any) -> ModelSettings:
    options = {"url": url, "workflow": saved(folder, workflow or IMAGE), "output": "9"}
    bind = changed.pop("bind", IMAGE_BIND)
    options |= {"bind": bind, **changed.pop("options", {})}
    return ModelSettings(
        **{
            "name": "film-xl",
            "engine": "comfy",
            "job_types": ("sdxl_image_fast",),
            "options": options,
            **changed,
        }
    )


def video_model(folder: Path, url: str, workflow: Any = None, **changed: Any) -> ModelSettings:
    return image_model(
        folder,
        url,
        workflow or VIDEO,
        **{
            "bind": VIDEO_BIND,
            "job_types": ("video_fast",),
            **changed,
            "options": {"output": "10", **changed.get("options", {})},
        },
    )


def saved(folder: Path, workflow: Any) -> str:
    path = folder / "workflow.json"
    path.write_text(json.dumps(workflow), encoding="utf-8")
    return str(path)


def loaded(stand_in: ComfyStandIn, model: ModelSettings, patience_s: float = 5.0) -> ComfyEngine:
    engine = ComfyEngine(model, patience_s)
    engine.load()
    stand_in.clients.callback(engine.unload)
    return engine


def image_job(slots: int = 1, *, negative_prompt: str = "", **parameters: Any) -> Job:
    body = job_body(slots=slots, **{"width": 96, "height": 64, "steps": 3, **parameters})
    return parse_job({**body, "negative_prompt": negative_prompt})


def video_job(*, start: bytes = b"", **parameters: Any) -> Job:
    wanted = {"media": "video", "width": 96, "height": 64, "steps": 3, "frames": 9, "fps": 8, **parameters}
    job = parse_job({**job_body(**wanted), "job_type": "video_fast", "engine": "wan"})
    references = (Reference("start_frame", 1.0, "/frame", start),) if start else ()
    return Job(**{name: getattr(job, name) for name in job.__slots__} | {"references": references})


def photo(colour: tuple[int, int, int] = (200, 30, 40)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    return file.getvalue()


@dataclass
class Seen:
    """What an engine reported of a job, and what it was to show."""

    progress: list[tuple[float, str]] = field(default_factory=list)
    previews: list[tuple[int, Pixels]] = field(default_factory=list)

    def report(self, share: float, stage: str) -> None:
        self.progress.append((share, stage))

    def is_due(self) -> bool:
        return True

    def show(self, slot: int, picture: Pixels) -> None:
        self.previews.append((slot, picture))


def done(engine: Engine, job: Job, seen: Seen | None = None) -> list[FinishedSlot]:
    seen = seen or Seen()
    return list(engine.generate(job, seen.report, lambda: False, seen))


def results(engine: Engine, job: Job, seen: Seen | None = None) -> list[Result]:
    outcomes = [each.outcome for each in done(engine, job, seen)]
    assert all(isinstance(each, Result) for each in outcomes), outcomes
    return [each for each in outcomes if isinstance(each, Result)]


def error_of(engine: Engine, job: Job) -> AssetError:
    [finished] = done(engine, job)
    assert isinstance(finished.outcome, AssetError), finished
    return finished.outcome
