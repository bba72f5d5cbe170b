"""Options are taken by their whole names: an abbreviation means another option as soon as there are two."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "generation", "library", "ourvidz", "workspace")
COMMANDS = sorted((app, name) for name, app in get_commands().items() if app in APPS)


def parsers_made() -> Iterator[tuple[str, ast.Call]]:
    """Each call of `argparse.ArgumentParser`, with its place."""
    for folder in ("bench", "script", "tests", "worker"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ArgumentParser"):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


@pytest.mark.parametrize(("app", "name"), COMMANDS)
def test_a_management_command_takes_no_abbreviation(app: str, name: str) -> None:
    assert not load_command_class(app, name).create_parser("manage.py", name).allow_abbrev


def test_no_other_program_takes_an_abbreviation() -> None:
    calls = dict(parsers_made())
    assert len(calls) >= 5
    strict = {place for place, call in calls.items() if "allow_abbrev=False" in ast.unparse(call)}
    assert strict == set(calls)
