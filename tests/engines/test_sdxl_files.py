"""SDXL from single files: its fine-tuned models, VAEs and LoRAs as people have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.models import Lora, LoraOffer, ModelSettings
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from tests.engines.jobs import Make, drawing, job, pixels, read_back

HALF_WEIGHT = 0.5


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `whole` in diffusers' format, the same as single files, LoRAs for it, and other VAEs."""
    import torch
    from safetensors.torch import save_file

    from tests.engines.single_files import (
        lora,
        original_vae,
        save_checkpoint,
        save_kohya_lora,
        save_peft_lora,
    )
    from tests.engines.tiny import sdxl

    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(3)
    pipeline, other = sdxl(second=40), sdxl(second=40)
    pipeline.save_pretrained(folder / "whole")
    save_checkpoint(pipeline, folder / "whole.safetensors")
    save_checkpoint(pipeline, folder / "marked.safetensors", "v_pred", "ztsnr")
    save_checkpoint(pipeline, folder / "no-vae.safetensors", vae=False)
    other.vae.save_pretrained(folder / "vae")
    save_file(original_vae(other.vae), folder / "vae.safetensors")
    attention = lora(pipeline.unet, "attn")
    save_kohya_lora(
        folder / "kohya.safetensors",
        lora_unet=attention,
        lora_te1=lora(pipeline.text_encoder, "self_attn"),
        lora_te2=lora(pipeline.text_encoder_2, "self_attn"),
    )
    save_kohya_lora(folder / "unet-only.safetensors", lora_unet=attention)
    save_peft_lora(folder / "peft.safetensors", "unet", attention)
    return folder


def make(files: Path, weights: str = "whole.safetensors", **more: Any) -> Make:
    options = {"config": str(files / "whole"), **more.pop("options", {})}
    return Make(ModelSettings(name="m", engine="sdxl", weights=str(files / weights), options=options, **more))


def picture(made: Make, **parameters: Any) -> Any:
    return pixels(made.modelled(job(model="m", **parameters))[0])


@pytest.fixture(scope="module")
def plain(files: Path) -> Any:
    return picture(make(files))


def test_a_single_file_makes_what_its_folder_makes(files: Path, plain: Any) -> None:
    folder = Make(ModelSettings(name="m", engine="sdxl", weights=str(files / "whole")))
    assert np.array_equal(plain, picture(folder))
    assert "sdxl_image_high+composition" in folder.engine.pools


def test_the_shipped_configuration_is_that_of_sdxl() -> None:
    """By the published numbers of parameters, and by tokens that CLIP is known to read."""
    from accelerate import init_empty_weights
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    from ourvidz_worker.engines.diffusion.clip_tokenizers import SHIPPED_CONFIG, clip_tokenizers

    with init_empty_weights():
        texts = [CLIPTextConfig.from_pretrained(SHIPPED_CONFIG / f"text_encoder{n}") for n in ("", "_2")]
        parts = [
            UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(SHIPPED_CONFIG / "unet")),
            AutoencoderKL.from_config(AutoencoderKL.load_config(SHIPPED_CONFIG / "vae")),
            CLIPTextModel(texts[0]),
            CLIPTextModelWithProjection(texts[1]),
        ]
    counts = [sum(each.numel() for each in part.parameters()) for part in parts]
    assert counts == [2_567_463_684, 83_653_863, 123_060_480, 694_659_840]
    for name, pad in (("tokenizer", 49407), ("tokenizer_2", 0)):
        tokenizer = clip_tokenizers()[name]
        ids = tokenizer("a photo of a cat", padding="max_length", max_length=8).input_ids
        assert ids == [49406, 320, 1125, 539, 320, 2368, 49407, pad]


def test_a_file_is_loaded_without_asking_the_hub(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Diffusers fetches the configuration of a single file, even with `local_files_only`."""
    from diffusers.loaders import single_file

    def ask(*_: object, **__: object) -> None:
        raise AssertionError("asked the hub")

    monkeypatch.setattr(single_file, "snapshot_download", ask)
    monkeypatch.setattr(single_file, "fetch_diffusers_config", ask)
    assert make(files).engine.pools


@pytest.mark.parametrize("vae", ["vae", "vae.safetensors"])
def test_another_vae_decodes_otherwise(files: Path, plain: Any, vae: str) -> None:
    one, other = (make(files, weights, vae=str(files / vae)) for weights in ("no-vae.safetensors", "whole"))
    assert not np.array_equal(picture(one), plain)
    assert np.array_equal(picture(one), picture(other))


def test_a_marked_file_predicts_velocities_from_pure_noise(files: Path, plain: Any) -> None:
    marked = make(files, "marked.safetensors")
    config = marked.engine._text.scheduler.config
    assert (config.prediction_type, config.rescale_betas_zero_snr) == ("v_prediction", True)
    assert config.timestep_spacing == "trailing"
    by_hand = make(files, options={"prediction": "v_prediction", "zero_snr": True})
    made = picture(marked)
    assert np.array_equal(made, picture(by_hand))
    assert not np.array_equal(made, plain)
    epsilon = make(files, "marked.safetensors", options={"prediction": "epsilon", "zero_snr": False})
    assert np.array_equal(picture(epsilon), plain)


@pytest.mark.parametrize("form", ["kohya", "peft"])
def test_a_lora_changes_the_picture_by_its_weight(files: Path, plain: Any, form: str) -> None:
    one = Lora(name="one", file=str(files / f"{form}.safetensors"))
    made = make(files, offer={"loras": LoraOffer(choices=(one,))})
    full, half, none = (
        picture(made, loras=[{"name": "one", "weight": weight}]) for weight in (1, HALF_WEIGHT, 0)
    )
    assert not np.array_equal(full, plain)
    assert not np.array_equal(full, half)
    assert np.array_equal(none, plain)
    assert np.array_equal(picture(made, loras=[{"name": "one", "weight": 1}]), full), "and again"
    assert np.array_equal(picture(made), plain), "nothing of it stays"


def test_both_forms_of_a_lora_do_the_same(files: Path) -> None:
    one, other = (
        make(files, loras=(Lora(name="one", file=str(files / f"{form}.safetensors"), weight=HALF_WEIGHT),))
        for form in ("unet-only", "peft")
    )
    assert np.array_equal(picture(one), picture(other))


def test_loras_add_up_and_a_result_names_them(files: Path, plain: Any) -> None:
    always = Lora(name="always", file=str(files / "peft.safetensors"), weight=0.25)
    choice = Lora(name="film-grain.v2", file=str(files / "kohya.safetensors"))
    made = make(files, loras=(always,), offer={"loras": LoraOffer(choices=(choice,))})
    alone = picture(made)
    wanted = job(model="m", loras=[{"name": "film-grain.v2", "weight": 0.75}])
    (both,) = made.modelled(wanted)
    assert not np.array_equal(alone, plain)
    assert not np.array_equal(pixels(both), alone)
    assert both.metadata["loras"] == {"always": 0.25, "film-grain.v2": 0.75}
    with_composition = made.modelled(
        job(drawing("composition"), model="m", loras=[{"name": "film-grain.v2", "weight": 0.75}])
    )
    assert with_composition[0].metadata["loras"] == both.metadata["loras"]
    assert read_text(both)["Loras"] == '"always: 0.25, film-grain.v2: 0.75"'


def read_text(made: Any) -> dict[str, str]:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(made.media)) as file:
        return read_back(file.info["parameters"])[2]


def other_file(folder: Path, kind: str) -> Path:
    """A file of another kind, by the names of its tensors."""
    import torch
    from safetensors.torch import save_file

    names = {
        "sd1": ("cond_stage_model.transformer.text_model.x", "model.diffusion_model.input_blocks.0.0.weight"),
        "refiner": ("conditioner.embedders.0.model.ln_final.weight",),
        "flux": ("double_blocks.0.img_attn.norm.key_norm.scale",),
        "sd1-lora": (
            "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight",
        ),
        "wan-lora": ("diffusion_model.blocks.0.self_attn.q.lora_A.weight",),
        "flux-lora": ("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight",),
        "empty": (),
    }[kind]
    file = folder / f"{kind}.safetensors"
    save_file({name: torch.zeros(4, 768) for name in names}, file)
    return file


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("sd1", "holds Stable Diffusion 1, not Stable Diffusion XL"),
        ("refiner", "holds the refiner of Stable Diffusion XL, which is not supported"),
        ("flux", "holds Flux"),
        ("sd1-lora", "holds a LoRA"),
        ("empty", "holds no weights"),
        ("vae", "holds a VAE"),
        ("no-vae", "has no VAE: name one with vae"),
        ("cut", "is incomplete"),
        ("none", "cannot be used"),
    ],
)
def test_what_is_no_sdxl_is_named(files: Path, tmp_path: Path, kind: str, sentence: str) -> None:
    """By `check`, and by the worker before its first job."""
    from ourvidz_worker.weights_check import inspect

    if kind in ("vae", "no-vae"):
        file = files / f"{kind}.safetensors"
    elif kind == "cut":
        file = tmp_path / "cut.safetensors"
        file.write_bytes((files / "whole.safetensors").read_bytes()[:90_000])
    else:
        file = tmp_path / "none.safetensors" if kind == "none" else other_file(tmp_path, kind)
    settings = EngineSettings(engine="sdxl", model=str(file))
    with pytest.raises(EngineUnusable, match=sentence if kind != "none" else "no weights at"):
        create_engine(settings).load()
    problem = inspect("model", str(file), settings, 4).problem
    assert sentence in problem if kind != "none" else problem


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("sd1-lora", "is a LoRA for Stable Diffusion 1, not for Stable Diffusion XL"),
        ("wan-lora", "is a LoRA for Wan, not for"),
        ("flux-lora", "is a LoRA for Flux, not for"),
        ("sd1", "holds Stable Diffusion 1, no LoRA"),
    ],
)
def test_what_is_no_lora_for_sdxl_is_named(files: Path, tmp_path: Path, kind: str, sentence: str) -> None:
    from ourvidz_worker.weights_check import inspect_weights

    lora = Lora(name="one", file=str(other_file(tmp_path, kind)))
    with pytest.raises(EngineUnusable, match=sentence):
        make(files, loras=(lora,))
    model = ModelSettings(engine="sdxl", weights=str(files / "whole"), loras=(lora,))
    settings = EngineSettings(engine="sdxl", model=model.weights)
    (found,) = [each for each in inspect_weights(settings, 4, model) if each.about == "LoRA one"]
    assert sentence in found.problem


def test_a_lora_of_other_layers_is_named(files: Path, tmp_path: Path) -> None:
    """It says that it is for SDXL, and none of its layers is there."""
    import torch

    from tests.engines.single_files import save_peft_lora

    layers = {"down_blocks.7.attentions.9.proj_in": (torch.zeros(4, 64), torch.zeros(64, 4))}
    save_peft_lora(tmp_path / "other.safetensors", "unet", layers)
    with pytest.raises(EngineUnusable, match=r"other\.safetensors"):
        make(files, loras=(Lora(name="one", file=str(tmp_path / "other.safetensors")),))


def test_a_model_is_no_vae(files: Path) -> None:
    with pytest.raises(EngineUnusable, match="holds Stable Diffusion XL, no VAE alone"):
        make(files, "whole", vae=str(files / "whole.safetensors"))
