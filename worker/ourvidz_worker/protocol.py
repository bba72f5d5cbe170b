"""The messages of the worker protocol, parsed and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from ourvidz_worker.errors import MalformedLease

MAX_REASON_LENGTH = 300  # characters

Media = Literal["image", "video"]
CallbackStatus = Literal["processing", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One expected result. `number` addresses the upload; `image_index` is None for WAN."""

    number: int
    image_index: int | None
    asset_id: str
    seed: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference image. `strength` is 0..1; `content` is the file, once it is downloaded."""

    type: str
    strength: float
    url: str = field(repr=False)
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ChosenLora:
    """A LoRA that a user chose, by the name under which the worker offers it."""

    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class Parameters:
    """The job's parameters. Sizes in pixels; `frames` and `fps` are used for videos only.

    `model`: the name of the model that was chosen, empty for none. `settings`: all others, by name; an engine
    gets those that its model knows, chosen by the user or else fixed by the operator.
    """

    media: Media
    width: int
    height: int
    frames: int
    fps: int
    steps: int
    guidance: float
    enhance: bool
    solver: str | None = None
    shift: float | None = None
    model: str = ""
    loras: tuple[ChosenLora, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


PARAMETERS = frozenset(each.name for each in fields(Parameters)) - {"settings"}
"""The names of the parameters that have a field of their own."""


@dataclass(frozen=True, slots=True)
class PreviewLimits:
    """The limits for previews: bytes, pixels per side, and the seconds between two."""

    max_bytes: int
    max_side: int
    every_seconds: float


@dataclass(frozen=True, slots=True)
class Job:
    """A leased job. Times in seconds. `preview` is None where the server takes no previews.

    `fixed_negative_prompt`: what its model put before the negative prompt, once its parameters are resolved.
    """

    id: str
    lease_token: str = field(repr=False)
    attempt: int
    lease_seconds: float
    heartbeat_seconds: float
    job_type: str
    engine: str
    prompt: str = field(repr=False)
    negative_prompt: str = field(repr=False)
    parameters: Parameters
    slots: tuple[Slot, ...]
    references: tuple[Reference, ...]
    max_upload_bytes: int | None
    preview: PreviewLimits | None = None
    fixed_negative_prompt: str = ""


class Lease(Protocol):
    """Identifies a lease: a leased job, or a spooled result of one."""

    @property
    def id(self) -> str: ...

    @property
    def lease_token(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Offer:
    """What this worker can do, sent with every lease request.

    `withdrawn`: the reason for each pool that it does not offer for the time being. `models`: those that it
    has, or None for the same as in the last call that was answered. `warm`: the pools of loaded models.
    """

    engines: tuple[str, ...]
    pools: tuple[str, ...]
    worker_engine: str
    version: str
    device: str
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    models: Sequence[Mapping[str, Any]] | None = None
    warm: tuple[str, ...] = ()

    def body(self, wait_s: float) -> dict[str, Any]:
        body: dict[str, Any] = {
            "engines": list(self.engines),
            "pools": list(self.pools),
            "wait_s": wait_s,
            "version": self.version,
            "device": self.device,
            "worker_engine": self.worker_engine,
        }
        if self.withdrawn:  # an older server refuses a field that it does not know
            body["withdrawn"] = [
                {"pool": pool, "reason": reason[:MAX_REASON_LENGTH]}
                for pool, reason in self.withdrawn.items()
            ]
        if self.models is not None:
            body["models"] = list(self.models)
        if self.warm:
            body["warm"] = list(self.warm)
        return body


@dataclass(frozen=True, slots=True)
class AssetError:
    """The error of a slot without a result; `retryable`: another attempt may succeed.

    `message` is for the user, whom the server shows it to; `advice`, which names options and machines, is for
    the operator, and goes to the log alone.
    """

    code: str
    message: str
    retryable: bool
    advice: str = ""

    @property
    def for_operator(self) -> str:
        return f"{self.message} {self.advice}".rstrip()

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "retryable": self.retryable}


@dataclass(frozen=True, slots=True)
class Upload:
    """The server's answer to an upload; `error` is set when it rejects the file."""

    upload_id: str
    error: AssetError | None


def parse_job(body: Any) -> Job:
    """Raises MalformedLease, which names what is missing or wrong."""
    try:
        job = _job(body)
        if not 0 < len({slot.number for slot in job.slots}) == len(job.slots):
            raise ValueError("of slots that are none or not distinct")
        return job
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise MalformedLease(f"the lease is malformed: {type(error).__name__} {error}") from error


def _job(body: Mapping[str, Any]) -> Job:
    return Job(
        id=url_safe(body["job_id"]),
        lease_token=url_safe(body["lease_token"]),
        attempt=int(body["attempt"]),
        lease_seconds=float(body["lease_seconds"]),
        heartbeat_seconds=float(body["heartbeat_seconds"]),
        job_type=str(body["job_type"]),
        engine=str(body["engine"]),
        prompt=str(body["prompt"]),
        negative_prompt=str(body.get("negative_prompt") or ""),
        parameters=_parameters(body["parameters"]),
        slots=tuple(_slot(slot) for slot in body["slots"]),
        references=tuple(_reference(each) for each in body.get("references") or ()),
        max_upload_bytes=_limit(body.get("upload") or {}),
        preview=_preview(body["preview"]) if body.get("preview") else None,
    )


def url_safe(value: object) -> str:
    """The value, if it can stand in a URL or a header without quoting. Raises ValueError otherwise."""
    if not (isinstance(value, str) and value.isascii() and value.isprintable()) or set(value) & set(" /?#"):
        raise ValueError("of a name that cannot be sent")
    return value


def _limit(upload: Mapping[str, Any]) -> int | None:
    limit = upload.get("max_bytes")
    return None if limit is None else int(limit)


def _preview(body: Mapping[str, Any]) -> PreviewLimits:
    return PreviewLimits(int(body["max_bytes"]), int(body["max_side"]), float(body["every_seconds"]))


def _slot(body: Mapping[str, Any]) -> Slot:
    return Slot(int(body["slot"]), body["image_index"], str(body["asset_id"]), int(body["seed"]))


def _reference(body: Mapping[str, Any]) -> Reference:
    url = str(body["url"])
    if not (url.isascii() and url.isprintable() and urlsplit(url).path.startswith("/")):
        raise ValueError("of a reference without an address")
    return Reference(str(body["type"]), float(body["strength"]), url)


def _parameters(body: Mapping[str, Any]) -> Parameters:
    media = body["media"]
    if media not in ("image", "video"):
        raise ValueError(f"unknown media {media!r}")
    return Parameters(
        media=media,
        width=int(body["width"]),
        height=int(body["height"]),
        frames=int(body.get("frames") or 1),
        fps=int(body.get("fps") or 0),
        steps=int(body.get("steps") or 0),
        guidance=float(body.get("guidance") or 0),
        enhance=bool(body.get("enhance")),
        solver=body.get("solver"),
        shift=body.get("shift"),
        model=str(body.get("model") or ""),
        loras=tuple(_lora(each) for each in body.get("loras") or ()),
        settings={name: value for name, value in body.items() if name not in PARAMETERS},
    )


def _lora(body: Mapping[str, Any]) -> ChosenLora:
    return ChosenLora(str(body["name"]), float(body["weight"]))
