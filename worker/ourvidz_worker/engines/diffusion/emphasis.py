"""Weighted prompts: `(word:1.3)` gets more weight, `(word:0.5)` less; `BREAK` begins a new chunk.

A parenthesis without a weight is text, as it is in prose, and so is one with a weight over 2. `\\(` and `\\)`
are parentheses that mean nothing. Weights inside weights multiply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BREAK = re.compile(r"\s*\bBREAK\b\s*")
TOKEN = re.compile(r"\\[()\\]|\(|:\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*\)|\)|[^\\():]+|.", re.DOTALL)
MAX_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a prompt. 1 is the weight of plain text."""

    text: str
    weight: float = 1.0


def fragments_by_chunk(prompt: str) -> list[list[Fragment]]:
    """The fragments before, between and after each `BREAK`; one empty list for an empty prompt."""
    return [_fragments(part) for part in BREAK.split(prompt)]


def is_plain(prompt: str) -> bool:
    """Whether the prompt says what it says, without weights, chunks or escapes."""
    chunks = fragments_by_chunk(prompt)
    return len(chunks) == 1 and "".join(each.text for each in chunks[0]) == prompt


def plain_text(prompt: str) -> str:
    """The prompt without what is not read as text."""
    chunks = fragments_by_chunk(prompt)
    return " ".join("".join(each.text for each in chunk) for chunk in chunks).strip()


def _fragments(text: str) -> list[Fragment]:
    """A stack of what each open parenthesis holds so far: only its end tells whether it has a weight."""
    stack: list[list[Fragment]] = [[]]
    for match in TOKEN.finditer(text):
        matched, number = match.group(), match.group(1)
        if matched == "(":
            stack.append([])
        elif matched.endswith(")") and not matched.startswith("\\") and len(stack) > 1:
            inner = stack.pop()
            if number is not None and float(number) <= MAX_WEIGHT:
                inner = [Fragment(each.text, each.weight * float(number)) for each in inner]
            else:
                inner = [Fragment("("), *inner, Fragment(matched)]
            stack[-1].extend(inner)
        else:
            stack[-1].append(Fragment(matched[1:] if matched in ("\\(", "\\)") else matched))
    while len(stack) > 1:  # never closed
        inner = stack.pop()
        stack[-1].extend([Fragment("("), *inner])
    return _joined(stack[0])


def _joined(fragments: list[Fragment]) -> list[Fragment]:
    """Neighbours of one weight as one: words are read whole."""
    joined: list[Fragment] = []
    for each in fragments:
        if joined and joined[-1].weight == each.weight:
            joined[-1] = Fragment(joined[-1].text + each.text, each.weight)
        else:
            joined.append(each)
    return joined
