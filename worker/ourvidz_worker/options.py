"""The options: names, default and parser of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ourvidz_worker.engines import ENGINES
from ourvidz_worker.engines.model_keys import GPU_ENGINES, MODEL_ENGINES
from ourvidz_worker.engines.settings import ATTENTIONS, OFFLOADS, PRECISIONS
from ourvidz_worker.gpu_choice import device
from ourvidz_worker.health import STUCK_AFTER_S
from ourvidz_worker.option_values import (
    boolean,
    host_and_port,
    idle_seconds,
    integer_between,
    one_of,
    seconds,
    thresholds,
)


@dataclass(frozen=True, slots=True)
class Option:
    """`parse` converts text to the value and raises ValueError with what is allowed; `engines` are those that
    use the option."""

    name: str
    variable: str
    help: str
    default: Any
    parse: Callable[[str], Any] = str
    metavar: str | None = None
    engines: tuple[str, ...] = MODEL_ENGINES
    bare: str | None = None  # what the flag means without a value, if it may have none

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"


SERVER = Option("server", "OURVIDZ_SERVER", "the server's address", "", metavar="URL")
TOKEN = Option(
    "token",
    "OURVIDZ_WORKER_TOKEN",
    "the worker's token; better in the environment or the file: other users of a machine see arguments",
    "",
)
ENROLMENT_TOKEN = Option(
    "enrolment_token",
    "OURVIDZ_ENROLMENT_TOKEN",
    "in place of a token: make this machine a worker, with a token that it keeps and renews by itself",
    "",
    metavar="TOKEN",
)
INSECURE = Option(
    "insecure",
    "OURVIDZ_WORKER_INSECURE",
    "plain http:// to any server: whoever is on the way reads the token, prompts and results",
    default=False,
    parse=boolean,
)
SPOOL = Option(
    "spool",
    "OURVIDZ_WORKER_SPOOL",
    "where results wait until the server has them",
    "",
    metavar="FOLDER",
)
PATIENCE = Option(
    "patience",
    "OURVIDZ_WORKER_PATIENCE",
    "seconds for which a result is retried while the server is unavailable, 600 by default; embed: also for "
    "which a server without a search by content is asked each minute, by default not at all",
    None,
    seconds,
    "SECONDS",
)
STUCK_AFTER = Option(
    "stuck_after",
    "OURVIDZ_WORKER_STUCK_AFTER",
    "seconds without progress after which an engine counts as stuck and the process exits; 0: never; 1800",
    STUCK_AFTER_S,
    seconds,
    "SECONDS",
)
HEALTH_PORT = Option(
    "health_port",
    "OURVIDZ_WORKER_HEALTH_PORT",
    "serve GET /health and /metrics on this port, or HOST:PORT; by default not at all",
    None,
    host_and_port,
    "PORT",
)
EXIT_WHEN_IDLE = Option(
    "exit_when_idle",
    "OURVIDZ_WORKER_EXIT_WHEN_IDLE",
    "exit with 0 after so many seconds without a job, 300 if none are named; by default never",
    None,
    idle_seconds,
    "SECONDS",
    bare="300",
)
INTERRUPTIBLE = Option(
    "interruptible",
    "OURVIDZ_WORKER_INTERRUPTIBLE",
    "this machine may vanish at any time: a job that it loses then is not one attempt poorer",
    default=False,
    parse=boolean,
)
ENGINE_OPTIONS = (
    Option(
        "engine", "OURVIDZ_WORKER_ENGINE", "sketch (default), sdxl or wan", "sketch", one_of(ENGINES), "NAME"
    ),
    Option(
        "pace",
        "OURVIDZ_WORKER_PACE",
        "sketch: the minimum seconds per result, to watch pages fill",
        0.0,
        seconds,
        "SECONDS",
        engines=("sketch",),
    ),
    Option(
        "model",
        "OURVIDZ_WORKER_MODEL",
        "weights: a folder in diffusers' format, a hub name, or for sdxl a .safetensors file",
        "",
        engines=GPU_ENGINES,
    ),
    Option(
        "image_model",
        "OURVIDZ_WORKER_IMAGE_MODEL",
        "wan: weights that start from a frame; without them such jobs are not offered",
        "",
        metavar="MODEL",
        engines=("wan",),
    ),
    Option(
        "enhancer",
        "OURVIDZ_WORKER_ENHANCER",
        "wan: a language model for the enhanced job types; without one they are not offered",
        "",
        metavar="MODEL",
        engines=("wan",),
    ),
    Option(
        "style_adapter",
        "OURVIDZ_WORKER_STYLE_ADAPTER",
        "sdxl: IP-Adapter weights for style references; a .safetensors file, or OWNER/NAME/FILE on the hub",
        "",
        metavar="FILE",
        engines=("sdxl",),
    ),
    Option(
        "character_adapter",
        "OURVIDZ_WORKER_CHARACTER_ADAPTER",
        "sdxl: the same for character references; without one they are not offered",
        "",
        metavar="FILE",
        engines=("sdxl",),
    ),
    Option(
        "image_encoder",
        "OURVIDZ_WORKER_IMAGE_ENCODER",
        "sdxl: the CLIP image encoder that the adapters were trained with; a folder, or OWNER/NAME/FOLDER",
        "",
        metavar="MODEL",
        engines=("sdxl",),
    ),
    Option(
        "device",
        "OURVIDZ_WORKER_DEVICE",
        "auto, cpu, cuda, cuda:N for one of several, or mps",
        "auto",
        device,
        engines=GPU_ENGINES,
    ),
    Option(
        "precision",
        "OURVIDZ_WORKER_PRECISION",
        ", ".join(PRECISIONS),
        "auto",
        one_of(PRECISIONS),
        engines=GPU_ENGINES,
    ),
    Option(
        "offload",
        "OURVIDZ_WORKER_OFFLOAD",
        "none; model: parts wait in main memory; group: so do layers; sequential: the least, slow",
        "none",
        one_of(OFFLOADS),
        engines=GPU_ENGINES,
    ),
    Option(
        "batch",
        "OURVIDZ_WORKER_BATCH",
        "slots at once; over 1 is quicker, and a retried slot may differ by one level of brightness",
        1,
        integer_between(1, 24),
        "N",
        engines=("sdxl",),
    ),
    Option(
        "attention",
        "OURVIDZ_WORKER_ATTENTION",
        "auto; math, PyTorch's plainest kernel; for wan also what you installed: flash, sage, xformers",
        "auto",
        one_of(ATTENTIONS),
        engines=GPU_ENGINES,
    ),
    Option(
        "vae_tiling",
        "OURVIDZ_WORKER_VAE_TILING",
        "less memory for large sizes",
        default=False,
        parse=boolean,
        engines=GPU_ENGINES,
    ),
    Option(
        "allow_download",
        "OURVIDZ_WORKER_ALLOW_DOWNLOAD",
        "fetch weights from the hub",
        default=False,
        parse=boolean,
        engines=GPU_ENGINES,
    ),
)
EMBEDDER = Option(
    "embedder",
    "OURVIDZ_WORKER_EMBEDDER",
    "sketch (default), or a CLIP or SigLIP model: a folder in transformers' format or a hub name",
    "",
    metavar="MODEL",
    engines=(),
)
THRESHOLDS = Option(
    "thresholds",
    "OURVIDZ_WORKER_THRESHOLDS",
    "cosines from which on two count as loosely and as very alike: image=0.75:0.93,text=0.21:0.29",
    {},
    thresholds,
    "KIND=LOOSE:STRICT",
    engines=(),
)
RUN_OPTIONS = (
    *(SERVER, TOKEN, ENROLMENT_TOKEN, INSECURE, SPOOL, PATIENCE, STUCK_AFTER, HEALTH_PORT),
    *(EXIT_WHEN_IDLE, INTERRUPTIBLE, *ENGINE_OPTIONS),
)
OPTIONS = (*RUN_OPTIONS, EMBEDDER, THRESHOLDS)
"""All that the file may name."""

CHECK_OPTIONS = (*RUN_OPTIONS, EMBEDDER)
WEIGHTS_OPTIONS = tuple(each for each in OPTIONS if each.name in ("device", "precision", "allow_download"))
EMBED_OPTIONS = (
    *(SERVER, TOKEN, INSECURE, PATIENCE, HEALTH_PORT, EMBEDDER, THRESHOLDS),
    *WEIGHTS_OPTIONS,  # of an embedder with weights
)
