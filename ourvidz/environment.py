"""How a setting is declared, and read from the environment: its kind, default, range and meaning.

The declarations are in `ourvidz.declarations`. Only the standard library: script/server reads settings before
anything is installed.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]

TRUE_WORDS = ("true", "yes", "on", "t", "y", "1")
FALSE_WORDS = ("false", "no", "off", "f", "n", "0")
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,30}")
DECIMAL_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
LONGEST_SHOWN = 60


class InvalidSetting(Exception):
    """A setting with which nothing may start; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A default or bound that follows from settings declared before; `text` says how, for the handbook."""

    text: str
    value_from: Callable[[Values], Any]


def same(name: str) -> Derived:
    """The value of a setting declared before."""
    return Derived(f"`{name}`", lambda values: values[name])


def resolve(value: Any, values: Values) -> Any:
    return value.value_from(values) if isinstance(value, Derived) else value


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A variable with any text as its value.

    `means` is its sentence in docs/settings.md. `is_secret`: the value is never shown.
    """

    name: str
    default: Any
    means: str
    is_secret: bool = False

    def read(self, environment: Mapping[str, str], values: Values) -> Any:
        """Its value, which is the default where it is empty or not set. Raises InvalidSetting."""
        default = resolve(self.default, values)
        text = environment.get(self.name, "").strip()
        if not text:
            return default
        try:
            return self.parse(text, values)
        except ValueError as error:
            raise InvalidSetting(self.refusal(text, values)) from error

    def refusal(self, text: str, values: Values) -> str:
        given = "" if self.is_secret else f"={shown(text)}"
        default = self.as_text(resolve(self.default, values))
        remedy = f"change it, or leave it out for {default}" if default else "change it, or leave it out"
        return f"{self.name}{given} is not {self.kind(values)}: {remedy}"

    def parse(self, text: str, values: Values) -> Any:
        """The value that the text stands for. Raises ValueError for what is not allowed."""
        return text

    def kind(self, values: Values) -> str:
        """What is allowed, as it follows "is not"."""
        return "text"

    @property
    def range_text(self) -> str:
        """What is allowed, for the handbook."""
        return "any"

    @property
    def default_text(self) -> str:
        """The default, for the handbook."""
        if isinstance(self.default, Derived):
            return self.default.text
        return self.as_text(self.default) or "none"

    def as_text(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Integer(Setting):
    """A whole number from `low` to `high`."""

    low: int | Derived
    high: int | Derived

    def parse(self, text: str, values: Values) -> float:
        if not WHOLE_NUMBER.fullmatch(text):
            raise ValueError(text)
        return self._in_range(int(text), values)

    def _in_range(self, number: float, values: Values) -> float:
        if not resolve(self.low, values) <= number <= resolve(self.high, values):
            raise ValueError(number)
        return number

    def kind(self, values: Values) -> str:
        return f"a whole number {self._range(values)}"

    def _range(self, values: Values) -> str:
        low, high = (_bound(bound, values) for bound in (self.low, self.high))
        return f"from {low} to {high}"

    @property
    def range_text(self) -> str:
        low, high = (b.text if isinstance(b, Derived) else b for b in (self.low, self.high))
        return f"{low} to {high}"


@dataclass(frozen=True, kw_only=True)
class Decimal(Integer):
    """A number from `low` to `high`, which may have decimals."""

    low: Any
    high: Any

    def parse(self, text: str, values: Values) -> float:
        if not DECIMAL_NUMBER.fullmatch(text):
            raise ValueError(text)
        return self._in_range(float(text), values)

    def kind(self, values: Values) -> str:
        return f"a number {self._range(values)}"


@dataclass(frozen=True, kw_only=True)
class Boolean(Setting):
    def parse(self, text: str, values: Values) -> bool:
        if text.lower() not in TRUE_WORDS + FALSE_WORDS:
            raise ValueError(text)
        return text.lower() in TRUE_WORDS

    def kind(self, values: Values) -> str:
        return "true or false"

    @property
    def range_text(self) -> str:
        return "true, false"

    def as_text(self, value: Any) -> str:
        return str(value).lower()


@dataclass(frozen=True, kw_only=True)
class Checked(Setting):
    """A text that `is_valid` takes; `allowed` says in words which those are."""

    is_valid: Callable[[str], bool]
    allowed: str

    def parse(self, text: str, values: Values) -> Any:
        if not self.is_valid(text):
            raise ValueError(text)
        return text

    def kind(self, values: Values) -> str:
        return self.allowed

    @property
    def range_text(self) -> str:
        return self.allowed


@dataclass(frozen=True, kw_only=True)
class CheckedList(Checked):
    """Texts separated by commas, with spaces around them or not, each of which `is_valid` takes."""

    def parse(self, text: str, values: Values) -> list[str]:
        items = [super(CheckedList, self).parse(item, values) for item in items_of(text)]
        if not items:
            raise ValueError(text)
        return items

    def kind(self, values: Values) -> str:
        return f"a list, separated by commas, of {self.allowed}"

    @property
    def range_text(self) -> str:
        return f"list of {self.allowed}"

    def as_text(self, value: Any) -> str:
        return ",".join(value)


def items_of(text: str) -> list[str]:
    return [item for part in text.split(",") if (item := part.strip())]


def shown(text: str) -> str:
    """The value in a sentence: on one line, and not a long one."""
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _bound(bound: Any, values: Values) -> str:
    if isinstance(bound, Derived):
        return f"{resolve(bound, values)} ({bound.text})"
    return str(bound)


def read(settings: Sequence[Setting], environment: Mapping[str, str]) -> Values:
    """The values of all settings. Raises InvalidSetting at the first that is not allowed."""
    values: dict[str, Any] = {}
    for setting in settings:
        values[setting.name] = setting.read(environment, values)
    return values


@contextlib.contextmanager
def stopping_the_start() -> Iterator[None]:
    """End the process with the sentence of an InvalidSetting, and nothing else.

    Django would turn any other exception of a settings module into a traceback, or into an unknown command.
    """
    try:
        yield
    except InvalidSetting as error:
        sys.exit(f"OurVidz: {error}")
