"""The package by itself, installed as its README says: in seconds, without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
NEEDS_TORCH = ["--server", "http://127.0.0.1:9", "--token", "ovw_x", "--model", "anything"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a new environment with nothing else in it."""
    place = tmp_path_factory.mktemp("venv")
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    subprocess.run([str(place / "bin" / "pip"), "install", "-q", str(REPO / "worker")], check=True)
    assert time.monotonic() - began < 120  # of which torch alone would take more
    return place / "bin"


def worker(programs: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(programs / "ourvidz-worker"), *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=programs, env=environment, timeout=60
    )


def test_it_brings_neither_torch_nor_the_server(installed: Path) -> None:
    listed = subprocess.run([str(installed / "pip"), "list"], capture_output=True, text=True, check=True)
    there = {line.split()[0].lower() for line in listed.stdout.splitlines()}
    assert "ourvidz-worker" in there
    assert not there & {"torch", "diffusers", "transformers", "django"}


def test_sketch_works_in_it(installed: Path) -> None:
    done = worker(installed, "bench", "--no-report", "--json", "--job-type", "image_fast")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["seconds"]["image_fast"] > 0


@pytest.mark.parametrize("engine", ["sdxl", "wan"])
def test_the_gpu_engines_say_what_to_install(installed: Path, engine: str) -> None:
    done = worker(installed, "run", "--engine", engine, *NEEDS_TORCH)
    assert done.returncode != 0
    (sentence,) = done.stderr.splitlines()
    assert sentence.endswith(
        f"the engine {engine} needs torch, diffusers, transformers, accelerate: pip install './worker[gpu]'"
    )
