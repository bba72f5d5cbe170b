"""Takes the values of a TOML table out of it, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

T = TypeVar("T")
MAX_INTEGER = 2**63 - 1  # of TOML

KINDS: Mapping[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class InvalidModel(Exception):
    """What is wrong with an entry; the message begins with its place in the file."""


class Table:
    """`place`: where it is in the file, such as `models[2].offer`. `known`: the keys that it may have.

    Raises InvalidModel for any other key, with the nearest known one.
    """

    def __init__(self, content: Any, place: str, known: Iterable[str]) -> None:
        self.place = place
        self._content = expect(content, dict, place)
        for name in self._content:
            if problem := key_problem(name, known):
                raise InvalidModel(f"{place}: {problem}")

    def __contains__(self, name: str) -> bool:
        return name in self._content

    def at(self, name: str) -> str:
        return f"{self.place}.{name}"

    def names(self) -> tuple[str, ...]:
        return tuple(self._content)

    def take(self, name: str, kind: type[T], default: T) -> T:
        """The value, which must be of this kind; a whole number is a number too."""
        return expect(self._content[name], kind, self.at(name)) if name in self._content else default

    def raw(self, name: str) -> Any:
        """The value as it is; None if there is none."""
        return self._content.get(name)

    def require(self, name: str, kind: type[T]) -> T:
        if name not in self._content:
            raise InvalidModel(f"{self.place}: {name} is missing")
        return expect(self._content[name], kind, self.at(name))

    def text(self, name: str, limit: int) -> str:
        """A text on one line, of at most `limit` characters; empty if there is none."""
        return one_line(self.take(name, str, ""), limit, self.at(name))


def expect(value: Any, kind: type[T], place: str) -> T:
    """`value`, if it is of this kind. Raises InvalidModel."""
    if isinstance(value, int) and abs(value) > MAX_INTEGER:  # Python's reader has no limit
        raise InvalidModel(f"{place} has {len(str(value))} digits")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)  # type: ignore[return-value]  # T is float here
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InvalidModel(f"{place} must be {KINDS[kind]}, not {_shown(value)}")
    return value


def one_line(text: str, limit: int, place: str) -> str:
    if not text.isprintable():
        raise InvalidModel(f"{place} holds characters that cannot be shown")
    if len(text) > limit:
        raise InvalidModel(f"{place} has {len(text)} characters; {limit} are allowed")
    return text


def key_problem(name: str, known: Iterable[str]) -> str:
    """Why there is no such key, with the one that is meant; empty if there is."""
    names = sorted(known)
    if name in names:
        return ""
    for spelled in (name.replace("-", "_"), name.replace("_", "-"), name.lower(), name.strip()):
        if spelled in names:
            return f"{name}: say {spelled}"
    if near := get_close_matches(name, names, n=1):
        return f"{name!r} is no key; did you mean {near[0]}?"
    return f"{name!r} is no key; there are {', '.join(names)}"


def _shown(value: Any) -> str:
    return repr(value)[:60]
