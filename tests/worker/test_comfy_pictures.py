"""Pictures of a workflow in a ComfyUI."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generation.media.parameters.reading import read_parameters
from ourvidz_worker.engines.model_switch import ModelSwitch
from ourvidz_worker.engines.models import ChoiceOffer, NumberOffer
from ourvidz_worker.engines.settings import EngineSettings
from tests.worker.comfy_models import (
    IMAGE,
    IMAGE_BIND,
    Seen,
    error_of,
    image_job,
    image_model,
    loaded,
    results,
    with_class,
)
from tests.worker.comfy_stand_in import ComfyStandIn


@pytest.mark.parametrize("has_jobs", [True, False])
def test_a_picture_has_the_pixels_that_comfyui_saved(
    comfy: ComfyStandIn, tmp_path: Path, *, has_jobs: bool
) -> None:
    """By `/api/jobs` where the version has it, else by the history and the queue."""
    comfy.faults.has_jobs = has_jobs
    [result] = results(loaded(comfy, image_model(tmp_path, comfy.url)), image_job())
    assert (result.content_type, result.width, result.height, result.duration) == ("image/png", 96, 64, None)
    [saved] = comfy.queue.files.values()
    with Image.open(io.BytesIO(saved)) as theirs, Image.open(io.BytesIO(result.media)) as ours:
        assert "prompt" in theirs.info
        assert np.array_equal(np.asarray(theirs), np.asarray(ours))
    assert (comfy.asked("GET", "/api/jobs/") > 0) is has_jobs
    assert (comfy.asked("GET", "/history/") > 0) is not has_jobs


def test_users_get_the_parameters_and_not_the_workflow(comfy: ComfyStandIn, tmp_path: Path) -> None:
    engine = loaded(comfy, image_model(tmp_path, comfy.url, title="Film XL"))
    [result] = results(engine, image_job(negative_prompt="fog"))
    with Image.open(io.BytesIO(result.media)) as picture:
        assert set(picture.info) == {"parameters", "XML:com.adobe.xmp", "xmp"}
        assert "trainedAlgorithmicMedia" in picture.info["XML:com.adobe.xmp"]
        text = picture.info["parameters"].splitlines()
    assert text[:2] == ["a lighthouse at sunset", "Negative prompt: fog"]
    assert text[2].startswith("Seed: 0, Steps: 3, Size: 96x64, Model: film-xl, Workflow hash: ")
    for secret in (b"secret house style", b"KSampler", b"film.safetensors", b"class_type"):
        assert secret not in result.media
    digest = engine.job_metadata(image_job())["workflow_sha256"]
    assert result.metadata == {
        "seed": 0,
        "steps": 3,
        "width": 96,
        "height": 64,
        "model": "film-xl",
        "workflow_sha256": digest,
    }
    assert len(str(digest)) == 64


def test_each_slot_is_a_prompt_with_its_own_seed_and_id(comfy: ComfyStandIn, tmp_path: Path) -> None:
    engine = loaded(comfy, image_model(tmp_path, comfy.url))
    made = results(engine, image_job(3))
    submitted = comfy.queue.submitted
    assert [each["prompt"]["3"]["inputs"]["seed"] for each in submitted] == [0, 1, 2]
    assert len({each["id"] for each in submitted}) == 3
    assert len({each["client"] for each in submitted}) == 1
    assert len({result.media for result in made}) == 3
    assert [result.metadata["seed"] for result in made] == [0, 1, 2]


def test_a_repeated_slot_has_the_same_pixels(comfy: ComfyStandIn, tmp_path: Path) -> None:
    """Also out of ComfyUI's cache, which then only names the file."""
    engine = loaded(comfy, image_model(tmp_path, comfy.url))
    assert results(engine, image_job())[0].media == results(engine, image_job())[0].media
    assert len(comfy.queue.files) == 1


def test_values_that_are_not_bound_stay_the_workflows(comfy: ComfyStandIn, tmp_path: Path) -> None:
    results(loaded(comfy, image_model(tmp_path, comfy.url)), image_job(guidance=3.5))
    inputs = comfy.queue.submitted[0]["prompt"]["3"]["inputs"]
    assert (inputs["cfg"], inputs["steps"], inputs["sampler_name"]) == (6.0, 3, "euler")


def test_one_value_goes_to_several_inputs(comfy: ComfyStandIn, tmp_path: Path) -> None:
    workflow = {**IMAGE, "11": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["4", 1]}}}
    bind = {**IMAGE_BIND, "prompt": ["6.inputs.text", "11.inputs.text"]}
    results(loaded(comfy, image_model(tmp_path, comfy.url, workflow, bind=bind)), image_job())
    prompt = comfy.queue.submitted[0]["prompt"]
    assert prompt["6"]["inputs"]["text"] == prompt["11"]["inputs"]["text"] == "a lighthouse at sunset"


def test_what_the_operator_fixes_and_what_the_user_chooses(comfy: ComfyStandIn, tmp_path: Path) -> None:
    bind = {**IMAGE_BIND, "guidance": "3.inputs.cfg", "sampler": "3.inputs.sampler_name"}
    model = image_model(
        tmp_path,
        comfy.url,
        bind=bind,
        fixed={"guidance": 2.5, "negative": "fog"},
        offer={
            "steps": NumberOffer(lowest=1, highest=8, default=4, is_whole=True),
            "sampler": ChoiceOffer(choices=("euler", "dpmpp_2m"), default="euler"),
        },
    )
    engine = ModelSwitch(EngineSettings(), (model,))
    engine.load()
    comfy.clients.callback(engine.unload)
    assert engine.pools == ("sdxl_image_fast@film-xl",)
    job = image_job(model="film-xl", steps=7, sampler="dpmpp_2m", negative_prompt="rain")
    [result] = results(engine, job)
    inputs = comfy.queue.submitted[0]["prompt"]["3"]["inputs"]
    assert (inputs["steps"], inputs["cfg"], inputs["sampler_name"]) == (7, 2.5, "dpmpp_2m")
    assert result.metadata["sampler"] == "dpmpp_2m"
    assert result.metadata["model"] == "film-xl"
    assert b"Sampler: dpmpp_2m" in result.media
    found = read_parameters(io.BytesIO(result.media))
    assert found
    assert found.negative_prompt == "rain"

    refused = error_of(engine, image_job(model="film-xl", sampler="lcm"))
    assert (refused.code, refused.retryable) == ("unsupported_parameter", False)


def test_a_negative_prompt_that_has_no_place_is_refused(comfy: ComfyStandIn, tmp_path: Path) -> None:
    bind = {name: target for name, target in IMAGE_BIND.items() if name != "negative_prompt"}
    engine = loaded(comfy, image_model(tmp_path, comfy.url, bind=bind))
    error = error_of(engine, image_job(negative_prompt="fog"))
    assert (error.code, error.retryable) == ("unsupported_parameter", False)
    assert "negative prompt" in error.message
    assert not comfy.queue.submitted


@pytest.mark.parametrize("has_metadata", [True, False])
def test_progress_and_previews_come_while_it_works(
    comfy: ComfyStandIn, tmp_path: Path, *, has_metadata: bool
) -> None:
    comfy.faults.has_metadata_previews = has_metadata
    comfy.faults.step_s = 0.02
    seen = Seen()
    results(loaded(comfy, image_model(tmp_path, comfy.url)), image_job(2, steps=5), seen)
    shares = [share for share, _ in seen.progress]
    assert shares == sorted(shares)
    assert len({share for share in shares if share < 0.5}) > 4
    assert {stage for _, stage in seen.progress} == {"generating", "encoding"}
    assert {slot for slot, _ in seen.previews} == {0, 1}
    assert {picture.shape for _, picture in seen.previews} == {(64, 64, 3)}


def test_a_picture_that_no_browser_shows_otherwise_is_taken_as_it_is(
    comfy: ComfyStandIn, tmp_path: Path
) -> None:
    """Sixteen bits a channel, which a decoder of eight would halve."""
    deep = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000).save(deep, "PNG")
    comfy.queue.files["output", "x", "deep.png"] = deep.getvalue()
    comfy.faults.outputs["SaveImage"] = {
        "images": [{"filename": "deep.png", "subfolder": "x", "type": "output"}]
    }
    [result] = results(loaded(comfy, image_model(tmp_path, comfy.url)), image_job())
    with Image.open(io.BytesIO(result.media)) as picture:
        assert picture.mode == "I;16"
        assert np.asarray(picture).max() == 63000


def test_jpeg_is_delivered_as_png_of_its_pixels(comfy: ComfyStandIn, tmp_path: Path) -> None:
    saved = io.BytesIO()
    exif = Image.Exif()
    exif[0x0110] = 'prompt:{"class_type": "KSampler"}'
    Image.effect_noise((40, 24), 80).convert("RGB").save(saved, "JPEG", exif=exif, comment=b"class_type")
    comfy.queue.files["temp", "", "a.jpg"] = saved.getvalue()
    comfy.faults.outputs["SaveImage"] = {"images": [{"filename": "a.jpg", "subfolder": "", "type": "temp"}]}
    [result] = results(loaded(comfy, image_model(tmp_path, comfy.url)), image_job())
    assert b"class_type" in saved.getvalue()
    assert b"class_type" not in result.media
    with Image.open(saved) as theirs, Image.open(io.BytesIO(result.media)) as ours:
        assert np.array_equal(np.asarray(theirs), np.asarray(ours))
        assert ours.format == "PNG"


def test_an_animation_is_no_picture(comfy: ComfyStandIn, tmp_path: Path) -> None:
    workflow = with_class(IMAGE, "9", "SaveAnimatedWEBP")
    workflow["5"]["inputs"]["batch_size"] = 3
    error = error_of(loaded(comfy, image_model(tmp_path, comfy.url, workflow)), image_job())
    assert (error.code, error.retryable) == ("wrong_output", True)
    assert error.message == "The workflow of this model made an animated WEBP in place of a picture."
