"""Reading the offer of a model as a worker advertises it: strictly, with the place of each fault."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from generation.catalog.job_types import JOB_TYPES
from generation.catalog.offers import (
    LORAS,
    ChoiceOffer,
    LoraOffer,
    NumberOffer,
    Offered,
    OfferedLora,
    is_number,
)
from generation.core.graphemes import cut
from generation.core.text import control_error, is_visible

MAX_SETTINGS = 32
MAX_CHOICES = 64
MAX_CHOICE_LENGTH = 80
MAX_TRIGGER_WORDS = 16
MAX_NUMBER = 1_000_000
MAX_WEIGHT = 10.0
NUMBERS = ("minimum", "maximum", "default")
SETTING_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
LORA_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
TITLE_LENGTH = 120
# Said by the submission itself, so that no setting may say it too.
RESERVED = frozenset(
    {"model", "media", "width", "height", "enhance", "prompt", "negative_prompt", "seed", "quantity"}
)
# What every worker reads, by the kind of its value.
_KINDS: Mapping[str, object] = {
    name: value
    for job_type in JOB_TYPES.values()
    for name, value in job_type.parameters(job_type.default_aspect).items()
    if name not in RESERVED
}


class InvalidOffer(ValueError):
    """`path` is the place in the offer, as `steps.minimum`; `message` says what is wrong with it."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path, self.message = path, message


def parse_offer(body: Mapping[str, Any]) -> dict[str, Offered]:
    """The offer that a worker advertises. Raises InvalidOffer, with the place in it."""
    if len(body) > MAX_SETTINGS:
        raise InvalidOffer("", f"At most {MAX_SETTINGS} settings.")
    return {name: _offered(name, each) for name, each in body.items()}


def _offered(name: str, body: object) -> Offered:
    if not SETTING_NAME.fullmatch(name):
        raise InvalidOffer(cut(name, 40), "A setting's name has at most 40 of a-z, 0-9 and _.")
    if name in RESERVED:
        raise InvalidOffer(name, "This is no setting of a model.")
    if not isinstance(body, dict):
        raise InvalidOffer(name, "This must be an object.")
    kind = body.get("type")
    if (kind == LORAS) != (name == LORAS):
        raise InvalidOffer(f"{name}.type", "Only `loras` is of the type loras, and always.")
    match kind:
        case "integer" | "number":
            offered: NumberOffer | ChoiceOffer = _number_offer(name, body, whole=kind == "integer")
        case "choice":
            offered = _choice_offer(name, body)
        case "loras":
            return _lora_offer(name, body)
        case _:
            raise InvalidOffer(f"{name}.type", "One of: integer, number, choice, loras.")
    _check_kind(name, offered)
    return offered


def _number_offer(name: str, body: Mapping[str, Any], *, whole: bool) -> NumberOffer:
    _check_keys(name, body, ("type", "minimum", "maximum", "default"))
    low, high, default = (_number(f"{name}.{key}", body[key], whole=whole) for key in NUMBERS)
    _check_order(name, low, default, high)
    return NumberOffer(minimum=low, maximum=high, default=default, is_whole=whole)


def _choice_offer(name: str, body: Mapping[str, Any]) -> ChoiceOffer:
    _check_keys(name, body, ("type", "choices", "default"))
    choices = _list(f"{name}.choices", body["choices"], MAX_CHOICES)
    for number, each in enumerate(choices):
        _check_choice(f"{name}.choices.{number}", each)
    offered = ChoiceOffer(choices=choices, default=body["default"])
    if not choices or offered.error(body["default"]):
        raise InvalidOffer(f"{name}.default", "This must be one of the choices.")
    return offered


def _check_choice(path: str, value: object) -> None:
    if isinstance(value, str):
        _text(path, value, MAX_CHOICE_LENGTH)
    elif not isinstance(value, bool) and not is_number(value, whole=False):
        raise InvalidOffer(path, "A choice is a text, a number, true or false.")


def _lora_offer(name: str, body: Mapping[str, Any]) -> LoraOffer:
    _check_keys(name, body, ("type", "choices"))
    loras = [
        _lora(f"{name}.choices.{number}", each)
        for number, each in enumerate(_list(f"{name}.choices", body["choices"], MAX_CHOICES))
    ]
    choices = {lora.name: lora for lora in loras}
    if len(choices) < len(loras):
        raise InvalidOffer(f"{name}.choices", "Each LoRA once.")
    return LoraOffer(choices=choices)


def _lora(path: str, body: object) -> OfferedLora:
    if not isinstance(body, dict):
        raise InvalidOffer(path, "This must be an object.")
    _check_keys(path, body, ("name", "title", *NUMBERS), optional=("trigger_words",))
    if not isinstance(body["name"], str) or not LORA_NAME.fullmatch(body["name"]):
        raise InvalidOffer(f"{path}.name", "A name has at most 80 of a-z, A-Z, 0-9, dot, _ and -.")
    _text(f"{path}.title", body["title"], TITLE_LENGTH)
    low, high, default = (_number(f"{path}.{key}", body[key], limit=MAX_WEIGHT) for key in NUMBERS)
    _check_order(path, low, default, high)
    words = _list(f"{path}.trigger_words", body.get("trigger_words", []), MAX_TRIGGER_WORDS)
    for number, word in enumerate(words):
        _text(f"{path}.trigger_words.{number}", word, MAX_CHOICE_LENGTH)
    return OfferedLora(
        name=body["name"],
        title=body["title"],
        minimum=low,
        maximum=high,
        default=default,
        trigger_words=tuple(words),
    )


def _check_kind(name: str, offered: NumberOffer | ChoiceOffer) -> None:
    """What every worker reads must stay of its kind: a text for `steps` would stop every job."""
    if name not in _KINDS:
        return
    usual = _KINDS[name]
    values = offered.choices if isinstance(offered, ChoiceOffer) else [offered.minimum, offered.maximum]
    if isinstance(usual, str):
        fits = all(isinstance(value, str) for value in values)
    else:
        whole, least = isinstance(usual, int), 1 if isinstance(usual, int) else 0
        is_whole = not isinstance(offered, NumberOffer) or offered.is_whole or not whole
        fits = is_whole and all(is_number(value, whole=whole) and value >= least for value in values)
    if not fits:
        kind = "a text" if isinstance(usual, str) else "a whole number from 1" if whole else "a number from 0"
        raise InvalidOffer(name, f"Each value must be {kind}.")


def _check_keys(
    path: str, body: Mapping[str, Any], names: Sequence[str], optional: Sequence[str] = ()
) -> None:
    for name in body:
        if name not in names and name not in optional:
            raise InvalidOffer(f"{path}.{cut(str(name), 40)}", "There is no such field.")
    for name in names:
        if name not in body:
            raise InvalidOffer(f"{path}.{name}", "This field is required.")


def _number(path: str, value: object, *, whole: bool = False, limit: float = MAX_NUMBER) -> float:
    if not is_number(value, whole=whole) or not -limit <= value <= limit:
        kind = "a whole number" if whole else "a number"
        raise InvalidOffer(path, f"This must be {kind} from {-limit:g} to {limit:g}.")
    return value


def _check_order(path: str, low: float, default: float, high: float) -> None:
    if not low <= default <= high:
        raise InvalidOffer(path, "The default must lie from minimum to maximum.")


def _list(path: str, value: object, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise InvalidOffer(path, f"This must be a list of at most {most}.")
    return value


def _text(path: str, value: object, most: int) -> None:
    if not isinstance(value, str) or not is_visible(value) or len(value) > most:
        raise InvalidOffer(path, f"This must be a text of 1 to {most} characters.")
    if error := control_error(value):
        raise InvalidOffer(path, error)
