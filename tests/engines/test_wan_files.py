"""Wan as people have it: two transformers, single files, GGUF, LoRAs, and what an operator fixes for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ourvidz_worker.engines.models import ChoiceOffer, Lora, LoraOffer, ModelSettings, NumberOffer
from ourvidz_worker.errors import EngineUnusable
from tests.engines.jobs import Make, decoded, drawing, film, read_back

STILL: dict[str, Any] = {"frames": 5, "model": "m"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`two`: a text model in two transformers (A14B); `one`: in one, and its transformer as single files."""
    import torch
    from safetensors.torch import save_file

    from tests.engines.single_files import lora, original_wan, save_kohya_lora, save_peft_lora
    from tests.engines.tiny_wan import wan

    folder = tmp_path_factory.mktemp("wan-files")
    torch.manual_seed(5)
    one, other = wan(), wan()
    one.save_pretrained(folder / "one")
    other.transformer.save_pretrained(folder / "other")
    two = wan(boundary_ratio=0.9)
    two.register_modules(transformer_2=wan().transformer)
    two.save_pretrained(folder / "two")
    save_file(original_wan(other.transformer), folder / "other.safetensors")
    save_gguf(original_wan(other.transformer), folder / "other.gguf")
    layers = lora(one.transformer, r"blocks\.\d+\.(attn|ffn)")
    save_peft_lora(folder / "peft.safetensors", "transformer", layers)
    as_original = {original_name(name): each for name, each in layers.items()}
    save_peft_lora(folder / "original.safetensors", "diffusion_model", as_original)
    save_kohya_lora(folder / "kohya.safetensors", lora_unet=as_original)
    return folder


def original_name(layer: str) -> str:
    for ours, theirs in (("attn1", "self_attn"), ("attn2", "cross_attn"), ("to_out.0", "o"), ("to_", "")):
        layer = layer.replace(ours, theirs)
    return layer.replace("ffn.net.0.proj", "ffn.0").replace("ffn.net.2", "ffn.2")


def save_gguf(weights: dict[str, Any], file: Path) -> None:
    """Matrices of 8 bits, as quantised files have them, and everything else as it is."""
    import gguf

    writer = gguf.GGUFWriter(str(file), "wan")
    for name, tensor in weights.items():
        values = tensor.float().numpy()
        if values.ndim == 2 and values.shape[1] % 32 == 0 and "blocks" in name:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make(files: Path, weights: str = "one", **more: Any) -> Make:
    return Make(ModelSettings(name="m", engine="wan", weights=str(files / weights), **more))


def made(make: Make, *references: Any, **parameters: Any) -> Any:
    (one,) = make.modelled(film(*references, **{**STILL, **parameters}))
    return one


def frames(make: Make, *references: Any, **parameters: Any) -> Any:
    return np.asarray(decoded(made(make, *references, **parameters).media)[0])


def about(one: Any) -> dict[str, str]:
    return read_back(decoded(one.media)[1]["comment"])[2]


@pytest.fixture(scope="module")
def plain(files: Path) -> Any:
    return frames(make(files))


@pytest.mark.parametrize("transformer", ["other", "other.safetensors"])
def test_another_transformer_takes_the_folders_place(files: Path, plain: Any, transformer: str) -> None:
    found = make(files, options={"transformer": str(files / transformer)})
    other = make(files, options={"transformer": str(files / "other")})
    assert not np.array_equal(frames(found), plain)
    assert np.array_equal(frames(found), frames(other))


def test_a_gguf_transformer_is_close_to_what_it_was_made_of(files: Path, plain: Any) -> None:
    small = frames(make(files, options={"transformer": str(files / "other.gguf")}))
    whole = frames(make(files, options={"transformer": str(files / "other")}))
    again = frames(make(files, options={"transformer": str(files / "other.gguf")}))
    assert np.array_equal(small, again)
    assert np.abs(small - whole).mean() < np.abs(plain - whole).mean() / 4


def test_gguf_needs_its_package(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "gguf" else find(name, *a)
    )
    with pytest.raises(EngineUnusable, match=r"needs the package gguf: pip install './worker\[gguf\]'"):
        make(files, options={"transformer": str(files / "other.gguf")})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("peft.safetensors", "holds a LoRA, no transformer of Wan"),
        ("one/vae/diffusion_pytorch_model.safetensors", "holds a VAE, no transformer of Wan"),
        ("cut.gguf", "is no GGUF file"),
    ],
)
def test_what_is_no_transformer_is_named(files: Path, name: str, sentence: str) -> None:
    from ourvidz_worker.engines.settings import EngineSettings
    from ourvidz_worker.weights_check import inspect_weights

    (files / "cut.gguf").write_bytes(b"GG")
    options = {"transformer": str(files / name)}
    with pytest.raises(EngineUnusable, match=sentence):
        make(files, options=options)
    model = ModelSettings(engine="wan", weights=str(files / "one"), options=options)
    settings = EngineSettings(engine="wan", model=model.weights)
    (found,) = [each for each in inspect_weights(settings, 4, model) if each.about == "transformer"]
    assert sentence in found.problem


def test_two_transformers_have_a_guidance_each(files: Path) -> None:
    offer = {"guidance_2": NumberOffer(lowest=0, highest=9, default=5, is_whole=False)}
    two = make(files, "two", offer=offer, fixed={"steps": 6})
    same, other = made(two, guidance=5.0), made(two, guidance=5.0, guidance_2=1.0)
    assert not np.array_equal(decoded(same.media)[0], decoded(other.media)[0])
    assert (about(other)["CFG scale"], about(other)["CFG scale 2"]) == ("5.0", "1.0")
    assert other.metadata["guidance_2"] == 1.0
    with pytest.raises(EngineUnusable, match="guidance_2 is for weights with two transformers"):
        make(files, fixed={"guidance_2": 3.0})


def test_the_shift_of_a14b_is_12_for_text_and_5_from_a_frame(files: Path, models: Path) -> None:
    two = make(files, "two", options={"image_model": str(models / "wan-2.2-start")})
    text, image = made(two), made(two, drawing("start_frame"))
    assert (about(text)["Shift"], about(image)["Shift"]) == ("12.0", "5.0")
    assert text.metadata["shift"] == 12.0
    assert two.engine._text.scheduler.config.flow_shift == 12.0
    fixed = make(files, "two", fixed={"shift": 8.0})
    assert about(made(fixed))["Shift"] == "8.0"
    assert about(made(make(files)))["Shift"] == "5.0", "the job type's, for one transformer"


def test_5b_makes_films_of_24_frames_a_second(models: Path) -> None:
    """Its 121 frames are 5 s; here they are 9, which the job type would have played in half a second."""
    small = Make(
        ModelSettings(
            name="m", engine="wan", weights=str(models / "wan-both"), fixed={"frames": 9, "fps": 24}
        )
    )
    for references in ((), (drawing("start_frame"),)):
        one = made(small, *references, frames=5, fps=16)
        found, facts = decoded(one.media)
        assert (len(found), facts["rate"], one.duration) == (9, 24, 9 / 24)
        assert (about(one)["Frames"], about(one)["FPS"]) == ("9", "24")


def test_weights_that_start_from_a_frame_are_a_model_of_their_own(models: Path) -> None:
    for name in ("wan-start", "wan-2.1-start", "wan-2.2-start"):
        only = Make(ModelSettings(name="m", engine="wan", weights=str(models / name)))
        assert only.engine.pools
        assert all("+start_frame" in pool for pool in only.engine.pools), only.engine.pools
        assert len(frames(only, drawing("start_frame"))) == 5


def test_the_image_encoder_stays_in_full_precision(models: Path) -> None:
    """In half precision CLIP's last layers lose what tells one start frame from another."""
    import torch

    half = Make(
        ModelSettings(
            name="m", engine="wan", weights=str(models / "wan-2.1-start"), options={"precision": "bfloat16"}
        )
    )
    pipeline = half.engine._image
    assert pipeline.image_encoder.dtype == pipeline.vae.dtype == torch.float32
    assert pipeline.transformer.dtype == torch.bfloat16
    assert len(frames(half, drawing("start_frame"))) == 5


@pytest.mark.parametrize("form", ["peft", "original", "kohya"])
def test_a_lora_changes_the_film_by_its_weight(files: Path, plain: Any, form: str) -> None:
    one = Lora(name="one", file=str(files / f"{form}.safetensors"))
    with_lora = make(files, offer={"loras": LoraOffer(choices=(one,))})
    full, half = (frames(with_lora, loras=[{"name": "one", "weight": weight}]) for weight in (1, 0.5))
    assert not np.array_equal(full, plain)
    assert not np.array_equal(full, half)
    assert np.array_equal(frames(with_lora), plain)
    always = make(files, loras=(Lora(name="one", file=str(files / "peft.safetensors")),))
    assert np.array_equal(frames(always), full), "all forms of it do the same"


def test_each_of_two_transformers_can_have_a_lora_of_its_own(files: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    none = {name: torch.zeros_like(each) for name, each in load_file(files / "peft.safetensors").items()}
    save_file(none, files / "none.safetensors")
    pairs = (("peft", "peft"), ("peft", "none"), ("none", "peft"), ("none", "none"))
    films = []
    for first, second in pairs:
        file, file_2 = (str(files / f"{each}.safetensors") for each in (first, second))
        two = make(files, "two", loras=(Lora(name="one", file=file, file_2=file_2),))
        films.append(frames(two, steps=4).tobytes())
    assert len(set(films)) == 4
    assert films[3] == frames(make(files, "two"), steps=4).tobytes()


def test_every_scheduler_makes_its_own_film(files: Path, plain: Any) -> None:
    names = ("unipc", "dpmpp_2m", "euler", "heun")
    all_of_them = make(files, offer={"scheduler": ChoiceOffer(choices=names, default="unipc")})
    films = {}
    for name in names:
        one = made(all_of_them, scheduler=name, steps=3)
        assert one.media == made(all_of_them, scheduler=name, steps=3).media, name
        assert one.metadata["scheduler"] == name
        scheduler = all_of_them.engine._text.scheduler
        assert scheduler.config.get("shift", scheduler.config.get("flow_shift")) == 5.0
        films[name] = np.asarray(decoded(one.media)[0]).tobytes()
    assert len(set(films.values())) == len(names)
    assert np.array_equal(frames(all_of_them), plain), "UniPC, as without one"


def test_a_vae_of_its_own_decodes_otherwise(files: Path, plain: Any, tmp_path: Path) -> None:
    import torch

    from tests.engines.tiny_wan import fine_vae

    torch.manual_seed(11)
    fine_vae().save_pretrained(tmp_path / "vae")
    assert not np.array_equal(frames(make(files, vae=str(tmp_path / "vae"))), plain)


def test_layers_can_come_to_the_device_one_by_one(files: Path, plain: Any) -> None:
    """Group offload, as far as it can be run without a GPU: to the same device, without its streams."""
    import dataclasses

    from ourvidz_worker.engines.diffusion.pipeline_run import PipelinePlacer

    grouped = make(files)
    engine = grouped.engine
    engine.placer = PipelinePlacer(dataclasses.replace(engine.settings, offload="group"), "cpu")
    assert np.array_equal(frames(grouped), plain)
    assert np.array_equal(frames(grouped), plain)
    hooks = [
        module
        for part in (engine._text.transformer, engine._text.text_encoder)
        for module in part.modules()
        if getattr(module, "_diffusers_hook", None) is not None
    ]
    assert len(hooks) > 10


def test_a_lora_goes_onto_a_gguf_transformer(files: Path) -> None:
    options = {"transformer": str(files / "other.gguf")}
    one = Lora(name="one", file=str(files / "peft.safetensors"))
    both = make(files, options=options, offer={"loras": LoraOffer(choices=(one,))})
    assert not np.array_equal(frames(both, loras=[{"name": "one", "weight": 1}]), frames(both))
    assert np.array_equal(frames(both), frames(make(files, options=options)))
