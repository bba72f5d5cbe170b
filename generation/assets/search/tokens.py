"""Text as tokens: what is compared when results are searched, the same on each database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import regex

from generation.core.text import search_key

# Emoji as people see them: flags, and pictographs with what joins them to one.
EMOJI = regex.compile(
    r"\p{RI}{2}|\p{Extended_Pictographic}\ufe0f?\p{Emoji_Modifier}?"
    r"(?:\u200d\p{Extended_Pictographic}\ufe0f?\p{Emoji_Modifier}?)*"
)
# What chooses the style or the colour of an emoji: left out, as accents are.
STYLES = regex.compile(r"[\ufe0e\ufe0f]|(?<=.)\p{Emoji_Modifier}")
# Scripts that put no spaces between words: each character is a token, and a word is a run of them.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆]"
WORD = regex.compile(
    rf"(?=[\p{{L}}\p{{N}}])(?:{UNSPACED}\p{{M}}*|(?:(?!{UNSPACED})[\p{{L}}\p{{N}}\p{{M}}])+)"
)
ASCII_WORD = re.compile("[a-z0-9]+")

MAX_TOKEN = 200  # characters; longer ones are no words that anybody searches
MAX_TOKENS = 16_000  # of one result: PostgreSQL knows positions up to 16,383
MAX_REPEATS = 255  # of one token in a result: PostgreSQL keeps 256 positions
GAP = ""  # between two fields, so that no phrase begins in one and ends in the next


def tokens_of(text: str) -> list[str]:
    """The tokens in their order."""
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[str]:
    if text.isascii():  # the usual case, ten times as fast
        yield from ASCII_WORD.findall(text.lower())
        return
    end = 0
    for found in EMOJI.finditer(text):
        yield from WORD.findall(search_key(text[end : found.start()]))
        yield STYLES.sub("", found.group())
        end = found.end()
    yield from WORD.findall(search_key(text[end:]))


def document(fields: Iterable[str]) -> list[str]:
    """The tokens of the fields by position; `GAP` stands between two fields, and for what is not indexed."""
    tokens: list[str] = []
    repeats: dict[str, int] = {}
    for text in fields:
        if tokens:
            tokens.append(GAP)
        for token in _tokens(text):
            repeats[token] = repeats.get(token, 0) + 1
            tokens.append(token if len(token) <= MAX_TOKEN and repeats[token] <= MAX_REPEATS else GAP)
    return tokens[:MAX_TOKENS]
