"""Several models in one process, on real pipelines: parts that are shared, weights that make room."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.base import Result
from ourvidz_worker.engines.diffusion import weights
from ourvidz_worker.engines.model_memory import weight_bytes
from ourvidz_worker.engines.model_switch import ModelSwitch
from ourvidz_worker.engines.models import ModelSettings, NumberOffer
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.protocol import Job
from tests.engines.jobs import Make, drawing, film, job, result

GIB = 2**30


@pytest.fixture(scope="module")
def twin(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that start from a frame, with the text encoder and the VAE of the others, as Wan's have."""
    folder = tmp_path_factory.mktemp("twin") / "start"
    shutil.copytree(models / "wan-start", folder)
    for part in ("text_encoder", "vae"):
        shutil.rmtree(folder / part)
        shutil.copytree(models / "wan" / part, folder / part)
    return folder


def wan_pair(models: Path, start: Path) -> Make:
    return Make(engine="wan", model=str(models / "wan"), image_model=str(start))


def test_parts_of_the_same_files_are_loaded_once(
    models: Path, twin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wan's text encoder takes 10.6 GiB, and each of the two pipelines comes with one."""
    engine: Any = wan_pair(models, twin).engine
    text, image = engine._text, engine._image
    assert text.text_encoder is image.text_encoder
    assert text.vae is image.vae
    assert text.transformer is not image.transformer
    assert "parts_shared" in capsys.readouterr().err


def test_parts_of_other_files_are_not(models: Path) -> None:
    engine: Any = wan_pair(models, models / "wan-start").engine
    assert engine._text.text_encoder is not engine._image.text_encoder
    assert engine._text.vae is not engine._image.vae


def test_shared_parts_give_the_same_films(models: Path, twin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [film(), film(drawing("start_frame")), film()]
    shared = wan_pair(models, twin)
    made = [shared.results(each)[0].media for each in wanted]
    monkeypatch.setattr(weights, "shared_parts", lambda location, beside: {})
    apart = wan_pair(models, twin)
    assert apart.engine._text.vae is not apart.engine._image.vae
    assert [apart.results(each)[0].media for each in wanted] == made


def two_models(models: Path) -> ModelSwitch:
    steps = NumberOffer(lowest=1, highest=4, default=3, is_whole=True)
    return ModelSwitch(
        EngineSettings(),
        (
            ModelSettings(
                name="still",
                engine="sdxl",
                weights=str(models / "sdxl"),
                offer={"steps": steps},
                is_default=True,
            ),
            ModelSettings(name="film", engine="wan", weights=str(models / "wan"), fixed={"steps": 2}),
        ),
    )


def made_by(switch: ModelSwitch, wanted: Job) -> tuple[Result, list[str]]:
    """The first result, and the stages."""
    stages: list[str] = []
    finished = list(switch.generate(wanted, lambda share, stage: stages.append(stage), lambda: False))
    return result(finished[0]), stages


@pytest.mark.parametrize(("free", "loads"), [(1 * GIB, True), (64 * GIB, False)])
def test_what_does_not_fit_is_unloaded_first(
    models: Path, monkeypatch: pytest.MonkeyPatch, free: int, loads: bool
) -> None:
    monkeypatch.setattr("ourvidz_worker.engines.model_memory.free_main_memory", lambda: free)
    switch = two_models(models)
    switch.load()
    assert bool(switch.warm) is loads
    assert switch.serves == ("sdxl", "wan")
    assert "video_fast@film" in switch.pools
    assert "sdxl_image_fast" in switch.pools

    still = job(model="still", job_type="sdxl_image_fast", steps=2)
    first, stages = made_by(switch, still)
    assert "loading" not in stages
    moving = film(model="film", job_type="video_fast", steps=4)
    made, stages = made_by(switch, moving)
    assert ("loading" in stages) is loads
    assert (made.metadata["model"], made.metadata["steps"]) == ("film", 2), "the operator's steps"
    again, stages = made_by(switch, still)
    assert ("loading" in stages) is loads
    assert again.media == first.media, "the same pixels after it was loaded again"
    assert first.metadata["steps"] == 2
    assert made_by(switch, job(job_type="sdxl_image_fast", steps=2))[0].metadata["steps"] == 3
    assert switch.job_metadata(moving)["model_digest"] == switch.bodies()[1]["digest"]


def test_the_memory_of_a_model_is_known_by_its_files(models: Path) -> None:
    settings = EngineSettings(engine="wan", model=str(models / "wan"), precision="bfloat16")
    stored = sum(file.stat().st_size for file in (models / "wan").glob("*/*.safetensors"))
    assert 0.3 < (weight_bytes(settings) or 0) / stored < 0.6, "numbers of four bytes, loaded with two"


def test_an_engine_without_a_model_is_the_workers_own(models: Path) -> None:
    engine: Any = create_engine(EngineSettings(engine="sdxl", model=str(models / "sdxl")))
    assert (engine.model.name, engine.model.is_default) == ("", True)
    assert engine.model.weights == str(models / "sdxl")
