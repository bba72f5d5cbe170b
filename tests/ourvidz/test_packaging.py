"""The systemd units of the server start commands that there are."""

from __future__ import annotations

import configparser
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from tests.systemd import complaints, has_systemd

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "packaging").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_there_is(unit: Path) -> None:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign] # its keys are spelt in capitals
    parsed.read(unit)
    service = parsed["Service"]
    program, script, name, *words = shlex.split(service["ExecStart"].replace("%i", "8000"))
    assert program == f"{service['WorkingDirectory']}/.venv/bin/python"
    assert (ROOT / script).is_file()
    load_command_class(get_commands()[name], name).create_parser(script, name).parse_args(words)
    # Whatever its umask: the folder is for its account alone.
    assert (service["StateDirectory"], service["StateDirectoryMode"]) == ("ourvidz", "0700")


def test_the_handbook_names_every_unit() -> None:
    told = (ROOT / "docs" / "operations.md").read_text()
    assert [unit.name for unit in UNITS if unit.name not in told] == []


@has_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    assert complaints(unit, tmp_path, program="/opt/ourvidz/.venv/bin/python", instance="8000") == ""
