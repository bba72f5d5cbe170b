"""What a model fixes (`set`) and what it lets its users choose (`offer`)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ourvidz_worker.engines.model_keys import SETTINGS, Setting
from ourvidz_worker.engines.models import ChoiceOffer, Lora, LoraOffer, NumberOffer, Offered, Value
from ourvidz_worker.model_file.table import InvalidModel, Table, expect, key_problem, one_line

TEXT_LENGTH, NEGATIVE_LENGTH, MAX_CHOICES, MAX_OFFERED = 80, 2000, 64, 32  # what servers take
SETTING_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
REFERENCES = ("style", "composition", "character", "start_frame", "end_frame")
JOB_INPUTS = frozenset(
    {
        *("prompt", "negative_prompt", "seed", "quantity", "width", "height", "media", "enhance", "model"),
        *(f"{name}{part}" for name in REFERENCES for part in ("", "_strength", "_denoise")),
    }
)
"""What each job has of its own, which a workflow may bind and no model can offer."""
RANGE_KEYS, CHOICE_KEYS = ("minimum", "maximum", "default"), ("choices", "default")


def known_settings(engine: str, bound: Sequence[str] = ()) -> dict[str, Setting | None]:
    """The settings of an engine by name; None for those that only a workflow's binding gives a meaning."""
    if engine == "comfy":
        names = [name for name in bound if name not in JOB_INPUTS and SETTING_NAME.fullmatch(name)]
        return {name: SETTINGS.get(name) for name in (*names, "negative")}
    return {name: each for name, each in SETTINGS.items() if engine in each.engines}


def parse_fixed(value: Any, place: str, known: Mapping[str, Setting | None]) -> dict[str, Value]:
    table = Table(value, place, known)
    return {name: _value(table.raw(name), known[name], name, table.at(name)) for name in table.names()}


def parse_offer(
    value: Any,
    place: str,
    known: Mapping[str, Setting | None],
    fixed: Mapping[str, Value],
    loras: Sequence[Lora],
) -> dict[str, Offered]:
    """What `set` has of the same name is the default."""
    offerable = {name: each for name, each in known.items() if each is None or each.can_be_offered}
    table = Table(value, place, (*offerable, "loras"))
    if len(table.names()) > MAX_OFFERED:
        raise InvalidModel(f"{place} has {len(table.names())} settings; {MAX_OFFERED} are allowed")
    offered: dict[str, Offered] = {}
    for name in table.names():
        if name == "loras":
            offered[name] = _loras(table, loras)
        else:
            offered[name] = _offered(table.raw(name), offerable[name], fixed.get(name), table.at(name))
    return offered


def _offered(value: Any, setting: Setting | None, default: Value | None, place: str) -> Offered:
    if isinstance(value, dict):
        if default is None:
            default = value.get("default")
        elif "default" in value:
            raise InvalidModel(f"{place}.default: there is one in set, too")
        if "choices" in value:
            Table(value, place, CHOICE_KEYS)
            return _choice(value["choices"], setting, default, f"{place}.choices")
        table = Table(value, place, RANGE_KEYS)
        ends = [table.require("minimum", float), table.require("maximum", float)]
        is_whole = all(isinstance(table.raw(name), int) for name in ("minimum", "maximum"))
        return _range(ends, setting, default, place, is_whole=is_whole)
    if _is_range(value, setting):
        ends = [expect(each, float, f"{place}[{number}]") for number, each in enumerate(value)]
        is_whole = all(isinstance(each, int) for each in value)
        return _range(ends, setting, default, place, is_whole=is_whole)
    return _choice(value, setting, default, place)


def _is_range(value: Any, setting: Setting | None) -> bool:
    if not isinstance(value, list):
        return False
    if setting is not None:
        if setting.kind != "text" and len(value) != 2:
            return False
        return setting.kind != "text"
    return len(value) == 2 and all(type(each) in (int, float) for each in value)


def _range(
    ends: Sequence[float], setting: Setting | None, default: Any, place: str, *, is_whole: bool
) -> NumberOffer:
    if setting is not None:
        if setting.kind == "text":
            raise InvalidModel(f"{place} must be a list of texts")
        if setting.kind == "whole" and not is_whole:
            raise InvalidModel(f"{place} must be whole numbers")
        is_whole = setting.kind == "whole"
        for each in ends:
            _check_bounds(each, setting, place)
    lowest, highest = ends
    if not (math.isfinite(lowest) and math.isfinite(highest) and lowest < highest):
        raise InvalidModel(f"{place} must be [lowest, highest], and the second above the first")
    if default is None:
        default = (lowest + highest) / 2
    chosen = _number(default, place, is_whole=is_whole, is_given=default is not None)
    if not lowest <= chosen <= highest:
        raise InvalidModel(f"{place}: its default {chosen:g} is not {lowest:g} to {highest:g}")
    as_number = int if is_whole else float
    return NumberOffer(
        lowest=as_number(lowest), highest=as_number(highest), default=as_number(chosen), is_whole=is_whole
    )


def _choice(value: Any, setting: Setting | None, default: Any, place: str) -> ChoiceOffer:
    if setting is not None and setting.kind != "text" and not place.endswith(".choices"):
        raise InvalidModel(f"{place} must be [lowest, highest], or {{choices = [...]}}")
    entries = expect(value, list, place)
    if not 0 < len(entries) <= MAX_CHOICES:
        raise InvalidModel(f"{place} must be a list of 1 to {MAX_CHOICES} choices")
    choices = [_value(each, setting, "", f"{place}[{number}]") for number, each in enumerate(entries)]
    if len(set(choices)) < len(choices):
        raise InvalidModel(f"{place} has a choice twice")
    if default is None:
        default = choices[0]
    if default not in choices:
        raise InvalidModel(f"{place}: its default {default!r} is not one of them")
    return ChoiceOffer(choices=tuple(choices), default=default)


def _loras(table: Table, loras: Sequence[Lora]) -> LoraOffer:
    place, by_name = table.at("loras"), {each.name: each for each in loras}
    chosen: dict[str, Lora] = {}
    for number, value in enumerate(table.take("loras", list, [])):
        name = expect(value, str, f"{place}[{number}]")
        if name not in by_name:
            raise InvalidModel(f"{place}[{number}]: {_unknown_lora(name, tuple(by_name))}")
        chosen[name] = by_name[name]
    if not chosen:
        raise InvalidModel(f"{place} names none")
    return LoraOffer(choices=tuple(chosen.values()))


def _unknown_lora(name: str, names: Sequence[str]) -> str:
    if not names:
        return f"there is no LoRA {name!r}: the entry has no loras"
    return key_problem(name, names).replace("is no key", "is no LoRA of loras")


def _value(value: Any, setting: Setting | None, name: str, place: str) -> Value:
    """A value of a setting. Raises InvalidModel."""
    if setting is None:
        if not isinstance(value, str | int | float | bool):
            raise InvalidModel(f"{place} must be one value")
        if isinstance(value, int | float) and not math.isfinite(expect(value, type(value), place)):
            raise InvalidModel(f"{place} is no number")
        return one_line(value, TEXT_LENGTH, place) if isinstance(value, str) else value
    if setting.kind == "text":
        limit = NEGATIVE_LENGTH if name == "negative" else TEXT_LENGTH
        text = one_line(expect(value, str, place), limit, place)
        if setting.choices and text not in setting.choices:
            raise InvalidModel(f"{place} must be one of {', '.join(setting.choices)}, not {text[:60]!r}")
        return text
    number: int | float = expect(value, int if setting.kind == "whole" else float, place)
    _check_bounds(number, setting, place)
    return number


def _number(value: Any, place: str, *, is_whole: bool, is_given: bool) -> float:
    number = expect(value, float, f"{place}.default" if is_given else place)
    return float(round(number)) if is_whole else round(number, 6)


def _check_bounds(number: float, setting: Setting, place: str) -> None:
    if not setting.lowest <= number <= setting.highest:
        bounds = f"{setting.lowest:g} to {setting.highest:g}"
        raise InvalidModel(f"{place} must be {bounds}, not {number:g}")
