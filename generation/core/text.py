"""Text from people: made plain where it comes in, and folded where it is compared (decision 24)."""

from __future__ import annotations

import re
import unicodedata

from generation.core.graphemes import clusters
from generation.core.limits import NAME_LENGTH

# Odd ends of lines: those of browsers, word processors, typesetting programs and mainframes.
LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Every space that looks like one. The ideographic space is as wide as a letter and stays; so does the narrow
# one in Mongolian, where it is spelling.
SPACES = re.compile("[\t\xa0\u2000-\u200a\u205f]|(?<![\u1800-\u18af])\u202f")
# Invisible without a purpose: byte order mark, word joiner, soft hyphen, and the space of no width, except
# between the letters of Thai, Lao, Tibetan, Burmese and Khmer, which it divides into words.
# Joiners, variation selectors and marks of direction stay: emoji, Persian and Hebrew are written with them.
INVISIBLE = re.compile("[\xad\u2060\ufeff]|(?<![\u0e00-\u109f\u1780-\u17ff])\u200b")
# And lone surrogates, which no database takes.
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

# What does not count when text is compared: it cannot be seen, or chooses a form of the letter before it.
IGNORABLE = re.compile(
    "[\xad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
# Accents, and the vowel points of Hebrew and Arabic: what people leave out when they search. Marks of other
# scripts are letters to their readers: が is no か, and without its marks कि is क.
ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)


def plain_text(text: str) -> str:
    """The text with plain ends of lines and plain spaces."""
    return INVISIBLE.sub("", SPACES.sub(" ", LINE_ENDS.sub("\n", text)))


def plain_line(text: str) -> str:
    """The text as one line, with single spaces between its words; empty if nothing of it can be seen."""
    return " ".join(plain_text(text).split()) if is_visible(text) else ""


def plain_name(text: str, what: str) -> str:
    """The text as a name, on one line. Raises ValueError with a sentence about `what`."""
    name = plain_line(text)
    if error := control_error(name):
        raise ValueError(error)
    if not 1 <= len(name) <= NAME_LENGTH:
        raise ValueError(f"{what} has 1 to {NAME_LENGTH} characters.")
    return name


def folded_name(text: str) -> str:
    """What names are found by; empty for a text that is no name.

    Longer texts are never folded: the time for that grows with the square of the marks on one letter.
    """
    try:
        return fold(plain_name(text, "A name"))
    except ValueError:
        return ""


def is_visible(text: str) -> bool:
    """Whether there is more than spaces and what only changes other characters."""
    return bool(IGNORABLE.sub("", text).strip())


def control_error(text: str) -> str:
    """Names the first control character of a plain text and its place; empty if there is none."""
    found = CONTROL.search(text)
    if found is None:
        return ""
    before = text[: found.start()]
    line, column = before.count("\n") + 1, len(clusters(before.rpartition("\n")[2])) + 1
    return (
        f"The control character U+{ord(found.group()):04X} at line {line}, column {column} cannot be used."
        " Remove it."
    )


def fold(text: str) -> str:
    """What is equal for texts that readers take for the same: whatever their case, width and composition."""
    if text.isascii():
        return text.lower()
    composed = unicodedata.normalize("NFKC", IGNORABLE.sub("", text)).casefold()
    return unicodedata.normalize("NFKC", composed)


def search_key(text: str) -> str:
    """The text folded for searching: without accents too, on one line."""
    folded = fold(text)
    if not folded.isascii():
        folded = unicodedata.normalize("NFKC", ACCENTS.sub("", unicodedata.normalize("NFKD", folded)))
    return " ".join(folded.split())
