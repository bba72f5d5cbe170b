"""Tiny models of the real classes with random weights and home-made tokenizers, saved to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionModelWithProjection,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from tests.engines.tiny_wan import LETTERS, SEEN, clip_vision, save_wans

TOLD = 64  # what the UNet's cross attention takes
WORDS = ["a", "the", "lighthouse", "dusk", "waves", "golden", "light", "slow", "pan", "mist", "gulls", "."]


def save_all(folder: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sdxl().save_pretrained(folder / "sdxl")
    sdxl(halvings=5).save_pretrained(folder / "sdxl-coarse")
    save_wans(folder)
    save_words(folder / "words")
    save_adapters(folder)


def clip_tokenizer(pad: str) -> Any:
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], pad_token=pad, model_max_length=77)


def clip_text(tokenizer: Any, width: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=77,
        projection_dim=width,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def sdxl(halvings: int = 3, second: int = 32) -> Any:
    """`halvings` of a picture's sides on the way to latents: 5 make the product's own sizes quick.

    `second`: the width of the second text encoder, by which a single file tells it from the first.
    """
    tokenizer = clip_tokenizer("<|endoftext|>")
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=6 * 8 + second,
        cross_attention_dim=64,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(16,) * (halvings + 1),
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * (halvings + 1),
        up_block_types=("UpDecoderBlock2D",) * (halvings + 1),
        layers_per_block=1,
        sample_size=64,
        scaling_factor=0.13025,
        mid_block_add_attention=False,  # most of the time at 1024 × 1024
    )
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        timestep_spacing="leading",
    )
    return StableDiffusionXLPipeline(
        vae=vae,
        unet=unet,
        tokenizer=tokenizer,
        tokenizer_2=clip_tokenizer("!"),
        text_encoder=CLIPTextModel(clip_text(tokenizer, TOLD - second)).eval(),
        text_encoder_2=CLIPTextModelWithProjection(clip_text(tokenizer, second)).eval(),
        scheduler=scheduler,
    )


def save_words(folder: Path) -> None:
    """A language model that knows a few words and puts them together by chance."""
    vocabulary = {word: number for number, word in enumerate(["<unk>", "</s>", *WORDS])}
    split = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    split.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=split, unk_token="<unk>", eos_token="</s>")
    tokenizer.chat_template = "{% for each in messages %}{{ each.role }} : {{ each.content }} {% endfor %}"
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            intermediate_size=37,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=1024,
            bos_token_id=1,
            eos_token_id=1,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_adapters(folder: Path) -> None:
    """style.safetensors and character.safetensors, for sdxl, with the image encoder they look through."""
    CLIPVisionModelWithProjection(clip_vision()).eval().save_pretrained(folder / "clip")
    save_file(plain_projection() | in_the_unet(), folder / "style.safetensors")
    save_file(plus_projection() | in_the_unet(), folder / "character.safetensors")


def in_the_unet() -> dict[str, Any]:
    """Keys and values for every cross attention, numbered as IP-Adapter's own files do."""
    weights = {}
    for number, name in enumerate(sdxl().unet.attn_processors):
        if "attn2" in name:
            for each in ("to_k_ip", "to_v_ip"):
                weights[f"ip_adapter.{number}.{each}.weight"] = torch.randn(64, TOLD) * 2
    return weights


def plain_projection() -> dict[str, Any]:
    return {
        "image_proj.proj.weight": torch.randn(4 * TOLD, SEEN),
        "image_proj.proj.bias": torch.zeros(4 * TOLD),
        "image_proj.norm.weight": torch.ones(TOLD),
        "image_proj.norm.bias": torch.zeros(TOLD),
    }


def plus_projection(width: int = 32, depth: int = 4) -> dict[str, Any]:
    """A perceiver that looks at every patch, as in the files named "plus"."""
    weights = {
        "latents": torch.randn(1, 4, width),
        "proj_in.weight": torch.randn(width, SEEN),
        "proj_in.bias": torch.zeros(width),
        "proj_out.weight": torch.randn(TOLD, width),
        "proj_out.bias": torch.zeros(TOLD),
        "norm_out.weight": torch.ones(TOLD),
        "norm_out.bias": torch.zeros(TOLD),
    }
    for layer in range(depth):
        attention, feed = f"layers.{layer}.0", f"layers.{layer}.1"
        for norm in (f"{attention}.norm1", f"{attention}.norm2", f"{feed}.0"):
            weights |= {f"{norm}.weight": torch.ones(width), f"{norm}.bias": torch.zeros(width)}
        weights |= {
            f"{attention}.to_q.weight": torch.randn(64, width),
            f"{attention}.to_kv.weight": torch.randn(128, width),
            f"{attention}.to_out.weight": torch.randn(width, 64),
            f"{feed}.1.weight": torch.randn(4 * width, width),
            f"{feed}.3.weight": torch.randn(width, 4 * width),
        }
    return {f"image_proj.{name}": weight for name, weight in weights.items()}
