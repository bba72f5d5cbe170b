"""What the operator decided: by flag, else by environment, else in the file, else as it comes."""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ourvidz_worker.engines import ENGINES
from ourvidz_worker.engines.settings import DEVICES, OFFLOADS, PRECISIONS, EngineSettings

CONFIG_VARIABLE = "OURVIDZ_WORKER_CONFIG"
YES = ("1", "true", "yes", "on")
LONGEST_S = 3600
NO = ("", "0", "false", "no", "off")


class Nonsense(Exception):
    """A value that cannot be meant; the message names where it came from."""


@dataclass(frozen=True, slots=True)
class Option:
    """`kind` turns text into the value and raises ValueError with what it should have been."""

    name: str
    variable: str
    help: str
    default: Any
    kind: Callable[[str], Any] = str
    metavar: str | None = None

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LONGEST_S:
        raise ValueError(f"must be seconds from 0 to {LONGEST_S}")
    return value


def whole(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return convert


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return convert


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise ValueError("must be a port, or HOST:PORT")
    return host or "127.0.0.1", int(port)


def switch(text: str) -> bool:
    if text.lower() not in YES + NO:
        raise ValueError("must be true or false")
    return text.lower() in YES


SERVER = Option("server", "OURVIDZ_SERVER", "the server's address", "", metavar="URL")
TOKEN = Option(
    "token",
    "OURVIDZ_WORKER_TOKEN",
    "the worker's token; better in the environment or the file: other users of a machine see arguments",
    "",
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
    "seconds for which a result is offered to a server that is away before its job is given up; 600",
    600.0,
    seconds,
    "SECONDS",
)
HEALTH_PORT = Option(
    "health_port",
    "OURVIDZ_WORKER_HEALTH_PORT",
    "serve GET /health and /metrics on this port, or HOST:PORT; by default not at all",
    None,
    address,
    "PORT",
)
ENGINE_OPTIONS = (
    Option(
        "engine", "OURVIDZ_WORKER_ENGINE", "sketch (default), sdxl or wan", "sketch", one_of(ENGINES), "NAME"
    ),
    Option(
        "pace",
        "OURVIDZ_WORKER_PACE",
        "sketch: the least seconds a result takes, to watch pages fill",
        0.0,
        seconds,
        "SECONDS",
    ),
    Option("model", "OURVIDZ_WORKER_MODEL", "weights: a folder in diffusers' format or a hub name", ""),
    Option(
        "image_model",
        "OURVIDZ_WORKER_IMAGE_MODEL",
        "wan: weights that start from a frame; without them such jobs are not offered",
        "",
        metavar="MODEL",
    ),
    Option(
        "enhancer",
        "OURVIDZ_WORKER_ENHANCER",
        "wan: a language model for the enhanced job types; without one they are not offered",
        "",
        metavar="MODEL",
    ),
    Option(
        "style_adapter",
        "OURVIDZ_WORKER_STYLE_ADAPTER",
        "sdxl: IP-Adapter weights for style references; a .safetensors file, or OWNER/NAME/FILE on the hub",
        "",
        metavar="FILE",
    ),
    Option(
        "character_adapter",
        "OURVIDZ_WORKER_CHARACTER_ADAPTER",
        "sdxl: the same for character references; without one they are not offered",
        "",
        metavar="FILE",
    ),
    Option(
        "image_encoder",
        "OURVIDZ_WORKER_IMAGE_ENCODER",
        "sdxl: the CLIP image encoder that the adapters were trained with; a folder, or OWNER/NAME/FOLDER",
        "",
        metavar="MODEL",
    ),
    Option("device", "OURVIDZ_WORKER_DEVICE", "auto, cpu, cuda or mps", "auto", one_of(DEVICES)),
    Option("precision", "OURVIDZ_WORKER_PRECISION", ", ".join(PRECISIONS), "auto", one_of(PRECISIONS)),
    Option(
        "offload",
        "OURVIDZ_WORKER_OFFLOAD",
        "none, model (parts wait in main memory) or sequential (the least GPU memory, slow)",
        "none",
        one_of(OFFLOADS),
    ),
    Option(
        "batch",
        "OURVIDZ_WORKER_BATCH",
        "slots at once; over 1 is quicker, and a retried slot may differ by one level of brightness",
        1,
        whole(1, 24),
        "N",
    ),
    Option(
        "attention_slicing",
        "OURVIDZ_WORKER_ATTENTION_SLICING",
        "less memory, slower",
        default=False,
        kind=switch,
    ),
    Option(
        "vae_tiling", "OURVIDZ_WORKER_VAE_TILING", "less memory for large sizes", default=False, kind=switch
    ),
    Option(
        "allow_download",
        "OURVIDZ_WORKER_ALLOW_DOWNLOAD",
        "fetch weights from the hub",
        default=False,
        kind=switch,
    ),
)
OPTIONS = (SERVER, TOKEN, SPOOL, PATIENCE, HEALTH_PORT, *ENGINE_OPTIONS)


@dataclass(frozen=True, slots=True)
class Configuration:
    """`spool` is empty where nobody named a folder."""

    server: str
    token: str
    spool: str
    patience: float
    health: tuple[str, int] | None
    engine: EngineSettings


def add_options(parser: argparse.ArgumentParser, options: tuple[Option, ...] = OPTIONS) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help=f"a TOML file with these names; or {CONFIG_VARIABLE}"
    )
    for option in options:
        text = f"{option.help}; or {option.variable}"
        if option.kind is switch:
            parser.add_argument(option.flag, action="store_const", const="true", help=text)
        else:
            parser.add_argument(option.flag, metavar=option.metavar, help=text)


def configuration(flags: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Configuration:
    """Raises Nonsense with one sentence."""
    path = flags.config or environment.get(CONFIG_VARIABLE, "")
    filed = _file(Path(path)) if path else {}
    values = {option.name: _value(option, flags, environment, filed, path) for option in OPTIONS}
    return Configuration(
        values.pop("server"),
        values.pop("token"),
        values.pop("spool"),
        values.pop("patience"),
        values.pop("health_port"),
        EngineSettings(**values),
    )


def usual_state(environment: Mapping[str, str] = os.environ) -> Path:
    """Where a worker keeps what it knows. Raises RuntimeError where nobody is at home."""
    state = environment.get("STATE_DIRECTORY") or environment.get("XDG_STATE_HOME")  # systemd's, a desktop's
    return Path(state or Path.home() / ".local" / "state") / "ourvidz-worker"


def usual_spool() -> Path:
    """Raises RuntimeError as `usual_state` does."""
    return usual_state() / "spool"


def _file(path: Path) -> Mapping[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Nonsense(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except tomllib.TOMLDecodeError as error:
        raise Nonsense(f"{path} is not TOML: {error}") from error
    known = {option.name for option in OPTIONS}
    for name, value in content.items():
        if name not in known:
            raise Nonsense(f"{path} sets {name!r}, which is no option; there are {', '.join(sorted(known))}")
        if not isinstance(value, str | int | float | bool):
            raise Nonsense(f"{path}: {name} must be one value")
    return content


def _value(
    option: Option,
    flags: argparse.Namespace,
    environment: Mapping[str, str],
    filed: Mapping[str, Any],
    path: str,
) -> Any:
    given = [
        (option.flag, getattr(flags, option.name, None)),
        (option.variable, environment.get(option.variable)),
        (f"{path}: {option.name}", filed.get(option.name)),
    ]
    for where, value in given:
        if value is None:
            continue
        text = str(value)
        try:
            return option.kind(text)
        except ValueError as error:
            shown = "" if option is TOKEN else f", not {text!r}"
            raise Nonsense(f"{where} {error}{shown}") from error
    return option.default


def missing(chosen: Configuration) -> str | None:
    """What keeps it from reaching a server, in a sentence."""
    if not chosen.server:
        return f"no server: give --server or set {SERVER.variable}"
    if not is_url(chosen.server):
        return f"{chosen.server!r} is not the address of a server, such as https://ourvidz.example"
    if not chosen.token:
        return f"no token: set {TOKEN.variable} to what `manage.py create_worker` printed"
    if not chosen.token.isascii() or not chosen.token.isprintable() or " " in chosen.token:
        return "the token holds characters that no token has"
    return None


def is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        if " " in text or not (parts.hostname or "").encode("idna"):
            return False
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
