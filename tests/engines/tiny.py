"""Tiny models of the real classes with random weights and home-made tokenizers, saved to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLWan,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

LETTERS = [chr(code) for code in range(33, 127)]
SEEN, TOLD = 32, 64  # what the image encoder gives, and what the UNet's cross attention takes
HEADS, HEAD = 2, 16  # kernels for attention want multiples of 8
WORDS = ["a", "the", "lighthouse", "dusk", "waves", "golden", "light", "slow", "pan", "mist", "gulls", "."]


def save_all(folder: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sdxl().save_pretrained(folder / "sdxl")
    wan().save_pretrained(folder / "wan")
    wan(expand_timesteps=True).save_pretrained(folder / "wan-both")
    wan(kind=WanImageToVideoPipeline, channels=36).save_pretrained(folder / "wan-start")
    wan_in_two().save_pretrained(folder / "wan-2.2-start")
    wan_that_sees(places=None).save_pretrained(folder / "wan-2.1-start")
    wan_that_sees(places=2).save_pretrained(folder / "wan-2.1-between")
    save_words(folder / "words")
    save_adapters(folder)


def clip_tokenizer(pad: str) -> Any:
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], pad_token=pad, model_max_length=77)


def sdxl() -> Any:
    tokenizer = clip_tokenizer("<|endoftext|>")
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=77,
        projection_dim=32,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
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
        projection_class_embeddings_input_dim=6 * 8 + 32,
        cross_attention_dim=64,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(16, 16, 16, 16),
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
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
        text_encoder=CLIPTextModel(text).eval(),
        text_encoder_2=CLIPTextModelWithProjection(text).eval(),
        scheduler=scheduler,
    )


def wan_that_sees(places: int | None) -> Any:
    """Wan 2.1 sees frames through CLIP too: one (I2V), or one at each of its `places` (FLF2V)."""
    encoder = CLIPVisionModel(clip_vision()).eval()
    looks = (encoder.config.image_size // encoder.config.patch_size) ** 2 + 1
    return wan(
        kind=WanImageToVideoPipeline,
        channels=36,
        sees={
            "image_dim": encoder.config.hidden_size,
            "added_kv_proj_dim": HEADS * HEAD,
            "pos_embed_seq_len": places and places * looks,
        },
        image_encoder=encoder,
        image_processor=clip_processor(encoder.config.image_size),
    )


def wan_in_two() -> Any:
    """Wan 2.2 A14B: a transformer for much noise and one for little."""
    both = wan(kind=WanImageToVideoPipeline, channels=36, boundary_ratio=0.9)
    both.register_modules(transformer_2=wan(channels=36).transformer)
    return both


def clip_vision() -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=SEEN,
        intermediate_size=37,
        projection_dim=SEEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
    )


def clip_processor(side: int) -> CLIPImageProcessor:
    return CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def wan(
    kind: Any = WanPipeline, channels: int = 16, sees: dict[str, int | None] | None = None, **more: Any
) -> Any:
    """`channels`: 36 for a model that sees frames beside the noise."""
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    tokenizer = T5Tokenizer(
        vocab=vocabulary + [(letter, -3.0) for letter in LETTERS], extra_ids=0, model_max_length=512
    )
    text_encoder = UMT5EncoderModel(
        UMT5Config(
            vocab_size=len(tokenizer),
            d_model=32,
            d_kv=8,
            d_ff=37,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            pad_token_id=0,
            eos_token_id=1,
        )
    ).eval()
    vae = AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=HEADS,
        attention_head_dim=HEAD,
        in_channels=channels,
        out_channels=16,
        text_dim=32,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=1024,
        **(sees or {}),
    )
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
    )
    return kind(
        tokenizer=tokenizer,
        text_encoder=text_encoder,
        vae=vae,
        transformer=transformer,
        scheduler=scheduler,
        **more,
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
