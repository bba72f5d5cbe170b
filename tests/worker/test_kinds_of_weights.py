"""docs/models.md: each cell of its tables names a test that is there, or says that nothing ran."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
TEST = re.compile(r"`(test_\w+\.py)(?:::(test_\w+))?`")


def rows() -> list[list[str]]:
    """The cells of each row of a table with a column for its tests."""
    found, is_table = [], False
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("|") else []
        is_table = bool(cells) and (is_table or "tested by" in cells)
        if is_table and "tested by" not in cells and not line.startswith("| ---"):
            found.append(cells)
    return found


def test_there_are_rows() -> None:
    assert len(rows()) > 25


@pytest.mark.parametrize(("file", "name"), sorted(set(TEST.findall(TEXT))))
def test_every_test_that_is_named_is_there(file: str, name: str) -> None:
    source = (ROOT / "tests" / "engines" / file).read_text(encoding="utf-8")
    assert not name or f"def {name}(" in source


def test_nothing_is_claimed_without_a_test() -> None:
    for cells in rows():
        kind, served, _, tested = cells[:4]
        assert served in ("yes", "no", "as far as diffusers reads them", "as diffusers reads it"), kind
        assert TEST.search(tested) or "not run" in tested or served == "no", kind
        if served == "yes":
            assert TEST.search(tested), kind


def test_every_scheduler_is_named() -> None:
    """Their names are read from the source: importing it would import torch."""
    folder = ROOT / "worker" / "ourvidz_worker" / "engines" / "diffusion"
    source = (folder / "schedulers.py").read_text(encoding="utf-8")
    names = re.findall(r'^    "(\w+)": \(', source, re.MULTILINE)
    assert len(names) > 15
    assert not [name for name in names if f"`{name}`" not in TEXT]
