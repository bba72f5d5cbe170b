"""The systemd units of the server start commands that there are."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

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


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name.replace("@", "@8000")
    copy.write_text(unit.read_text().replace("/opt/ourvidz/.venv/bin/python", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
