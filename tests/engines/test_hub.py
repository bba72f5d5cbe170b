"""Weights by their name on the hub: what is told of them, and what is shown while they come."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engines.hub_server import Repository, hub_server
from tests.engines.test_check import save_weight_files

NAME = "somebody/model"


def run(cache: Path, hub: str, *command: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: the libraries read their settings when they are imported."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    more = {"HF_ENDPOINT": hub, "HF_HOME": str(cache), "XDG_STATE_HOME": str(cache)}
    return subprocess.run(
        [sys.executable, *command],
        env=surroundings | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def checked(cache: Path, hub: str, *flags: str) -> dict[str, str]:
    """The lines of a check, by what they are about."""
    words = ("-m", "ourvidz_worker", "check", "--server", "http://127.0.0.1:9", "--token", "t")
    lines = run(cache, hub, *words, "--allow-download", "--device", "cpu", *flags).stdout.splitlines()
    return {line[9:].partition(":")[0]: line for line in lines}


def test_weights_on_the_hub_that_can_never_fit_are_found(tmp_path: Path) -> None:
    """The name passed, and the worker fetched 126 GB to find out."""
    folder = save_weight_files(tmp_path / "model", transformer=1, transformer_2=1, vae=1)
    huge = dict.fromkeys(("transformer/model.safetensors", "transformer_2/model.safetensors"), 57 * 2**40)
    with hub_server(Repository(NAME, folder, huge, {"tags": ["diffusers:WanPipeline"]})) as hub:
        lines = checked(tmp_path / "cache", hub, "--engine", "wan", "--model", NAME)
    assert lines["model"].startswith("ok ")
    assert "116736.0 GiB from the hub when the worker starts" in lines["model"]
    assert lines["memory"].startswith("FAIL ")
    assert "the weights alone take 116736.0 GiB there" in lines["memory"]
    assert not list((tmp_path / "cache").rglob("*.safetensors")), "nothing of it was fetched"


@pytest.mark.parametrize(
    ("named", "info", "sentence"),
    [
        (
            NAME,
            {"tags": ["diffusers:WanPipeline"]},
            "holds a WanPipeline, which the engine sdxl does not",
        ),
        (NAME, {"gated": "auto"}, "set HF_TOKEN"),
        ("somebody/else", {}, "cannot be had from the hub"),
    ],
)
def test_weights_on_the_hub_that_cannot_be_used_are_refused(
    tmp_path: Path, named: str, info: dict[str, Any], sentence: str
) -> None:
    folder = save_weight_files(tmp_path / "model", unet=1)
    with hub_server(Repository(NAME, folder, info=info)) as hub:
        line = checked(tmp_path / "cache", hub, "--engine", "sdxl", "--model", named)["model"]
    assert line.startswith("FAIL ")
    assert sentence in line


WEIGHT_BYTES = """
import sys
from ourvidz_worker.engines.model_memory import weight_bytes
from ourvidz_worker.engines.settings import EngineSettings
print([weight_bytes(EngineSettings(engine="sdxl", model=name)) for name in sys.argv[1:]])
"""


def test_what_was_fetched_may_fit_beside_another_model(tmp_path: Path) -> None:
    folder = save_weight_files(tmp_path / "model", unet=3, vae=1)
    file, cache = f"{NAME}/unet/model.safetensors", tmp_path / "cache"
    with hub_server(Repository(NAME, folder)) as hub:
        assert run(cache, hub, "-c", WEIGHT_BYTES, NAME).stdout.strip() == "[None]"
        assert run(cache, hub, "-m", "ourvidz_worker", "fetch", NAME).returncode == 0
    sizes = json.loads(run(cache, hub, "-c", WEIGHT_BYTES, NAME, file, str(folder)).stdout)
    assert sizes[0] == sizes[2] > sizes[1] > 0


LOAD = """
import ourvidz_worker.downloads as downloads
downloads.POLL_S, downloads.LOG_EVERY_S = 0.05, 0.1
from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.settings import EngineSettings
for _ in range(2):
    create_engine(EngineSettings(engine="sdxl", model="somebody/model", allow_download=True)).load()
"""


def test_a_download_shows_how_far_it_is(models: Path, tmp_path: Path) -> None:
    """Tens of GB came in silence. Off a terminal it is a few lines; what is there already says nothing."""
    with hub_server(Repository(NAME, models / "sdxl"), pause_s=0.3) as hub:
        done = run(tmp_path / "cache", hub, "-c", LOAD)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith('{"at"')]
    shown = [line for line in lines if line["event"] == "downloading"]
    (last,) = [line for line in lines if line["event"] == "downloaded"]
    assert 2 <= len(shown) <= 22
    percents = [line["percent"] for line in shown]
    assert percents == sorted(percents)
    assert percents[-1] > percents[0]
    assert {line["location"] for line in (*shown, last)} == {NAME}
    assert all(line["total_gib"] == shown[0]["total_gib"] for line in shown)
    assert last["gib"] >= shown[-1]["gib"]


LOAD_HALF = """
from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.settings import EngineSettings
for is_allowed in (True, False):
    settings = EngineSettings(engine="sdxl", model="somebody/model@main", allow_download=is_allowed)
    engine = create_engine(settings)
    engine.load()
    print(sum(each.numel() for each in engine._text.unet.parameters()), engine.pools[0])
"""


def test_a_repository_with_nothing_but_half_precision_is_loaded(models: Path, tmp_path: Path) -> None:
    """Its files are named as a variant, which nobody has to know; then it comes from the cache."""
    copy = shutil.copytree(models / "sdxl", tmp_path / "model")
    for file in copy.glob("*/*.safetensors"):
        file.rename(file.with_name(f"{file.stem}.fp16.safetensors"))
    with hub_server(Repository(NAME, copy)) as hub:
        done = run(tmp_path / "cache", hub, "-c", LOAD_HALF)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == second
    assert first.endswith("sdxl_image_fast")


@pytest.mark.parametrize(
    ("named", "start", "sentence"),
    [
        (f"{NAME}/film-xl.safetensors@main", "ok ", "0.0 GiB from the hub when the worker starts"),
        (f"{NAME}/other.safetensors", "FAIL ", "the hub has no file somebody/model/other.safetensors"),
    ],
)
def test_a_single_file_on_the_hub_is_looked_for(
    tmp_path: Path, named: str, start: str, sentence: str
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "film-xl.safetensors").write_bytes(b"0" * 1000)
    with hub_server(Repository(NAME, tmp_path / "model")) as hub:
        line = checked(tmp_path / "cache", hub, "--engine", "sdxl", "--model", named)["model"]
    assert line.startswith(start)
    assert sentence in line
