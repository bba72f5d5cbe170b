"""SDXL's real pipelines: what they make, and that it can be made again."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ourvidz_worker.errors import Halted
from ourvidz_worker.protocol import AssetError, Reference
from tests.engines.jobs import Make, drawing, job, pixels, read_back, result


def test_a_batch_is_pictures_of_the_size_asked_for(sdxl: Make) -> None:
    finished = sdxl(job(slots=3))
    assert [each.slot.number for each in finished] == [0, 1, 2]
    for each in finished:
        made = result(each)
        with Image.open(io.BytesIO(made.media)) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (128, 96))
        assert (made.width, made.height, made.duration) == (128, 96, None)
        assert pixels(made).std() > 1


def test_the_same_seed_gives_the_same_pixels(sdxl: Make) -> None:
    first, second = sdxl.results(job(slots=2)), sdxl.results(job(slots=2))
    assert [each.media for each in first] == [each.media for each in second]
    assert first[0].media != first[1].media


def test_a_slot_made_alone_has_the_pixels_it_has_in_the_batch_of_six(sdxl: Make) -> None:
    """What a retry of one slot relies on; not within one level, the same."""
    batch = sdxl.results(job(slots=6))
    alone = sdxl.results(job(slots=6, only=3))
    assert np.array_equal(pixels(alone[0]), pixels(batch[3]))


def test_the_parameters_are_read_back_from_the_picture(sdxl: Make) -> None:
    made = sdxl.results(job(prompt="a lighthouse,\nat dusk: “calm”", slots=2))[1]
    with Image.open(io.BytesIO(made.media)) as picture:
        prompt, negative, pairs = read_back(picture.info["parameters"])
    assert prompt == "a lighthouse,\nat dusk: “calm”"
    assert negative == "fog"
    expected = {"Steps": "2", "Sampler": "Euler", "CFG scale": "5.0", "Seed": "1", "Size": "128x96"}
    assert expected.items() <= pairs.items()
    assert pairs["Model"] == "sdxl"
    assert pairs["Version"].startswith("ourvidz-worker ")


def test_a_result_says_how_to_repeat_it(sdxl: Make) -> None:
    wanted = job(slots=1)
    sdxl(wanted)  # so that its weights are where they run
    metadata = sdxl.results(wanted)[0].metadata
    assert metadata["seed"] == 0
    assert {"steps", "guidance", "sampler", "precision", "model", "batch"} <= set(metadata)
    job_metadata = sdxl.engine.job_metadata(wanted)
    assert set(job_metadata["stages"]) == {"generating", "decoding", "encoding"}
    assert job_metadata["device"].startswith("CPU")
    assert job_metadata["memory_peak_mib"] > 50
    assert set(job_metadata["libraries"]) == {"torch", "diffusers", "transformers"}


def test_a_job_for_another_pipeline_says_that_it_loads(sdxl: Make) -> None:
    sdxl(job(slots=1))
    wanted = job(drawing("composition", 0.75), steps=8, slots=2)
    sdxl(wanted)
    assert [stage for _, stage in sdxl.progress].count("loading") == 1
    shares = [share for share, _ in sdxl.progress]
    assert shares == sorted(shares)
    assert set(sdxl.engine.job_metadata(wanted)["stages"]) == {
        "loading",
        "generating",
        "decoding",
        "encoding",
    }


def test_progress_follows_the_steps(sdxl: Make) -> None:
    """pitfall 32"""
    sdxl(job(slots=2, steps=4))
    shares = [share for share, _ in sdxl.progress]
    assert shares == sorted(shares)
    generating = [share for share, stage in sdxl.progress if stage == "generating"]
    assert len(set(generating)) == 9
    assert [stage for _, stage in sdxl.progress].count("encoding") == 2
    assert 0.9 < shares[-1] < 1


def test_a_cancel_stops_between_two_steps(sdxl: Make) -> None:
    seen: list[Any] = []

    def stop() -> bool:
        seen.append(None)
        return len(seen) > 3

    with pytest.raises(Halted):
        sdxl(job(slots=6, steps=20), stop)
    assert len(seen) == 4
    assert sdxl.results(job())  # and works on


def test_a_composition_is_followed_as_closely_as_asked(sdxl: Make) -> None:
    def apart(strength: float) -> float:
        one, other = (
            pixels(sdxl.results(job(drawing("composition", strength, shade), steps=8))[0])
            for shade in (0, 255)
        )
        return float(np.abs(one - other).mean())

    assert apart(0.9) > 2 * apart(0.0)


@pytest.mark.parametrize(
    ("steps", "strength", "done"), [(15, 0.8, 3), (8, 0.75, 2), (20, 0.99, 1), (49, 1.0, 1), (4, 0.1, 4)]
)
def test_the_steps_that_are_done_are_whole(sdxl: Make, steps: int, strength: float, done: int) -> None:
    made = sdxl.results(job(drawing("composition", strength), steps=steps))[0]
    with Image.open(io.BytesIO(made.media)) as picture:
        denoising_strength = read_back(picture.info["parameters"])[2]["Denoising strength"]
    assert denoising_strength == str(round(done / steps, 4))
    assert len([stage for _, stage in sdxl.progress if stage == "generating"]) == 1 + done


def test_a_reference_that_is_no_picture_fails_the_slots(sdxl: Make) -> None:
    """pitfall 19"""
    finished = sdxl(job(Reference("composition", 0.5, "", b"not a picture"), slots=3))
    errors = [each.outcome for each in finished]
    assert len(errors) == 3
    for error in errors:
        assert isinstance(error, AssetError)
        assert (error.code, error.retryable) == ("reference_unreadable", False)


def test_it_offers_what_it_can_do(sdxl: Make) -> None:
    assert "sdxl_image_fast" in sdxl.engine.pools
    assert "sdxl_image_high+composition" in sdxl.engine.pools
    assert not any("style" in pool or "character" in pool for pool in sdxl.engine.pools)


def test_each_step_can_be_seen(sdxl: Make) -> None:
    sdxl.results(job(slots=2, steps=3))
    assert [slot for slot, _ in sdxl.shown] == [0, 0, 0, 1, 1, 1]
    first, _, third = (picture for _, picture in sdxl.shown[:3])
    assert first.shape == (12, 16, 3)
    assert first.dtype == np.uint8
    assert not np.array_equal(first, third)
    assert third.std() > 1


def test_the_preview_guess_is_a_good_one_for_a_vae_that_is_linear() -> None:
    """Random weights have no picture to guess; this decoder's latents are the picture's own colours."""
    import torch

    from ourvidz_worker.engines.diffusion.latent_preview import LatentPreviewer

    class Linear(torch.nn.Module):
        config = {"scaling_factor": 0.5}

        def encode(self, picture: Any) -> Any:
            small = torch.nn.functional.avg_pool2d(picture, 8)
            mixed = torch.cat([small[:, :1] + small[:, 1:2], small[:, 1:], small.mean(1, keepdim=True)], 1)
            return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: mixed))

    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    vae = Linear()
    seen = LatentPreviewer(vae, 8).preview(vae.encode(red).latent_dist.mode()[0] * 0.5)
    assert np.abs(seen.astype(int) - [255, 0, 0]).max() < 12


def test_a_preview_that_fails_is_no_reason_to_fail(sdxl: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no memory for that")

    monkeypatch.setattr(sdxl.engine.latent_previewer, "preview", broken)
    assert sdxl.results(job())
    assert not sdxl.shown
