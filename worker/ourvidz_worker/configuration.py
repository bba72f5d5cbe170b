"""The operator's configuration: flags beat the environment, which beats the file, which beats defaults."""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ourvidz_worker.embeddings.settings import EmbedderSettings
from ourvidz_worker.engines.models import ModelSettings, default_model
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.model_file import InvalidModel, key_problem, parse_models
from ourvidz_worker.option_values import boolean
from ourvidz_worker.options import (
    EMBED_OPTIONS,
    ENROLMENT_TOKEN,
    INSECURE,
    OPTIONS,
    SERVER,
    TOKEN,
    WEIGHTS_OPTIONS,
    Option,
)
from ourvidz_worker.plain_http import Reach, reach_of

CONFIG_VARIABLE = "OURVIDZ_WORKER_CONFIG"
MODELS = "models"
ONE_MODEL = ("model", "image_model")
"""The options that name what `[[models]]` names too."""


class InvalidOption(Exception):
    """An invalid option; the message names its source."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """`spool` is empty if no folder was given, `patience` None if no seconds were; `unused`: flags of the
    options that another engine or command uses.

    `models`: the entries of the file, else the one that `engine` describes.
    """

    server: str
    token: str = field(repr=False)
    spool: str
    patience: float | None
    stuck_after: float
    health: tuple[str, int] | None
    engine: EngineSettings
    models: tuple[ModelSettings, ...] = ()
    unused: tuple[str, ...] = ()
    insecure: bool = False
    enrolment_token: str = field(default="", repr=False)
    exit_when_idle: float | None = None
    interruptible: bool = False
    embedder: EmbedderSettings = field(default_factory=EmbedderSettings)


def add_options(parser: argparse.ArgumentParser, options: tuple[Option, ...]) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help=f"a TOML file with these names; or {CONFIG_VARIABLE}"
    )
    for option in options:
        text = f"{option.help}; or {option.variable}"
        if option.parse is boolean:
            parser.add_argument(option.flag, action="store_const", const="true", help=text)
        elif option.bare is not None:
            parser.add_argument(option.flag, nargs="?", const=option.bare, metavar=option.metavar, help=text)
        else:
            parser.add_argument(option.flag, metavar=option.metavar, help=text)


def load_configuration(
    flags: argparse.Namespace, environment: Mapping[str, str] = os.environ
) -> Configuration:
    """Raises InvalidOption with one sentence."""
    path = flags.config or environment.get(CONFIG_VARIABLE, "")
    from_file = dict(_read_file(Path(path))) if path else {}
    entries = from_file.pop("models", None)
    values = {option.name: _value(option, flags, environment, from_file, path) for option in OPTIONS}
    models = () if entries is None else _models(entries, Path(path), values)
    embedder = EmbedderSettings(
        values["embedder"],
        values["thresholds"],
        values["device"],
        values["precision"],
        values["allow_download"],
    )
    used = _used(flags.command, {model.engine for model in models} or {values["engine"]}, embedder)
    unused = [each.flag for each in OPTIONS if each not in used and values[each.name] != each.default]
    if models and flags.command == "embed":
        unused.append("[[models]]")
    engine = EngineSettings(**{each.name: values[each.name] for each in fields(EngineSettings)})
    return Configuration(
        values["server"],
        values["token"],
        values["spool"],
        values["patience"],
        values["stuck_after"],
        values["health_port"],
        insecure=values["insecure"],
        enrolment_token=values["enrolment_token"],
        exit_when_idle=values["exit_when_idle"],
        interruptible=values["interruptible"],
        unused=tuple(unused),
        embedder=embedder,
        engine=engine,
        models=models or (default_model(engine),),
    )


def _used(command: str, engines: set[str], embedder: EmbedderSettings) -> tuple[Option, ...]:
    """The options that this command goes by with these engines and this embedder."""
    by_embedder = tuple(each for each in EMBED_OPTIONS if embedder.has_weights or each not in WEIGHTS_OPTIONS)
    if command == "embed":
        return by_embedder
    by_engines = tuple(each for each in OPTIONS if not engines.isdisjoint(each.engines))
    return by_engines + by_embedder if command in ("check", "fetch") and embedder.model else by_engines


def state_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for the worker's own files. Raises RuntimeError if there is no home directory."""
    state = environment.get("STATE_DIRECTORY") or environment.get("XDG_STATE_HOME")  # systemd's, a desktop's
    return Path(state or Path.home() / ".local" / "state") / "ourvidz-worker"


def default_spool_directory() -> Path:
    """Raises RuntimeError, as `state_directory` does."""
    return state_directory() / "spool"


def _read_file(path: Path) -> Mapping[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except RecursionError as error:
        raise InvalidOption(f"{path} is not TOML: its lists are nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, or Python's own of a number without end
        raise InvalidOption(f"{path} is not TOML: {error}") from error
    known = {option.name for option in OPTIONS} | {MODELS}
    for name, value in content.items():
        if problem := key_problem(name, known):
            raise InvalidOption(f"{path}: {problem}")
        if name != MODELS and not isinstance(value, str | int | float | bool):
            raise InvalidOption(f"{path}: {name} must be one value")
    return content


def _models(entries: Any, path: Path, values: Mapping[str, Any]) -> tuple[ModelSettings, ...]:
    for name in ONE_MODEL:
        if values[name]:
            raise InvalidOption(f"{path} has [[models]]: name the weights of {name} in an entry")
    try:
        return parse_models(entries, path.parent)
    except InvalidModel as invalid:
        raise InvalidOption(f"{path}: {invalid}") from invalid


def _value(
    option: Option,
    flags: argparse.Namespace,
    environment: Mapping[str, str],
    from_file: Mapping[str, Any],
    path: str,
) -> Any:
    sources = [
        (option.flag, getattr(flags, option.name, None)),
        (option.variable, environment.get(option.variable)),
        (f"{path}: {option.name}", from_file.get(option.name)),
    ]
    for where, value in sources:
        if value is None:
            continue
        text = str(value)
        try:
            return option.parse(text)
        except ValueError as error:
            shown = "" if option in (TOKEN, ENROLMENT_TOKEN) else f", not {text[:60]!r}"
            raise InvalidOption(f"{where} {error}{shown}") from error
    return option.default


def connection_problem(config: Configuration) -> str | None:
    """Why no server can be reached with this configuration, in a sentence; None if one can."""
    if not config.server:
        return f"no server: give --server or set {SERVER.variable}"
    if not is_url(config.server):
        return f"{config.server!r} is not the address of a server, such as https://ourvidz.example"
    if urlsplit(config.server).username is not None:
        return "the server's address holds a user name: a worker signs in with its token alone"
    if config.token and config.enrolment_token:
        return f"{TOKEN.variable} and {ENROLMENT_TOKEN.variable} are both given: leave one out"
    token = config.token or config.enrolment_token
    if not token:
        return (
            f"no token: set {TOKEN.variable} to what `manage.py create_worker` printed, or "
            f"{ENROLMENT_TOKEN.variable} to what `create_enrolment` did"
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        return "the token holds characters that no token has"
    if not config.insecure and reach_of(config.server) is Reach.PUBLIC:
        return (
            f"{config.server} would send the token, prompts and results unencrypted through other people's "
            f"networks: use https://, or say {INSECURE.flag}"
        )
    return None


def is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        if " " in text or not (parts.hostname or "").encode("idna"):
            return False
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
