"""Several prompts in one text: a line for each, and alternatives in braces. One parser for all who ask.

`{red|blue}` stands for each of its alternatives in turn. A backslash before a brace or a bar makes it plain
text, as braces without a bar are anyway. Why so: docs/decisions/0029-several-prompts-at-once.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from math import prod

from generation.catalog.submission import InvalidSubmission
from generation.core.graphemes import cut
from generation.core.text import is_visible, plain_text

MAX_PROMPTS = 50
TEXT_LENGTH = 20_000
TOKEN = re.compile(r"\\[{|}]|[{|}]|\\|[^\\{|}]+")


@dataclass(frozen=True, slots=True)
class _Group:
    """What stands between a brace and its closing one, or the end; read once, so that time is linear."""

    alternatives: list[str]
    is_nested: bool
    is_closed: bool
    end: int


def expand(text: str, *, one_per_line: bool = False) -> list[str]:
    """The prompts that the text stands for, in its order; one where it has neither lines nor alternatives.

    Raises:
        InvalidSubmission: for `prompt`: nested or unclosed alternatives, or more than MAX_PROMPTS.
    """
    return [prompt for _, prompts in expand_lines(text, one_per_line=one_per_line) for prompt in prompts] or [
        ""
    ]


def expand_lines(text: str, *, one_per_line: bool = False) -> list[tuple[str, list[str]]]:
    """Each line, or the text as a whole, and the prompts that it stands for. Raises as `expand`."""
    text = plain_text(text)
    if len(text) > TEXT_LENGTH:
        _refuse(f"At most {TEXT_LENGTH:,} characters in all; this has {len(text):,}.")
    lines = [line.strip() for line in text.split("\n") if is_visible(line)] if one_per_line else [text]
    parts = [_parts(line) for line in lines]
    count = sum(prod(map(len, each)) for each in parts)
    if count > MAX_PROMPTS:
        _refuse(f"This would make {_number(count)} jobs. At most {MAX_PROMPTS} are made at once.")
    chosen = (map("".join, product(*each)) for each in parts)
    return [(line, list(prompts)) for line, prompts in zip(lines, chosen, strict=True)]


def literal(prompt: str) -> str:
    """A text that stands for this prompt alone."""
    try:
        if expand(prompt) == [prompt]:
            return prompt
    except InvalidSubmission:
        pass
    return re.sub(r"[{|}]", r"\\\g<0>", prompt)


def _number(count: int) -> str:
    return f"{count:,}" if count < 1_000_000 else "over a million"


def _refuse(sentence: str) -> None:
    raise InvalidSubmission({"prompt": sentence})


def _parts(line: str) -> list[list[str]]:
    """The line in pieces: for each the alternatives, one for plain text."""
    tokens = TOKEN.findall(line)
    parts, at = [], 0
    while at < len(tokens):
        group = _group(tokens, at) if tokens[at] == "{" else None
        end = group.end if group else at + 1
        if group and len(group.alternatives) > 1:
            _check(group, "".join(tokens[at:end]))
            parts.append(group.alternatives)
        else:
            parts.append(["".join(map(_plain, tokens[at:end]))])
        at = end
    return parts


def _group(tokens: list[str], start: int) -> _Group:
    alternatives, depth, is_nested = [""], 0, False
    for at in range(start, len(tokens)):
        token = tokens[at]
        depth += {"{": 1, "}": -1}.get(token, 0)
        is_nested = is_nested or depth > 1
        if depth == 0:
            return _Group(alternatives, is_nested, is_closed=True, end=at + 1)
        if token == "|":  # noqa: S105 - a sign of the text
            alternatives.append("")
        elif at > start:
            alternatives[-1] += _plain(token)
    return _Group(alternatives, is_nested, is_closed=False, end=len(tokens))


def _check(group: _Group, source: str) -> None:
    quoted = f"“{cut(source, 40)}”"
    if not group.is_closed:
        _refuse(rf"{quoted} has no closing brace. Add it, or write \{{ for a plain brace.")
    if group.is_nested:
        _refuse(rf"Alternatives cannot stand inside others: {quoted}. Write \{{ for a plain brace.")


def _plain(token: str) -> str:
    return token[1:] if len(token) > 1 and token[0] == "\\" and token[1] in "{|}" else token
