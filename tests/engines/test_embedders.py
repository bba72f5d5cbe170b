"""Embedders with weights: CLIP and SigLIP of the real classes, tiny and of chance, on the CPU."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from ourvidz_worker.cli import main
from ourvidz_worker.embeddings import load_embedder
from ourvidz_worker.embeddings.base import Embedder
from ourvidz_worker.embeddings.settings import EmbedderSettings
from ourvidz_worker.errors import EngineUnusable
from tests.engines.hub_server import Repository, hub_server
from tests.engines.test_fetch import fetched
from tests.engines.tiny_dual import DIMENSIONS, LONGEST, save_duals
from tests.worker.embedding import embedding, lease, outcomes, picture
from tests.worker.protocol_server import TOKEN, ProtocolServer, protocol_server
from tests.worker.test_runner import wait_for

FAMILIES = ("clip", "siglip")
TEXTS = ["a lighthouse at dusk", "golden waves", "", "mist"]


@pytest.fixture(scope="module")
def duals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("duals")
    save_duals(folder)
    return folder


@pytest.fixture
def server() -> Iterator[ProtocolServer]:
    with protocol_server() as running:
        yield running


@pytest.fixture(params=FAMILIES)
def folder(duals: Path, request: pytest.FixtureRequest) -> Path:
    return duals / request.param


def loaded(model: Path | str, **settings: Any) -> Embedder:
    return load_embedder(EmbedderSettings(str(model), device="cpu", **settings))


def images(count: int = 5) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(40 + 9 * n, 60, 3) for n in range(count)]
    return [Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)) for size in sizes]


def test_images_and_texts_are_vectors_of_one_space(folder: Path) -> None:
    embedder = loaded(folder)
    of_images, of_texts = embedder.embed_images(images()), embedder.embed_texts(TEXTS)
    assert embedder.dimensions == DIMENSIONS
    assert (of_images.shape, of_texts.shape) == ((5, DIMENSIONS), (4, DIMENSIONS))
    assert of_images.dtype == of_texts.dtype == np.float32
    assert np.isfinite(of_images).all()
    assert len(np.unique(of_texts.round(3), axis=0)) == len(TEXTS)
    assert len(np.unique(of_images.round(3), axis=0)) == 5


def test_the_same_input_gives_the_same_vector(folder: Path) -> None:
    embedder, again = loaded(folder), loaded(folder)
    assert np.array_equal(embedder.embed_images(images()), again.embed_images(images()))
    assert np.array_equal(embedder.embed_texts(TEXTS), again.embed_texts(TEXTS))


def test_a_batch_gives_what_each_gives_alone(folder: Path) -> None:
    embedder = loaded(folder)
    alone = np.concatenate([embedder.embed_images([each]) for each in images()])
    assert np.abs(embedder.embed_images(images()) - alone).max() < 1e-4
    alone = np.concatenate([embedder.embed_texts([each]) for each in TEXTS])
    assert np.abs(embedder.embed_texts(TEXTS) - alone).max() < 1e-4


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_is_close_and_has_the_same_name(folder: Path, precision: str) -> None:
    exact, half = loaded(folder), loaded(folder, precision=precision)
    assert half.name == exact.name
    assert precision in half.device
    for one, other in (
        (exact.embed_images(images()), half.embed_images(images())),
        (exact.embed_texts(TEXTS), half.embed_texts(TEXTS)),
    ):
        cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
        assert cosine.min() > 0.99


def test_a_text_is_read_to_the_models_length(duals: Path) -> None:
    embedder = loaded(duals / "siglip")
    longest = " ".join(["waves"] * LONGEST)
    assert np.array_equal(embedder.embed_texts([f"{longest} mist"]), embedder.embed_texts([longest]))
    assert np.isfinite(loaded(duals / "clip").embed_texts(["waves " * 5000])).all()


def test_siglip_reads_lower_case(duals: Path) -> None:
    """Its weights were trained on it; a tokenizer of SigLIP 2 does not see to that."""
    embedder = loaded(duals / "siglip")
    assert np.array_equal(embedder.embed_texts(["Golden WAVES"]), embedder.embed_texts(["golden waves"]))


def test_the_name_is_that_of_the_weights_wherever_they_lie(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / folder.name
    shutil.copytree(folder, copy)
    (copy / "open_clip_model.safetensors").write_bytes((copy / "model.safetensors").read_bytes())
    name = loaded(folder).name
    assert loaded(copy).name == loaded(f"{copy}/").name == name
    assert name.startswith(f"{folder.name}-")
    weights = load_file(folder / "model.safetensors")
    first = min(weights)
    save_file({**weights, first: weights[first] + 1}, copy / "model.safetensors", {"format": "pt"})
    assert loaded(copy).name != name


def test_a_name_is_one_that_servers_take(duals: Path, tmp_path: Path) -> None:
    copy = tmp_path / ("Mein Modell, groß " * 6)
    shutil.copytree(duals / "clip", copy)
    name = loaded(copy).name
    assert len(name) <= 80
    assert name.isascii()
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


def test_each_family_has_thresholds_of_its_own(duals: Path) -> None:
    clip, siglip = loaded(duals / "clip").thresholds, loaded(duals / "siglip").thresholds
    assert clip == {"image": (0.75, 0.93), "text": (0.21, 0.29)}
    assert siglip == {"image": (0.7, 0.92), "text": (0.05, 0.14)}


def changed(folder: Path, tmp_path: Path, **entries: Any) -> Path:
    """A copy whose config.json says something else."""
    copy = tmp_path / "changed"
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | entries))
    return copy


def lacking(folder: Path, tmp_path: Path, name: str) -> Path:
    copy = tmp_path / "lacking"
    shutil.copytree(folder, copy)
    (copy / name).unlink()
    return copy


def cut_off(folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "cut"
    shutil.copytree(folder, copy)
    content = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(content[:-100])
    return copy


def without_text(folder: Path, tmp_path: Path) -> Path:
    """Weights of the image encoder alone, which would be given a text encoder of chance."""
    copy = tmp_path / "half"
    shutil.copytree(folder, copy)
    weights = load_file(copy / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("text_model")}
    save_file(kept, copy / "model.safetensors", {"format": "pt"})
    return copy


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder, tmp: changed(folder, tmp, model_type="blip"), "a model of type blip; an embedder is"),
        (lambda folder, tmp: changed(folder, tmp, model_type=""), "holds no model; an embedder is"),
        (lambda folder, tmp: lacking(folder, tmp, "config.json"), "it has no config.json"),
        (lambda folder, tmp: lacking(folder, tmp, "model.safetensors"), "has no .safetensors files"),
        (lambda folder, tmp: lacking(folder, tmp, "preprocessor_config.json"), "cannot be used"),
        (cut_off, "is incomplete"),
        (without_text, "tensors are missing, text_model."),
        (lambda folder, tmp: "/nowhere", "no weights at '/nowhere'"),
        (lambda folder, tmp: "somebody/model", "allow the hub with --allow-download"),
        (lambda folder, tmp: folder / "config.json", "no folder in transformers' format"),
    ],
)
def test_what_is_no_embedder_is_named(duals: Path, tmp_path: Path, make: Any, sentence: str) -> None:
    with pytest.raises(EngineUnusable) as refused:
        loaded(make(duals / "clip", tmp_path))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_code_that_comes_with_weights_is_not_run(duals: Path, tmp_path: Path) -> None:
    copy = changed(duals / "clip", tmp_path, auto_map={"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"})
    (copy / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    loaded(copy)
    assert not (tmp_path / "ran").exists()


def test_a_device_that_is_not_there_is_named(duals: Path) -> None:
    with pytest.raises(EngineUnusable, match="--device mps: torch"):
        load_embedder(EmbedderSettings(str(duals / "clip"), device="mps"))


def test_it_asks_no_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("it wants to go out")

    monkeypatch.setattr(socket.socket, "connect", connect)
    loaded(folder).embed_texts(TEXTS)


def test_it_embeds_what_a_server_leases(duals: Path, server: ProtocolServer) -> None:
    embedder = loaded(duals / "clip")
    lease(server, t1="a lighthouse")
    lease(server, {"a1": picture(), "a2": b"no image"})
    with embedding(server, embedder):
        wait_for(lambda: len(outcomes(server)) == 3)
    found = outcomes(server)
    assert found["t1"].shape == found["a1"].shape == (DIMENSIONS,)
    assert "cannot be read" in found["a2"]


def test_numbers_that_are_none_are_errors(duals: Path, tmp_path: Path, server: ProtocolServer) -> None:
    """Pitfall 46: as half precision gives where it overflows."""
    copy = tmp_path / "broken"
    shutil.copytree(duals / "clip", copy)
    weights = load_file(copy / "model.safetensors")
    name = "text_projection.weight"
    save_file({**weights, name: weights[name] * np.inf}, copy / "model.safetensors", {"format": "pt"})
    lease(server, None, **{f"t{n}": "waves" for n in range(8)})
    errors: list[Exception] = []
    with embedding(server, loaded(copy), errors=errors):
        pass
    assert list(outcomes(server)) == ["t0", "t1", "t2"]
    assert "--precision float32 may help" in outcomes(server)["t0"]
    assert "failed 3 items in a row" in str(errors[0])


def embedded(server: ProtocolServer, cache: Path, hub: str, *flags: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the log of the command, ended by the server that has no embeddings any more."""
    server.script("POST /embeddings/lease", 404, {"code": "no_embeddings_here"})
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    surroundings |= {"HF_ENDPOINT": hub, "HF_HOME": str(cache), "OURVIDZ_WORKER_TOKEN": TOKEN}
    done = subprocess.run(
        [sys.executable, "-m", "ourvidz_worker", "embed", "--server", server.url, *flags],
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]


def test_weights_come_from_the_hub_only_if_allowed(
    duals: Path, tmp_path: Path, server: ProtocolServer
) -> None:
    """Their name is the folder's; what was fetched once is there without the hub, allowed or not."""
    cache, flags = tmp_path / "cache", ("--embedder", "somebody/clip", "--device", "cpu")
    repository = Repository("somebody/clip", duals / "clip")
    with hub_server(repository) as hub:
        assert embedded(server, cache, hub, *flags)[1] == []
        assert not repository.asked
        _, events = embedded(server, cache, hub, *flags, "--allow-download")
    ready = next(each for each in events if each["event"] == "ready")
    assert ready["embedder"] == loaded(duals / "clip").name
    for more in ((), ("--allow-download",)):
        _, events = embedded(server, cache, "http://127.0.0.1:9", *flags, *more)
        assert events[0]["event"] == "ready", events


def test_fetch_brings_an_embedder(duals: Path, tmp_path: Path) -> None:
    with hub_server(Repository("somebody/clip", duals / "clip")) as hub:
        status, out, log = fetched(tmp_path / "cache", hub, "--embedder", "somebody/clip")
    assert status == 0, log
    assert out.startswith("somebody/clip@")


def test_check_says_what_the_weights_are(
    folder: Path, tmp_path: Path, server: ProtocolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["check", "--server", server.url, "--token", TOKEN, "--spool", str(tmp_path), "--device", "cpu"]
    assert main([*flags, "--embedder", str(folder)]) == 0
    lines = capsys.readouterr().out
    assert f"ok       embedder: weights: {folder}, 0.0 GiB" in lines
    assert "ok       embedder: device: CPU" in lines
    assert main([*flags, "--embedder", str(folder / "nothing")]) == 1
    assert "FAIL     embedder: weights: no folder" in capsys.readouterr().out
