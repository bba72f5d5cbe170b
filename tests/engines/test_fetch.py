"""`ourvidz-worker fetch` against a hub on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engines.hub_server import COMMIT, Repository, hub_server

NAME = "somebody/model"
BIG = 3 * 2**20


def weights(folder: Path, size: int = BIG) -> Path:
    """A pipeline's folder: what an engine reads, and what it does not."""
    for name, content in {
        "model_index.json": b"{}",
        "README.md": b"# words",
        "unet/config.json": b"{}",
        "unet/model.safetensors": bytes(range(256)) * (size // 256),
        "unet/model.fp16.safetensors": b"not read beside the wider one",
        "whole.safetensors": b"the same once more",
        "onnx/model.onnx": b"not read",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def process(cache: Path, hub: str, *words: str, **more: str) -> subprocess.Popen[str]:
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    surroundings |= {"HF_ENDPOINT": hub, "HF_HOME": str(cache), "XDG_STATE_HOME": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-m", "ourvidz_worker", "fetch", *words],
        env=surroundings | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fetched(cache: Path, hub: str, *words: str) -> tuple[int, str, str]:
    running = process(cache, hub, *words)
    out, log = running.communicate(timeout=120)
    return running.returncode, out, log


def files_in(cache: Path) -> set[str]:
    snapshot = cache / "hub" / f"models--{NAME.replace('/', '--')}" / "snapshots" / COMMIT
    return {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}


def test_it_fetches_what_engines_read_and_says_the_exact_revision(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with hub_server(Repository(NAME, weights(tmp_path / "model"))) as hub:
        status, out, log = fetched(cache, hub, NAME)
    assert status == 0, log
    assert out.startswith(f"{NAME}@{COMMIT}  3 files, ")
    assert files_in(cache) == {"model_index.json", "unet/config.json", "unet/model.safetensors"}


def test_a_revision_that_is_named_is_asked_for(tmp_path: Path) -> None:
    repository = Repository(NAME, weights(tmp_path / "model"))
    with hub_server(repository) as hub:
        status, _, log = fetched(tmp_path / "cache", hub, f"{NAME}/whole.safetensors@{COMMIT}")
    assert status == 0, log
    assert files_in(tmp_path / "cache") == {"whole.safetensors"}
    assert any(path.endswith(f"/resolve/{COMMIT}/whole.safetensors") for path, _ in repository.asked)
    assert not any("/resolve/main/" in path for path, _ in repository.asked)


def test_without_names_it_fetches_all_that_the_models_of_the_file_name(tmp_path: Path) -> None:
    (tmp_path / "here.safetensors").write_bytes(b"on this machine")
    (tmp_path / "worker.toml").write_text(
        f"""[[models]]
        name = "film"
        engine = "wan"
        weights = "{NAME}"
        offer = {{loras = ["whole"]}}
        loras = [{{file = "{NAME}/whole.safetensors@{COMMIT}"}}, {{file = "here.safetensors"}}]
        transformer = "{NAME}/unet/model.fp16.safetensors\""""
    )
    cache = tmp_path / "cache"
    with hub_server(Repository(NAME, weights(tmp_path / "model"))) as hub:
        status, out, log = fetched(cache, hub, "--config", str(tmp_path / "worker.toml"))
    assert status == 0, log
    assert len(out.splitlines()) == 3
    assert {"model_index.json", "whole.safetensors", "unet/model.fp16.safetensors"} <= files_in(cache)


def test_a_fetch_that_was_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Tens of GB are not fetched twice."""
    cache = tmp_path / "cache"
    repository = Repository(NAME, weights(tmp_path / "model"))
    with hub_server(repository, pause_s=0.2) as hub:
        running = process(cache, hub, NAME)
        partial = _eventually_partial(cache, running)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert "unet/model.safetensors" not in files_in(cache)
        repository.asked.clear()
        status, _, log = fetched(cache, hub, NAME)
    assert status == 0, log
    ranges = [found for path, found in repository.asked if path.endswith("unet/model.safetensors") and found]
    assert ranges, repository.asked
    assert int(ranges[-1].removeprefix("bytes=").partition("-")[0]) >= partial > 0
    snapshot = cache / "hub" / f"models--{NAME.replace('/', '--')}" / "snapshots" / COMMIT
    assert (snapshot / "unet/model.safetensors").read_bytes() == bytes(range(256)) * (BIG // 256)


def _eventually_partial(cache: Path, running: subprocess.Popen[str]) -> int:
    """How much of the large file has come."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        assert running.poll() is None
        for file in cache.rglob("*.part"):
            if (size := file.stat().st_size) >= 2**20:
                return size
        time.sleep(0.02)
    raise AssertionError("nothing came")


def test_what_is_not_what_the_hub_named_is_not_kept(tmp_path: Path) -> None:
    """What an earlier fetch left was damaged: the file is fetched once more, from its beginning."""
    cache = tmp_path / "cache"
    repository = Repository(NAME, weights(tmp_path / "model"))
    content = (tmp_path / "model/unet/model.safetensors").read_bytes()
    blobs = cache / "hub" / f"models--{NAME.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{hashlib.sha256(content).hexdigest()}.part").write_bytes(b"damaged" * 1000)
    with hub_server(repository) as hub:
        status, _, log = fetched(cache, hub, NAME)
    assert status == 0, log
    assert "is not the one that the hub names" in log
    asked = [found for path, found in repository.asked if path.endswith("unet/model.safetensors")]
    assert asked == ["bytes=7000-", ""]
    assert not list(blobs.glob("*.part"))


def test_it_shows_how_far_it_is(tmp_path: Path) -> None:
    with hub_server(Repository(NAME, weights(tmp_path / "model")), pause_s=0.3) as hub:
        status, _, log = fetched(tmp_path / "cache", hub, NAME)
    assert status == 0, log
    events = [json.loads(line) for line in log.splitlines() if line.startswith('{"at"')]
    names = [line["event"] for line in events]
    assert names[0] == "fetching"
    assert names[-1] == "fetched"
    assert "downloading" in names
    assert events[0]["location"] == f"{NAME}@{COMMIT}"


def test_without_names_it_fetches_what_the_options_name(tmp_path: Path) -> None:
    with hub_server(Repository(NAME, weights(tmp_path / "model"))) as hub:
        status, out, log = fetched(tmp_path / "cache", hub, "--engine", "sdxl", "--model", NAME)
        assert (status, out.startswith(f"{NAME}@")) == (0, True), log
        status, _, log = fetched(tmp_path / "cache", hub, "--engine", "sdxl", "--model", str(tmp_path))
    assert (status, "nothing to fetch" in log) == (2, True)


def test_without_names_it_fetches_what_the_models_name(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    entry = f'[[models]]\nname = "film-xl"\nengine = "sdxl"\nweights = "{NAME}"\n'
    file.write_text(entry + 'job_types = ["sdxl_image_fast"]\n', encoding="utf-8")
    with hub_server(Repository(NAME, weights(tmp_path / "model"))) as hub:
        status, out, log = fetched(tmp_path / "cache", hub, "--config", str(file))
    assert (status, out.startswith(f"{NAME}@")) == (0, True), log


@pytest.mark.parametrize(
    ("name", "status", "sentence"),
    [
        ("somebody/else", 2, "the hub has no somebody/else"),
        (f"{NAME}/onnx", 2, "name one of its files"),
        ("model", 2, "is no name on the hub"),
        ("../../etc/passwd", 2, "is no name on the hub"),
        (f"{NAME}/../x.safetensors", 2, "is no name on the hub"),
    ],
)
def test_what_cannot_be_fetched_is_one_sentence(
    tmp_path: Path, name: str, status: int, sentence: str
) -> None:
    with hub_server(Repository(NAME, weights(tmp_path / "model"))) as hub:
        found, _, log = fetched(tmp_path / "cache", hub, name)
    assert (found, sentence in log.splitlines()[-1]) == (status, True), log


def test_a_gated_model_names_the_variable(tmp_path: Path) -> None:
    repository = Repository(NAME, weights(tmp_path / "model"), info={"gated": "auto"})
    with hub_server(repository) as hub:
        status, _, log = fetched(tmp_path / "cache", hub, NAME)
    assert (status, "set HF_TOKEN" in log) == (2, True)


def test_a_hub_that_is_away_is_worth_another_try(tmp_path: Path) -> None:
    status, _, log = fetched(tmp_path / "cache", "http://127.0.0.1:9", NAME)
    assert (status, "cannot be had from the hub" in log) == (1, True)
