"""What must never happen is proven by a test that says so."""

from __future__ import annotations

import pytest

from tests.pitfalls import PITFALLS, by_pitfall, numbers_in


def test_every_pitfall_is_named_by_a_test() -> None:
    named = by_pitfall()
    assert [f"{number} {title}" for number, title in PITFALLS.items() if number not in named] == []


def test_tests_name_only_pitfalls_that_there_are() -> None:
    assert set(by_pitfall()) <= set(PITFALLS)


@pytest.mark.parametrize(
    ("docstring", "numbers"),
    [
        ("pitfall 4", {4}),
        ("pitfall 14, pitfall 15: also after the job has ended.", {14, 15}),
        ("Pitfalls 1, 23 and 30: as a newcomer sees it.", {1, 23, 30}),
        ("Pitfalls 14 and 15. In 3 rounds.", {14, 15}),
        ("At 16 workers.", set()),
    ],
)
def test_a_docstring_names_them(docstring: str, numbers: set[int]) -> None:
    assert numbers_in(docstring) == numbers
