"""What the operator decided: by flag, else by environment, else in the file, else as it comes."""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.options import OPTIONS, SERVER, TOKEN, Option, switch

CONFIG_VARIABLE = "OURVIDZ_WORKER_CONFIG"


class BadOption(Exception):
    """A value that cannot be meant; the message names where it came from."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """`spool` is empty where nobody named a folder; `unused`: flags of what was given for another engine."""

    server: str
    token: str = field(repr=False)
    spool: str
    patience: float
    stuck_after: float
    health: tuple[str, int] | None
    engine: EngineSettings
    unused: tuple[str, ...] = ()


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
    """Raises BadOption with one sentence."""
    path = flags.config or environment.get(CONFIG_VARIABLE, "")
    filed = _file(Path(path)) if path else {}
    values = {option.name: _value(option, flags, environment, filed, path) for option in OPTIONS}
    unused = tuple(
        option.flag
        for option in OPTIONS
        if values["engine"] not in option.engines and values[option.name] != option.default
    )
    return Configuration(
        values.pop("server"),
        values.pop("token"),
        values.pop("spool"),
        values.pop("patience"),
        values.pop("stuck_after"),
        values.pop("health_port"),
        EngineSettings(**values),
        unused,
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
        raise BadOption(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadOption(f"{path} is not TOML: {error}") from error
    known = {option.name for option in OPTIONS}
    for name, value in content.items():
        if name not in known:
            raise BadOption(f"{path} sets {name!r}, which is no option; there are {', '.join(sorted(known))}")
        if not isinstance(value, str | int | float | bool):
            raise BadOption(f"{path}: {name} must be one value")
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
            raise BadOption(f"{where} {error}{shown}") from error
    return option.default


def missing(chosen: Configuration) -> str | None:
    """What keeps it from reaching a server, in a sentence."""
    if not chosen.server:
        return f"no server: give --server or set {SERVER.variable}"
    if not is_url(chosen.server):
        return f"{chosen.server!r} is not the address of a server, such as https://ourvidz.example"
    if urlsplit(chosen.server).username is not None:
        return "the server's address holds a user name: a worker signs in with its token alone"
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
