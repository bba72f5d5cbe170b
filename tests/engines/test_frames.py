"""Films from a frame and between two, by each kind of weights for them; each offers what it can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from generation.catalog.job_types import POOLS
from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from tests.engines.jobs import Make, decoded, drawing, film

START, BETWEEN = "+start_frame", "+end_frame+start_frame"
PLAIN = {"image_fast", "image_high", "video_fast", "video_high"}
KINDS = {
    "wan-2.1-start": ("wan", {START}),
    "wan-2.1-between": ("wan", {BETWEEN}),
    "wan-2.2-start": ("wan", {START, BETWEEN}),
    "wan-start": ("wan", {START, BETWEEN}),
    "wan-both": ("wan", {START}),
    "": ("wan-both", {START}),
}


def test_a_film_starts_from_its_start_frame(wan: Make) -> None:
    plain, dark, light = (
        wan.results(film(*references))[0].media
        for references in ((), (drawing("start_frame"),), (drawing("start_frame", shade=255),))
    )
    frames, _ = decoded(dark)
    assert len(frames) == 9
    assert len({plain, dark, light}) == 3


def test_a_film_runs_between_its_first_and_its_last_frame(wan: Make) -> None:
    """Random weights hardly look at the last frame, so this looks at what they are shown."""
    start = drawing("start_frame")
    shown = []
    hook = wan.engine._image.transformer.register_forward_pre_hook(
        lambda _, positional, named: shown.append(named["hidden_states"][0, 16:].clone()), with_kwargs=True
    )
    try:
        made = wan.results(film(start, drawing("end_frame"), steps=1))[0]
        wan.results(film(start, steps=1))
    finally:
        hook.remove()
    both, alone = shown[0], shown[-1]
    assert len(decoded(made.media)[0]) == 9
    known = both[:4].amax(dim=(2, 3))  # the mask: which of the four frames of a moment are given
    assert known.tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 1]]
    assert both[4:, 0].equal(alone[4:, 0])
    assert not both[4:, 2].equal(alone[4:, 2])


@pytest.mark.parametrize("image_model", KINDS)
def test_each_kind_of_weights_does_what_it_offers(models: Path, image_model: str) -> None:
    """Wan 2.1 from one frame or between two, 2.2 A14B both, 5B from one: beside another model and alone."""
    model, able = KINDS[image_model]
    settings: dict[str, Any] = {"image_model": str(models / image_model)} if image_model else {}
    make = Make(engine="wan", model=str(models / model), **settings)
    films = {pool.removeprefix("video_fast") for pool in make.engine.pools if pool.startswith("video_fast")}
    assert films == {"", *able}
    ends = {START: (), BETWEEN: (drawing("end_frame", shade=100),)}
    for frames in able:
        one, other = (
            make.results(film(drawing("start_frame", shade=shade), *ends[frames], height=64))[0].media
            for shade in (0, 255)
        )
        assert [len(decoded(each)[0]) for each in (one, other)] == [9, 9]
        assert one != other
    assert len(decoded(make.results(film(height=64))[0].media)[0]) == 9


def test_a_transformer_for_little_noise_alone_will_do() -> None:
    from diffusers import WanImageToVideoPipeline

    from ourvidz_worker.engines.diffusion.wan_kinds import START_AND_END, supported_frames
    from tests.engines.tiny_wan import wan

    pipeline = wan(kind=WanImageToVideoPipeline, channels=36, boundary_ratio=0.9)
    pipeline.register_modules(transformer_2=pipeline.transformer, transformer=None)
    assert supported_frames(pipeline) == (("start_frame",), START_AND_END)


def test_without_weights_for_frames_none_are_offered(wan: Make, models: Path) -> None:
    assert "video7b_high_enhanced+end_frame+start_frame" in wan.engine.pools
    assert set(wan.engine.pools) <= set(POOLS), "as the server spells them"
    assert set(Make(engine="wan", model=str(models / "wan")).engine.pools) == PLAIN


def test_weights_that_see_no_frame_are_refused(models: Path) -> None:
    where = str(models / "wan")
    with pytest.raises(EngineUnusable, match="start from no frame"):
        create_engine(EngineSettings(engine="wan", model=where, image_model=where)).load()


@pytest.mark.parametrize(("model", "image_model"), [("wan-both", "wan-start"), ("wan", "wan-both")])
def test_previews_use_the_vae_that_made_the_latents(models: Path, model: str, image_model: str) -> None:
    """5B's has 48 channels, the others' 16."""
    make = Make(engine="wan", model=str(models / model), image_model=str(models / image_model))
    for references in ((), (drawing("start_frame"),)):
        make.results(film(*references, height=64))
        assert len(make.shown) == 2


def test_weights_that_only_start_from_frames_are_no_model_for_text(models: Path) -> None:
    """They were offered every job, and failed each."""
    with pytest.raises(EngineUnusable, match="only start from frames: name them with --image-model"):
        create_engine(EngineSettings(engine="wan", model=str(models / "wan-start"))).load()


def test_weights_of_another_engine_are_refused_in_one_line(models: Path) -> None:
    with pytest.raises(EngineUnusable, match="cannot be used") as refused:
        create_engine(EngineSettings(engine="wan", model=str(models / "sdxl"))).load()
    assert "\n" not in str(refused.value)
