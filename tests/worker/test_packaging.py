"""What is packed with the worker: the container's recipe and the systemd units name what there is."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ourvidz_worker.cli import _parser
from ourvidz_worker.options import OPTIONS
from tests.systemd import complaints, has_systemd

WORKER = Path(__file__).resolve().parents[2] / "worker"
RECIPE = WORKER / "Dockerfile"
UNITS = sorted((WORKER / "packaging").glob("*.service"))
PYPROJECT = tomllib.loads((WORKER / "pyproject.toml").read_text())
VARIABLES = {option.variable for option in OPTIONS} | {"OURVIDZ_WORKER_CONFIG"}


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its words, lines that go on joined."""
    text = re.sub(r"^\s*#.*\n", "", RECIPE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines if line.strip()]


def of(name: str) -> list[str]:
    return [words for each, words in instructions() if each == name]


def test_every_file_that_it_copies_exists() -> None:
    copied = [source for words in of("COPY") for source in words.split()[:-1]]
    assert copied
    assert [source for source in copied if not (WORKER / source).exists()] == []


def test_what_it_copies_can_be_built(tmp_path: Path) -> None:
    """The same `pip` step, on a folder with nothing but those files; the libraries are not fetched."""
    folder = tmp_path / "src"
    for words in of("COPY"):
        *sources, target = words.split()
        for source in sources:
            goal = tmp_path / target.lstrip("/")
            if (WORKER / source).is_dir():
                shutil.copytree(WORKER / source, goal, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                goal.mkdir(parents=True, exist_ok=True)
                shutil.copy(WORKER / source, goal)
    command = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")]
    subprocess.run(command, check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", str(folder)]
    subprocess.run(install, check=True)
    share = tmp_path / "venv" / "share" / "ourvidz-worker"
    assert sorted(path.name for path in share.iterdir()) == [unit.name for unit in UNITS]
    assert (tmp_path / "venv" / "bin" / "ourvidz-worker").exists()


def test_its_extras_and_its_command_exist() -> None:
    (extras,) = [words.partition("=")[2] for words in of("ARG") if words.startswith("EXTRAS=")]
    assert set(extras.split(",")) <= PYPROJECT["project"]["optional-dependencies"].keys()
    assert of("ENTRYPOINT") == ['["ourvidz-worker"]']
    assert "ourvidz-worker" in PYPROJECT["project"]["scripts"]
    (command,) = of("CMD")
    assert command == '["run"]'
    _parser().parse_args(["run"])


def test_every_variable_that_is_named_is_an_option() -> None:
    for text in (RECIPE.read_text(), *(unit.read_text() for unit in UNITS)):
        assert set(re.findall(r"OURVIDZ_\w+", text)) <= VARIABLES


def test_it_runs_as_nobody_special_and_keeps_things_on_volumes() -> None:
    assert of("USER") == ["10001"]
    (volumes,) = of("VOLUME")
    kept = re.findall(r'"([^"]+)"', volumes)
    (environment,) = [words for words in of("ENV") if "HF_HOME" in words]
    named = dict(word.split("=", 1) for word in shlex.split(environment))
    assert named["HF_HOME"].startswith("/models")
    assert named["XDG_STATE_HOME"] in kept


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_there_is(unit: Path) -> None:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign] # its keys are spelt in capitals
    parsed.read(unit)
    program, *words = shlex.split(parsed["Service"]["ExecStart"])
    assert program == "/opt/ourvidz-worker/bin/ourvidz-worker"
    _parser().parse_args(words)
    assert parsed["Service"]["RestartPreventExitStatus"] == "2"
    assert parsed["Service"]["DynamicUser"] == "yes"
    protections = ("NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp")
    assert [parsed["Service"][name] for name in protections] == ["yes", "strict", "read-only", "yes"]
    # One cache for all of them: they run as the same user, whom systemd names after the unit if it says none.
    assert parsed["Service"].get("User", unit.stem) == "ourvidz-worker"
    assert parsed["Service"]["Environment"] == f"HF_HOME=%C/{parsed['Service']['CacheDirectory']}"
    if "@" in unit.name:
        assert "%i" in parsed["Service"]["ExecStart"]
        assert "%i" in parsed["Service"]["StateDirectory"]


def test_every_command_that_goes_on_has_a_unit_and_the_readme_names_each() -> None:
    started = {re.search(r"^ExecStart=\S+ (\w+)", unit.read_text(), re.MULTILINE)[1] for unit in UNITS}
    assert started == {"run", "embed"}
    told = (WORKER / "README.md").read_text()
    assert [unit.name for unit in UNITS if f"`{unit.name}`" not in told] == []


@has_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    assert complaints(unit, tmp_path, program="/opt/ourvidz-worker/bin/ourvidz-worker", instance="0") == ""
