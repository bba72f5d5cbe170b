"""What can be run: the ten job types, their sizes and their settings.

Steps, guidance, sizes and estimates are the product's own table (docs/glossary.md, "job type").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from django.db import models


class Engine(models.TextChoices):
    """The queue a worker serves."""

    SDXL = "sdxl", "SDXL"
    WAN = "wan", "WAN"


class JobEngine(models.TextChoices):
    """What a job's results come from: the engines, and files that their owners brought in."""

    SDXL = "sdxl", "SDXL"
    WAN = "wan", "WAN"
    IMPORT = "import", "Import"


# No worker serves it, and nothing can be submitted to it.
IMPORT = JobEngine.IMPORT


class Media(models.TextChoices):
    """The media type of a job's assets."""

    IMAGE = "image", "Image"
    VIDEO = "video", "Video"


class ReferenceType(models.TextChoices):
    """How a job uses a reference image."""

    STYLE = "style", "Style"
    COMPOSITION = "composition", "Composition"
    CHARACTER = "character", "Character"
    START_FRAME = "start_frame", "Start frame"
    END_FRAME = "end_frame", "End frame"

    @property
    def default_strength(self) -> float:
        """The default strength: a frame is used as it is, the others leave room for the prompt."""
        return 1.0 if self in FRAMES else 0.6


# Between a pool and the model that it names, as `sdxl_image_fast+style@film-xl`.
MODEL_SIGN = "@"
FRAMES = (ReferenceType.START_FRAME, ReferenceType.END_FRAME)
LOOKS = (ReferenceType.STYLE, ReferenceType.COMPOSITION, ReferenceType.CHARACTER)
Quality = Literal["fast", "high"]
Size = tuple[int, int]

SDXL_SIZES: Mapping[str, Size] = {
    "1:1": (1024, 1024),
    "4:3": (1152, 896),
    "3:4": (896, 1152),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
}
# In steps of 32 px, as Wan 2.2 5B wants them; other sizes it cuts.
WAN_SIZES: Mapping[str, Size] = {
    "9:16": (480, 832),
    "16:9": (832, 480),
    "1:1": (640, 640),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobType:
    """A job type. `seconds` is the estimate for its largest quantity; sizes are (width, height) px.

    `references` are the types that it can use, each once.
    """

    name: str
    title: str
    engine: str
    media: Media
    quality: Quality
    enhanced: bool
    quantities: tuple[int, ...]
    sizes: Mapping[str, Size]
    steps: int
    guidance: float
    seconds: int
    references: tuple[ReferenceType, ...] = ()

    @property
    def default_aspect(self) -> str:
        return next(iter(self.sizes))

    def estimate(self, quantity: int) -> int:
        """Expected seconds for `quantity` results on one idle worker."""
        return max(1, round(self.seconds * quantity / max(self.quantities)))

    def pool(self, references: Iterable[str] = (), model: str = "") -> str:
        """The pool that a worker must offer: this job type, the types of the job's references, its model."""
        plain = "+".join([self.name, *sorted(references)])
        return f"{plain}{MODEL_SIGN}{model}" if model else plain

    def reference_sets(self) -> Iterator[tuple[ReferenceType, ...]]:
        """Every valid combination of reference types, the empty one first."""
        for count in range(len(self.references) + 1):
            yield from (
                types for types in combinations(self.references, count) if not self.references_error(types)
            )

    def references_error(self, references: Iterable[str]) -> str:
        """Why these types of reference cannot be used; empty when they can."""
        types = set(references)
        if types and not self.references:
            return f"{self.title} cannot use reference images."
        if strange := types - set(self.references):
            usable = ", ".join(type_.label.lower() for type_ in self.references)
            wrong = " or ".join(ReferenceType(type_).label.lower() for type_ in sorted(strange))
            return f"{self.title} cannot use a {wrong} reference; it can use {usable}."
        if ReferenceType.END_FRAME in types and ReferenceType.START_FRAME not in types:
            return "An end frame needs a start frame too."
        return ""

    def parameters(self, aspect: str) -> dict[str, object]:
        """The parameters for the worker, flat; stored in the job when it is submitted."""
        width, height = self.sizes[aspect]
        sampling: dict[str, object] = {"steps": self.steps, "guidance": self.guidance}
        if self.engine == Engine.WAN:
            sampling |= {"solver": "unipc", "shift": 5.0}
        frames, fps = (81, 16) if self.media == Media.VIDEO else (1, 0)
        return {
            "media": self.media.value,
            "width": width,
            "height": height,
            "frames": frames,
            "fps": fps,
            "enhance": self.enhanced,
            **sampling,
        }


def _sdxl(quality: Quality, steps: int, guidance: float, seconds: int) -> JobType:
    return JobType(
        name=f"sdxl_image_{quality}",
        title=f"SDXL {quality}",
        engine=Engine.SDXL,
        media=Media.IMAGE,
        quality=quality,
        enhanced=False,
        quantities=(1, 3, 6),
        sizes=SDXL_SIZES,
        steps=steps,
        guidance=guidance,
        seconds=seconds,
        references=LOOKS,
    )


def _wan(media: Media, quality: Quality, seconds: int, *, enhanced: bool = False) -> JobType:
    name = f"{media.value}7b_{quality}_enhanced" if enhanced else f"{media.value}_{quality}"
    return JobType(
        name=name,
        title=f"WAN {media.value} {quality}" + (", enhanced" if enhanced else ""),
        engine=Engine.WAN,
        media=media,
        quality=quality,
        enhanced=enhanced,
        quantities=(1,),
        sizes=WAN_SIZES,
        steps=25 if quality == "fast" else 50,
        guidance=6.5 if quality == "fast" else 7.5,
        seconds=seconds,
        references=FRAMES if media == Media.VIDEO else (),
    )


JOB_TYPES: Mapping[str, JobType] = {
    job_type.name: job_type
    for job_type in (
        _sdxl("fast", 15, 6.0, 30),
        _sdxl("high", 25, 7.5, 42),
        _wan(Media.IMAGE, "fast", 25),
        _wan(Media.IMAGE, "high", 40),
        _wan(Media.VIDEO, "fast", 135),
        _wan(Media.VIDEO, "high", 180),
        _wan(Media.IMAGE, "fast", 85, enhanced=True),
        _wan(Media.IMAGE, "high", 100, enhanced=True),
        _wan(Media.VIDEO, "fast", 195, enhanced=True),
        _wan(Media.VIDEO, "high", 240, enhanced=True),
    )
}


# Not one of them: what a file that was brought in is said to be made by.
IMPORTED = JobType(
    name="imported",
    title="Imported",
    engine=IMPORT,
    media=Media.IMAGE,
    quality="fast",
    enhanced=False,
    quantities=(1,),
    sizes={"": (0, 0)},
    steps=0,
    guidance=0,
    seconds=0,
)

# Every pool that a job without a model can be in: what workers offer beyond these, but for models of theirs,
# means nothing.
POOLS: Mapping[str, JobType] = {
    job_type.pool(references): job_type
    for job_type in JOB_TYPES.values()
    for references in job_type.reference_sets()
}


def find(*, engine: str, media: str, quality: str, enhanced: bool) -> JobType | None:
    """The job type with exactly these properties, or None."""
    wanted = (engine, media, quality, enhanced)
    for job_type in JOB_TYPES.values():
        if (job_type.engine, job_type.media, job_type.quality, job_type.enhanced) == wanted:
            return job_type
    return None


def pool_and_model(pool: str) -> tuple[str, str]:
    """The pool without its model, and the model's name, empty where it names none."""
    plain, _, model = pool.partition(MODEL_SIGN)
    return plain, model
