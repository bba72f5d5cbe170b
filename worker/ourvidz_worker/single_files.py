"""Which model's weights a single file holds, by the names and shapes of its tensors alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ourvidz_worker.safetensors_files import is_complete, tensor_shapes

Shapes = Mapping[str, tuple[int, ...]]

SDXL = "Stable Diffusion XL"
WAN = "Wan"
VAE = "a VAE"
LORA = "a LoRA"
GGUF_MAGIC = b"GGUF"
# What a LoRA is trained for, by the width of the text that its cross attention reads.
LORA_FAMILIES = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2"}


def checkpoint_problem(location: str, *, has_vae: bool) -> str:
    """Why this file is no complete SDXL; empty if it is. `has_vae`: a VAE is named beside it."""
    if problem := _unreadable(location):
        return problem
    shapes = tensor_shapes(Path(location))
    kind = checkpoint_kind(shapes)
    if kind != SDXL:
        return f"{location} holds {kind}, not {SDXL}"
    if not has_vae and not _any(shapes, "first_stage_model."):
        return f"{location} has no VAE: name one with vae"
    return ""


def checkpoint_kind(shapes: Shapes) -> str:
    """What the file holds, in words."""
    for kind, prefixes in (
        (LORA, ("lora_unet_", "lora_te", "lora_A", "lora_down")),
        ("an IP-Adapter", ("image_proj.", "ip_adapter.")),
        (SDXL, ("conditioner.embedders.1.model.",)),
        ("the refiner of Stable Diffusion XL, which is not supported", ("conditioner.embedders.0.model.",)),
        ("Stable Diffusion 2", ("cond_stage_model.model.",)),
        ("Stable Diffusion 1", ("cond_stage_model.",)),
        ("Flux", ("double_blocks.", "single_blocks.")),
        ("Stable Diffusion 3", ("joint_blocks.",)),
        ("a transformer of Wan", ("blocks.0.self_attn.", "blocks.0.cross_attn.", "blocks.0.attn2.to_k.")),
        ("a UNet without text encoders", ("diffusion_model.input_blocks.", "down_blocks.0.resnets.")),
        (VAE, ("decoder.conv_in.", "decoder.conv1.", "decoder.mid")),
    ):
        if any(_any(shapes, prefix) for prefix in prefixes):
            return kind
    return "nothing that is known here" if shapes else "no weights"


def prediction_of(names: Iterable[str]) -> tuple[str, bool]:
    """What the weights of a checkpoint predict, and whether to zero terminal SNR.

    Files of v-prediction are marked by empty tensors of the names `v_pred` and `ztsnr`.
    """
    marks = set(names)
    return "v_prediction" if "v_pred" in marks else "epsilon", "ztsnr" in marks


def lora_problem(location: str, engine: str) -> str:
    """Why this file is no LoRA for `engine`; empty if nothing speaks against it."""
    if problem := _unreadable(location):
        return problem
    shapes = tensor_shapes(Path(location))
    kind = lora_kind(shapes)
    wanted = {"sdxl": SDXL, "wan": WAN}[engine]
    if kind == "":
        return f"{location} holds {checkpoint_kind(shapes)}, no LoRA"
    return "" if kind == wanted else f"{location} is a LoRA for {kind}, not for {wanted}"


def lora_kind(shapes: Shapes) -> str:
    """What the LoRA is for, in words; empty if the file holds none."""
    if not any("lora_" in name for name in shapes):
        return ""
    if any("double_blocks" in name or "single_transformer_blocks" in name for name in shapes):
        return "Flux"
    if any(_is_of_wan(name) for name in shapes):
        return WAN
    widths = {
        shape[1]
        for name, shape in shapes.items()
        if "attn2" in name and "to_k" in name and len(shape) >= 2 and ("down" in name or "lora_A" in name)
    }
    families = [LORA_FAMILIES[width] for width in widths if width in LORA_FAMILIES]
    return families[0] if families else SDXL


def transformer_problem(location: str) -> str:
    """Why this file is no transformer of Wan; of .gguf files only the beginning is looked at."""
    path = Path(location)
    if path.is_dir():
        return "" if (path / "config.json").is_file() else f"{location} has no config.json"
    if path.suffix == ".gguf":
        return _gguf_problem(path)
    if problem := _unreadable(location):
        return problem
    kind = checkpoint_kind(tensor_shapes(path))
    return "" if kind == "a transformer of Wan" else f"{location} holds {kind}, no transformer of Wan"


def vae_problem(location: str) -> str:
    """Why this file or folder holds no VAE alone; empty if it does. A folder may have it in its `vae`."""
    path = Path(location)
    if path.is_dir():
        configs = (path / "config.json", path / "vae" / "config.json")
        return "" if any(each.is_file() for each in configs) else f"{location} has no config.json"
    if problem := _unreadable(location):
        return problem
    kind = checkpoint_kind(tensor_shapes(Path(location)))
    return "" if kind == VAE else f"{location} holds {kind}, no VAE alone"


def _is_of_wan(name: str) -> bool:
    bare = name.removeprefix("diffusion_model.").removeprefix("transformer.")
    return bare.startswith(("blocks.", "lora_unet_blocks_", "condition_embedder."))


def _unreadable(location: str) -> str:
    try:
        if Path(location).suffix != ".safetensors":
            return f"{location} is no .safetensors file"
        return "" if is_complete(Path(location)) else f"{location} is incomplete, or no .safetensors file"
    except OSError as error:
        return f"{location} cannot be read: {error.strerror}"


def _gguf_problem(path: Path) -> str:
    from importlib.util import find_spec

    try:
        with path.open("rb") as content:
            is_gguf = content.read(len(GGUF_MAGIC)) == GGUF_MAGIC
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if not is_gguf:
        return f"{path} is no GGUF file"
    return "" if find_spec("gguf") else f"{path} needs the package gguf: pip install './worker[gguf]'"


def _any(shapes: Shapes, part: str) -> bool:
    return any(part in name for name in shapes)
