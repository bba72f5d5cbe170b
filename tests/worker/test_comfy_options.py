"""What an entry of `[[models]]` with the engine comfy must say, and how a mistake in it is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ourvidz_worker.engines.comfy.options import InvalidComfyOption, read_options
from ourvidz_worker.engines.models import NumberOffer
from ourvidz_worker.model_file import InvalidModel, parse_models
from tests.worker.comfy_models import (
    IMAGE,
    IMAGE_BIND,
    VIDEO_BIND,
    image_model,
    saved,
    video_model,
    with_start_frame,
)

URL = "http://127.0.0.1:8188"
STEPS = NumberOffer(lowest=1, highest=8, default=4, is_whole=True)


def without(*names: str) -> dict[str, Any]:
    return {name: target for name, target in IMAGE_BIND.items() if name not in names}


def bound(**targets: Any) -> dict[str, Any]:
    return {"bind": {**IMAGE_BIND, **targets}}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"options": {"url": ""}}, "url: is missing"),
        ({"options": {"url": "127.0.0.1:8188"}}, "url: '127.0.0.1:8188' is no address"),
        ({"options": {"url": "file:///etc/passwd"}}, "url: 'file:///etc/passwd' is no address"),
        ({"options": {"url": "http://comfy..lan"}}, "url: 'http://comfy..lan' is no address"),
        ({"options": {"url": "http://xn--zzzz"}}, "url: 'http://xn--zzzz' is no address"),
        ({"options": {"url": "http://[::1"}}, "url: 'http://[::1' is no address"),
        ({"options": {"url": "http://me:pw@comfy:8188"}}, "url: holds a user name"),
        ({"options": {"url": "http://comfy:8188/?a=1"}}, "url: holds a user name, a query"),
        ({"options": {"workflow": ""}}, "workflow: is missing"),
        ({"options": {"workflow": "/nowhere/w.json"}}, "workflow: /nowhere/w.json cannot be read: No such"),
        ({"options": {"output": ""}}, "output: is missing"),
        ({"options": {"output": "99"}}, "output: the workflow has no node 99"),
        ({"bind": {}}, "bind: is missing"),
        ({"bind": without("prompt")}, "bind.prompt: is missing"),
        ({"bind": without("seed")}, "bind.seed: is missing"),
        ({"bind": without("width")}, "bind: has height alone"),
        ({"bind": without("width", "height")}, "bind: has no width and height"),
        (bound(prompt="6.text"), "bind.prompt: '6.text' is no input of a node, such as 6.inputs.text"),
        (bound(prompt=".inputs.text"), "bind.prompt: '.inputs.text' is no input"),
        (bound(prompt=[]), "bind.prompt: must be an input"),
        (bound(prompt=6), "bind.prompt: must be an input"),
        (bound(prompt="66.inputs.text"), "bind.prompt: the workflow has no node 66"),
        (
            bound(prompt="6.inputs.words"),
            "bind.prompt: node 6 (CLIPTextEncode) has no input words; it has text",
        ),
        (
            bound(prompt="6.inputs.clip"),
            "bind.prompt: 6.inputs.clip comes from node 4: bind that node's input",
        ),
        (
            {
                "bind": {**without("negative_prompt"), "negative": "7.inputs.text"},
                "fixed": {"negative": "fog"},
            },
            "bind.negative: goes before the job's; say negative_prompt",
        ),
        (
            {"bind": without("negative_prompt"), "fixed": {"negative": "fog"}},
            "set.negative: has no place in the workflow; name one in bind.negative_prompt",
        ),
        (bound(prompt="7.inputs.text"), "bind.negative_prompt: 7.inputs.text is bound to prompt too"),
        (bound(negative="7.inputs.text"), "bind.negative: 7.inputs.text is bound to negative_prompt too"),
        (bound(cfg="3.inputs.cfg"), "bind.cfg: is neither in set nor in offer; say guidance"),
        (
            {"fixed": {"guidance": 2.0}},
            "set.guidance: has no place in the workflow; name one in bind.guidance",
        ),
        ({"offer": {"shift": STEPS}}, "offer.shift: has no place in the workflow"),
        ({"offer": {"seed": STEPS}}, "offer.seed: each job has its own"),
        ({"job_types": ()}, "job_types: is missing"),
        ({"job_types": ("image7b_fast_enhanced",)}, "job_types: no workflow does image7b_fast_enhanced"),
        ({"job_types": ("image_fast", "video_fast")}, "job_types: one workflow makes images or videos"),
        (bound(style="3.inputs.sampler_name"), "bind.style: needs style_strength or style_denoise too"),
        (bound(style_denoise="3.inputs.denoise"), "bind.style: is missing, and its strength is bound"),
        (bound(start_frame="3.inputs.denoise"), "bind.start_frame: jobs of the type sdxl_image_fast have no"),
        ({"weights": "x"}, "weights: the workflow names its own"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidComfyOption) as raised:
        read_options(image_model(tmp_path, URL, **changed))
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no workflow: it has no nodes"),
        ('{"nodes": [], "links": []}', "is saved for the editor; export it in the API format"),
        ('{"3": {"inputs": {}}}', "is no workflow in the API format: its entry '3' has no class_type"),
        ('{"3": {"class_type": "A", "inputs": []}}', "is no workflow: the inputs of node 3 are no table"),
        (
            '{"3": {"class_type": "A", "inputs": {"x": ["4", 0]}}}',
            "is not whole: x of node 3 (A) comes from a node 4",
        ),
        (json.dumps({"3": "x" * (5 * 2**20)}), "has over 4194304 bytes"),
    ],
)
def test_a_file_that_is_no_workflow_is_named(tmp_path: Path, content: str, sentence: str) -> None:
    model = image_model(tmp_path, URL)
    Path(model.options["workflow"]).write_text(content, encoding="utf-8")
    with pytest.raises(InvalidComfyOption) as raised:
        read_options(model)
    assert str(raised.value).startswith(f"workflow: {model.options['workflow']} {sentence}")


def test_the_digest_is_of_what_the_workflow_says(tmp_path: Path) -> None:
    options = read_options(image_model(tmp_path, URL))
    turned = dict(reversed(list(IMAGE.items())))
    (tmp_path / "workflow.json").write_text("\ufeff" + json.dumps(turned, indent=8), encoding="utf-8")
    model = image_model(tmp_path, URL, turned)
    assert read_options(model).workflow.digest == options.workflow.digest
    other = {**IMAGE, "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "other"}}}
    assert read_options(image_model(tmp_path, URL, other)).workflow.digest != options.workflow.digest


def test_a_workflow_needs_each_reference_that_it_is_bound_to(tmp_path: Path) -> None:
    bind = {**VIDEO_BIND, "start_frame": "12.inputs.image"}
    options = read_options(
        video_model(tmp_path, URL, with_start_frame(), bind=bind, job_types=("video_fast", "video_high"))
    )
    assert options.pools == ("video_fast+start_frame", "video_high+start_frame")


def test_one_size_needs_no_binding(tmp_path: Path) -> None:
    model = image_model(tmp_path, URL, bind=without("width", "height"), sizes={"1:1": (512, 512)})
    assert read_options(model).pools == ("sdxl_image_fast",)


def entry(folder: Path, **changed: Any) -> dict[str, Any]:
    return {
        "name": "film-xl",
        "engine": "comfy",
        "url": URL,
        "workflow": Path(saved(folder, IMAGE)).name,
        "bind": dict(IMAGE_BIND),
        "output": 9,
        "job_types": ["sdxl_image_fast"],
        **changed,
    }


def test_the_workers_file_names_the_place(tmp_path: Path) -> None:
    [model] = parse_models([entry(tmp_path, set={"steps": 6})], tmp_path)
    assert (model.options["workflow"], model.fixed) == (str(tmp_path / "workflow.json"), {"steps": 6})
    bind = {**IMAGE_BIND, "prompt": ["6.inputs.text", "9.inputs.text"]}
    with pytest.raises(InvalidModel) as raised:
        parse_models([entry(tmp_path), entry(tmp_path, name="other", bind=bind)], tmp_path)
    assert str(raised.value).startswith("models[1].bind.prompt: node 9 (SaveImage) has no input text")
