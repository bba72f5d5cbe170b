"""Single files as people have them: an SDXL in its original layout, LoRAs as kohya's and as PEFT's, Wan's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET = {
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
    "conv_in.": "input_blocks.0.0.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
}
OPEN_CLIP = {
    "text_model.encoder.layers.": "transformer.resblocks.",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
    "text_model.final_layer_norm": "ln_final",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
}
VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}


def save_checkpoint(pipeline: Any, file: Path, *marks: str, vae: bool = True) -> None:
    """An SDXL pipeline as one file. `marks`: empty tensors, such as `v_pred`."""
    weights = original_unet(pipeline.unet)
    if vae:
        weights |= {f"first_stage_model.{name}": each for name, each in original_vae(pipeline.vae).items()}
    weights |= original_text_encoders(pipeline)
    weights |= {mark: torch.zeros(0) for mark in marks}
    save_file({name: each.contiguous() for name, each in weights.items()}, file)


def original_unet(unet: Any) -> dict[str, Any]:
    per_block = unet.config.layers_per_block + 1

    def named(name: str) -> str:
        for ours, theirs in UNET.items():
            if name.startswith(ours):
                return name.replace(ours, theirs, 1)
        if match := re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", name):
            kind, number, rest = match.groups()
            at = 1 if kind == "attentions" else 2 * int(number)
            return f"middle_block.{at}.{resnet(rest) if kind == 'resnets' else rest}"
        match = re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", name)
        assert match, name
        side, block, kind, layer, rest = match.groups()
        at = int(block) * per_block + int(layer) + (side == "down")
        if kind == "downsamplers":
            return f"input_blocks.{(int(block) + 1) * per_block}.0.op.{rest.removeprefix('conv.')}"
        if kind == "upsamplers":
            has_attention = any(f"up_blocks.{block}.attentions" in each for each in unet.state_dict())
            last = int(block) * per_block + per_block - 1
            return f"output_blocks.{last}.{2 if has_attention else 1}.{rest}"
        blocks = "input_blocks" if side == "down" else "output_blocks"
        inner = f"0.{resnet(rest)}" if kind == "resnets" else f"1.{rest}"
        return f"{blocks}.{at}.{inner}"

    def resnet(rest: str) -> str:
        part, _, end = rest.partition(".")
        return f"{RESNET[part]}.{end}"

    return {f"model.diffusion_model.{named(name)}": each for name, each in unet.state_dict().items()}


def original_vae(vae: Any) -> dict[str, Any]:
    last = len(vae.config.up_block_types) - 1
    renamed = {}
    for name, each in vae.state_dict().items():
        name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        if "mid_block.attentions.0" in name:
            name = name.replace("mid_block.attentions.0", "mid.attn_1")
            for ours, theirs in VAE_ATTENTION.items():
                name = name.replace(f".{ours}.", f".{theirs}.")
            each = each[:, :, None, None] if each.ndim == 2 else each
        name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
        name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
        name = re.sub(
            r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{last - int(m[1])}.block.{m[2]}", name
        )
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{last - int(m[1])}.upsample", name)
        renamed[name] = each
    return renamed


def original_text_encoders(pipeline: Any) -> dict[str, Any]:
    first = {
        f"conditioner.embedders.0.transformer.text_model.{name.removeprefix('text_model.')}": each
        for name, each in pipeline.text_encoder.state_dict().items()
    }
    second: dict[str, Any] = {}
    state = pipeline.text_encoder_2.state_dict()
    for name, each in state.items():
        if name == "text_projection.weight":
            second["text_projection"] = each.T
        elif ".q_proj." in name:
            all_three = [state[name.replace("q_proj", kind)] for kind in ("q_proj", "k_proj", "v_proj")]
            renamed = _renamed(name.split(".self_attn.")[0] + ".") + "attn.in_proj_" + name.rsplit(".", 1)[1]
            second[renamed] = torch.cat(all_three)
        elif ".k_proj." not in name and ".v_proj." not in name:
            second[_renamed(name)] = each
    return first | {f"conditioner.embedders.1.model.{name}": each for name, each in second.items()}


def _renamed(name: str) -> str:
    for ours, theirs in OPEN_CLIP.items():
        name = name.replace(ours, theirs)
    return name


def lora(model: Any, modules: str, rank: int = 4) -> dict[str, tuple[Any, Any]]:
    """Down and up weights for the linear layers whose name matches `modules`, by that name."""
    torch.manual_seed(7)
    return {
        name: (torch.randn(rank, layer.in_features), torch.randn(layer.out_features, rank))
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and re.search(modules, name)
    }


def save_kohya_lora(file: Path, **parts: dict[str, tuple[Any, Any]]) -> None:
    """`parts`: layers by the prefix of kohya's names, such as `lora_unet`; the dots become underscores."""
    weights: dict[str, Any] = {}
    for prefix, layers in parts.items():
        for name, (down, up) in layers.items():
            flat = f"{prefix}_{name.replace('.', '_')}"
            weights |= {
                f"{flat}.lora_down.weight": down,
                f"{flat}.lora_up.weight": up,
                f"{flat}.alpha": torch.tensor(float(len(down))),
            }
    save_file(weights, file)


def save_peft_lora(file: Path, prefix: str, layers: dict[str, tuple[Any, Any]]) -> None:
    weights: dict[str, Any] = {}
    for name, (down, up) in layers.items():
        weights |= {f"{prefix}.{name}.lora_A.weight": down, f"{prefix}.{name}.lora_B.weight": up}
    save_file(weights, file)


WAN = {
    "condition_embedder.time_embedder.linear_1": "time_embedding.0",
    "condition_embedder.time_embedder.linear_2": "time_embedding.2",
    "condition_embedder.text_embedder.linear_1": "text_embedding.0",
    "condition_embedder.text_embedder.linear_2": "text_embedding.2",
    "condition_embedder.time_proj": "time_projection.1",
    "attn1": "self_attn",
    "attn2": "cross_attn",
    ".to_out.0.": ".o.",
    ".to_q.": ".q.",
    ".to_k.": ".k.",
    ".to_v.": ".v.",
    "proj_out": "head.head",
    "ffn.net.0.proj": "ffn.0",
    "ffn.net.2": "ffn.2",
    "norm2": "norm__3",
    "norm3": "norm2",
    "norm__3": "norm3",
}


def original_wan(transformer: Any) -> dict[str, Any]:
    """A transformer of Wan in its original layout."""
    weights = {}
    for name, each in transformer.state_dict().items():
        if name == "scale_shift_table":
            name = "head.modulation"
        name = name.replace("scale_shift_table", "modulation")
        for ours, theirs in WAN.items():
            name = name.replace(ours, theirs)
        weights[name] = each.contiguous()
    return weights
