"""Several prompts in one text: lines and alternatives."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.catalog.prompts import MAX_PROMPTS, expand, literal
from generation.catalog.submission import InvalidSubmission
from generation.core.text import plain_text

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("a fox", ["a fox"]),
        ("", [""]),
        ("two\nlines", ["two\nlines"]),
        ("a {red|blue|green} fox", ["a red fox", "a blue fox", "a green fox"]),
        ("{a|b} {c|d}", ["a c", "a d", "b c", "b d"]),
        ("{|big }cat", ["cat", "big cat"]),
        (r"\{red|blue\}", ["{red|blue}"]),
        (r"{a\|b|\{c\}}", ["a|b", "{c}"]),
        ("a {plain} brace, {{two}} and | a bar }", ["a {plain} brace, {{two}} and | a bar }"]),
        ('{"steps": {"cfg": 7}}', ['{"steps": {"cfg": 7}}']),
        ("grumpy :{ cat", ["grumpy :{ cat"]),
        (r"C:\new \(weights:1.2\)", [r"C:\new \(weights:1.2\)"]),
        ("{夜景|🦊}", ["夜景", "🦊"]),
    ],
)
def test_a_text_stands_for_its_prompts(text: str, prompts: list[str]) -> None:
    assert expand(text) == prompts


def test_each_line_is_a_prompt_if_that_is_wanted() -> None:
    assert expand("\n a fox \r\n\r\n\u200b\na {red|blue} owl\n", one_per_line=True) == [
        "a fox",
        "a red owl",
        "a blue owl",
    ]
    assert expand(" \n ", one_per_line=True) == [""]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a {red|{dark|light} blue} fox", "Alternatives cannot stand inside others"),
        ("{a {b|c}}", "Alternatives cannot stand inside others"),
        ("a {red|blue fox", "has no closing brace"),
        ("{a|b}" * 6, "This would make 64 jobs. At most 50 are made at once."),
        ("{a|b}" * 40, "This would make over a million jobs."),
        ("x" * 20_001, "At most 20,000 characters in all"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(InvalidSubmission) as refused:
        expand(text)
    assert says in refused.value.errors["prompt"]


@pytest.mark.parametrize("text", ["{" * 20_000, "{a|" * 6000, "{a}" * 6000, "\\" * 20_000, "x\n" * 10_000])
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    with contextlib.suppress(InvalidSubmission):
        assert len(expand(text, one_per_line=True)) <= MAX_PROMPTS
    assert time.process_time() - began < 2


@given(st.text(alphabet="{}|\\ab \n"))
def test_a_prompt_that_was_made_can_be_written_so_that_it_means_itself(prompt: str) -> None:
    """Else "use this prompt again" would make others of it."""
    assert expand(literal(prompt)) == [plain_text(prompt)]
