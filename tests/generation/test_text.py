"""Text from people: plain where it comes in, folded where it is compared, whole clusters where it is cut."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from generation.core.graphemes import clusters, cut, shorten
from generation.core.text import (
    control_error,
    fold,
    is_visible,
    plain_line,
    plain_name,
    plain_text,
    search_key,
)

pytestmark = pytest.mark.any_database

SCIENTIST = "\U0001f469\u200d\U0001f52c"  # one emoji of three code points
PERSIAN = "می\u200cخواهم"
HINDI = "समुद्र के किनारे हिन्दी"
KHMER = "ភាសា\u200bខ្មែរ"
EVERY_CHARACTER = [
    char
    for char in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(char) not in ("Cn", "Co", "Cs")  # not assigned, private, surrogates
]


@pytest.mark.parametrize("end", ["\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_every_end_of_a_line_becomes_a_plain_one(end: str) -> None:
    assert plain_text(f"a{end}b{end}{end}c") == "a\nb\n\nc"


@pytest.mark.parametrize("space", "\t\xa0\u2000\u2003\u2007\u2009\u200a\u202f\u205f")
def test_every_odd_space_becomes_a_plain_one(space: str) -> None:
    assert plain_text(f"a{space}b") == "a b"


@pytest.mark.parametrize("nothing", "\ufeff\u2060\u200b\xad")
def test_what_is_invisible_without_a_purpose_goes(nothing: str) -> None:
    assert plain_text(f"{nothing}a{nothing}b") == "ab"


@pytest.mark.parametrize(
    "text",
    [
        *(SCIENTIST, "\u2764\ufe0f", "\U0001f3f4\U000e0067\U000e0062\U000e007f", PERSIAN, HINDI, KHMER),
        *("שלום\u200f!", "\u2066a\u2069", "漢\U000e0100字", "灯台\u3000夜", "ᠮᠣᠩᠭᠣᠯ\u202fᠤᠨ", "e\u0301"),
    ],
)
def test_what_scripts_and_emoji_are_written_with_stays(text: str) -> None:
    assert plain_text(text) == text
    assert control_error(text) == ""


def test_whatever_is_pasted_is_plain_or_refused() -> None:
    """Of all characters the controls alone are refused, each by its name."""
    refused = {char for char in EVERY_CHARACTER if control_error(plain_text(char))}
    plain = "\t\n\v\f\r\x85"
    assert refused == {char for char in EVERY_CHARACTER if unicodedata.category(char) == "Cc"} - set(plain)
    assert all(f"U+{ord(char):04X} " in control_error(char) for char in refused)
    assert "U+D800" in control_error("\ud800")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("\0", "line 1, column 1"),
        ("a\x1bb", "line 1, column 2"),
        ("one\ntwo\nthree\x7f", "line 3, column 6"),
        (f"{SCIENTIST}e\u0301\x07", "line 1, column 3"),
    ],
)
def test_a_control_character_is_named_with_its_place(text: str, place: str) -> None:
    """As people count: an emoji is one column, whatever it is made of."""
    assert place in control_error(text)


def test_a_line_is_one_line() -> None:
    assert plain_line(" Sea\u2028\xa0 side\t") == "Sea side"
    assert plain_line(f" {PERSIAN} ") == PERSIAN
    assert plain_line("\u200d \ufe0f") == ""


@pytest.mark.parametrize("name", ["", " ", "\u200b", "\u200d", "x" * 81, "a\x07b"])
def test_a_name_can_be_seen_and_is_not_too_long(name: str) -> None:
    with pytest.raises(ValueError, match=r"A token has 1 to 80 characters|U\+0007 at line 1, column 2"):
        plain_name(name, "A token")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(
            ("МОСКВА", "москва"),
            ("CAFÉ", "café"),
            ("cafe\u0301", "café"),
            ("STRASSE", "straße"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ),
        *(
            ("ＡＢＣ", "abc"),
            ("ﬁne", "FINE"),
            ("ｶﾞ", "ガ"),
            ("한", "\u1112\u1161\u11ab"),
            ("Ro\u200bads", "roads"),
        ),
        *(("İ", "i\u0307"), ("ǅ", "ǆ"), ("Ⅷ", "viii"), ("K", "k"), ("\u0345", "ι")),
    ],
)
def test_what_readers_take_for_the_same_folds_to_the_same(one: str, other: str) -> None:
    assert fold(one) == fold(other)
    assert search_key(one) == search_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("café", "cafe"), ("ガ", "カ"), ("कि", "क"), ("й", "и"), ("a b", "ab")]
)
def test_what_readers_tell_apart_stays_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("typed", "there"),
    [
        ("cafe", "CAFÉ"),
        ("елка", "Ёлка"),
        ("שלום", "שָׁלוֹם"),
        ("محمد", "مُحَمَّد"),
        ("a b", "a \n\xa0b"),
        ("viet", "Việt"),
    ],
)
def test_accents_and_points_do_not_count_in_a_search(typed: str, there: str) -> None:
    assert search_key(typed) in search_key(there)


@pytest.mark.parametrize(("one", "other"), [("ガラス", "カラス"), ("कि", "क"), ("ที่", "ท")])
def test_marks_that_are_letters_count_in_a_search(one: str, other: str) -> None:
    assert search_key(one) != search_key(other)


def test_folding_is_done_in_one_pass() -> None:
    assert [char for char in EVERY_CHARACTER if fold(fold(char)) != fold(char)] == []
    assert [char for char in EVERY_CHARACTER if search_key(search_key(char)) != search_key(char)] == []
    forms = [(char, unicodedata.normalize("NFD", char), char.upper()) for char in EVERY_CHARACTER]
    assert [each for each in forms if fold(each[0]) != fold(each[1])] == []


def test_a_text_is_cut_between_clusters() -> None:
    assert clusters(f"a{SCIENTIST}e\u0301") == ["a", SCIENTIST, "e\u0301"]
    assert cut(f"ab{SCIENTIST}", 4) == "ab"
    assert cut(f"ab{SCIENTIST}", 5) == f"ab{SCIENTIST}"
    assert cut("e\u0301", 1) == ""
    assert shorten(SCIENTIST * 3, 3) == SCIENTIST * 3
    assert shorten(SCIENTIST * 4, 3) == SCIENTIST * 2 + "…"
    assert shorten("a lighthouse", 3) == "a…"
    assert clusters(shorten(HINDI, 6)) == [*clusters(HINDI)[:5], "…"]


def test_what_can_be_seen() -> None:
    assert is_visible("a")
    assert is_visible(SCIENTIST)
    assert not is_visible(" \n\u200b\u200d\ufe0f\xad")
