"""What is found out of a ComfyUI before it is given a job."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from ourvidz_worker.check import run_checks
from ourvidz_worker.configuration import Configuration
from ourvidz_worker.engines.comfy.engine import ComfyEngine
from ourvidz_worker.engines.model_switch import ModelSwitch
from ourvidz_worker.engines.models import ChoiceOffer, ModelSettings, NumberOffer
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from tests.servers.process import free_port
from tests.worker.comfy_models import (
    IMAGE,
    IMAGE_BIND,
    VIDEO_BIND,
    image_model,
    loaded,
    video_model,
    with_class,
    with_inputs,
    with_start_frame,
)
from tests.worker.comfy_stand_in import ComfyStandIn


def problem(model: ModelSettings) -> str:
    with pytest.raises(EngineUnusable) as raised:
        ComfyEngine(model, patience_s=0.0).load()
    return str(raised.value)


def bound(**targets: Any) -> dict[str, Any]:
    return {"bind": {**IMAGE_BIND, **targets}}


def test_it_says_what_it_is(comfy: ComfyStandIn, tmp_path: Path) -> None:
    engine = loaded(comfy, image_model(tmp_path, comfy.url, job_types=("sdxl_image_fast", "image_high")))
    assert engine.device == "ComfyUI 0.3.64 on stand-in"
    assert engine.pools == ("sdxl_image_fast", "image_high")
    assert engine.serves == ("sdxl", "wan")


def test_all_that_a_workflow_lacks_is_named_at_once(comfy: ComfyStandIn, tmp_path: Path) -> None:
    workflow = with_class(with_inputs(IMAGE, "4", ckpt_name="other.safetensors"), "8", "TiledDecode")
    workflow["30"] = {"class_type": "LoadImage", "inputs": {"image": "mask.png"}}
    said = problem(image_model(tmp_path, comfy.url, workflow))
    assert said == (
        "the workflow of film-xl cannot run: "
        "node 4 (CheckpointLoaderSimple): this ComfyUI has no 'other.safetensors' for ckpt_name; "
        "node 8 (TiledDecode): this ComfyUI has no such node; "
        "node 30 (LoadImage): this ComfyUI has no 'mask.png' for image"
    )


def test_a_picture_that_jobs_bring_needs_no_file(comfy: ComfyStandIn, tmp_path: Path) -> None:
    workflow = with_inputs(with_start_frame(), "12", image="of another machine.png")
    bind = {**VIDEO_BIND, "start_frame": "12.inputs.image"}
    loaded(comfy, video_model(tmp_path, comfy.url, workflow, bind=bind))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"options": {"output": "8"}}, "output: node 8 (VAEDecode) saves nothing"),
        (
            bound(prompt="3.inputs.sampler_name"),
            "bind.prompt: 3.inputs.sampler_name of node 3 (KSampler) takes COMBO",
        ),
        (
            bound(guidance="3.inputs.sampler_name"),
            "node 3 (KSampler) is a choice: name the values in set or offer",
        ),
        (bound(guidance="9.inputs.filename_prefix"), "of node 9 (SaveImage) takes STRING, not a number"),
        (
            bound(seed="5.inputs.batch_size"),
            "bind.seed: 5.inputs.batch_size of node 5 (EmptyLatentImage) takes",
        ),
        (
            {
                **bound(sampler="3.inputs.sampler_name"),
                "offer": {"sampler": ChoiceOffer(choices=("euler", "lcm"), default="euler")},
            },
            "there is no 'lcm' to choose",
        ),
        (
            {"offer": {"steps": NumberOffer(lowest=0, highest=8, default=4, is_whole=True)}},
            "takes 1 at least; 0 may come",
        ),
        ({"sizes": {"1:1": (512, 512), "9:16": (4096, 8192)}}, "takes 4096 at most; 8192 may come"),
        ({**bound(guidance="3.inputs.cfg"), "fixed": {"guidance": 200.0}}, "takes 100 at most; 200 may come"),
    ],
)
def test_a_binding_that_does_not_fit_is_named(
    comfy: ComfyStandIn, tmp_path: Path, changed: dict[str, Any], sentence: str
) -> None:
    assert sentence in problem(image_model(tmp_path, comfy.url, **changed))


def test_an_input_that_the_node_has_no_more(comfy: ComfyStandIn, tmp_path: Path) -> None:
    """ComfyUI ignores what a node does not know: the user's value would be lost without a word."""
    workflow = with_inputs(IMAGE, "6", words="")
    said = problem(image_model(tmp_path, comfy.url, workflow, **bound(prompt="6.inputs.words")))
    assert "bind.prompt: 6.inputs.words of node 6 (CLIPTextEncode): the node has no such input" in said


def test_nobody_answers(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert problem(image_model(tmp_path, url)).startswith(f"ComfyUI at {url} cannot be used: ")


def test_something_else_answers(comfy: ComfyStandIn, tmp_path: Path) -> None:
    comfy.faults.answers_nonsense = True
    assert "is not one that a ComfyUI gives" in problem(image_model(tmp_path, comfy.url))


def test_it_waits_for_a_comfyui_that_starts_later(
    comfy: ComfyStandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    comfy.stop()
    timer = Timer(0.5, comfy.start)
    timer.start()
    try:
        assert loaded(comfy, image_model(tmp_path, comfy.url)).pools == ("sdxl_image_fast",)
    finally:
        timer.join()
    assert capsys.readouterr().err.count("comfy_away") == 1


def test_one_that_was_away_is_not_waited_for_again(comfy: ComfyStandIn, tmp_path: Path) -> None:
    """The worker's other models have jobs to do."""
    model = image_model(tmp_path, f"http://127.0.0.1:{free_port()}")
    first, second = ComfyEngine(model, patience_s=1.5), ComfyEngine(model, patience_s=1.5)
    for engine, least, most in ((first, 1.5, 10.0), (first, 0.0, 1.0), (second, 0.0, 1.0)):
        began = time.monotonic()
        with pytest.raises(EngineUnusable):
            engine.load()
        assert least <= time.monotonic() - began < most


def test_two_workflows_of_one_comfyui_leave_room_making_to_it(comfy: ComfyStandIn, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    models = (image_model(tmp_path, comfy.url), video_model(tmp_path / "films", comfy.url, name="films"))
    both = ModelSwitch(EngineSettings(), models)
    both.load()
    comfy.clients.callback(both.unload)
    assert both.pools == ("sdxl_image_fast@film-xl", "video_fast@films")
    assert comfy.queue.freed == []


def test_check_says_it_too(comfy: ComfyStandIn, tmp_path: Path) -> None:
    config = Configuration(
        server="http://127.0.0.1:9",
        token="ovw_x",
        spool=str(tmp_path / "spool"),
        patience=1.0,
        stuck_after=0.0,
        health=None,
        engine=EngineSettings(engine="comfy"),
        models=(image_model(tmp_path, comfy.url),),
    )
    [good] = [each for each in run_checks(config) if "workflow" in each.about]
    assert (good.problem, good.answer) == ("", "ComfyUI 0.3.64 on stand-in has all that it needs")
    comfy.queue.models.clear()
    [bad] = [each for each in run_checks(config) if "workflow" in each.about]
    assert "this ComfyUI has no 'film.safetensors' for ckpt_name" in bad.problem
