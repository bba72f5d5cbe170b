"""Tiny models of Wan's kinds, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers import (
    AutoencoderKLWan,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

LETTERS = [chr(code) for code in range(33, 127)]
SEEN = 32  # what an image encoder gives
HEADS, HEAD = 2, 16  # kernels for attention want multiples of 8


def save_wans(folder: Path) -> None:
    wan().save_pretrained(folder / "wan")
    wan(vae=coarse_vae(channels=48), channels=48, expand_timesteps=True).save_pretrained(folder / "wan-both")
    wan(WanImageToVideoPipeline, 36).save_pretrained(folder / "wan-start")
    wan_in_two().save_pretrained(folder / "wan-2.2-start")
    wan_that_sees(places=None).save_pretrained(folder / "wan-2.1-start")
    wan_that_sees(places=2).save_pretrained(folder / "wan-2.1-between")
    for name, kind, channels in (("", WanPipeline, 16), ("-start", WanImageToVideoPipeline, 36)):
        coarse = wan(kind, channels, vae=coarse_vae(), patch=(1, 4, 2))
        coarse.save_pretrained(folder / f"wan-coarse{name}")


def fine_vae() -> Any:
    """8 pixels a latent along each side, as Wan 2.1's and A14B's."""
    return AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )


def coarse_vae(channels: int = 16) -> Any:
    """16 pixels a latent along each side, as 5B's; quick, because it works on patches."""
    return AutoencoderKLWan(
        base_dim=3,
        decoder_base_dim=3,
        z_dim=channels,
        dim_mult=[1, 1, 1],
        num_res_blocks=0,
        temperal_downsample=[True, True],
        latents_mean=[0.0] * channels,
        latents_std=[1.0] * channels,
        is_residual=True,
        in_channels=48,
        out_channels=48,
        patch_size=4,
        scale_factor_spatial=16,
    )


def wan(
    kind: Any = WanPipeline,
    channels: int = 16,
    *,
    vae: Any = None,
    patch: tuple[int, int, int] = (1, 2, 2),
    sees: dict[str, int | None] | None = None,
    **more: Any,
) -> Any:
    """`channels`: 36 for a model that sees frames beside the noise; `patch`: latents that it takes as one."""
    vae = vae or fine_vae()
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
    transformer = WanTransformer3DModel(
        patch_size=patch,
        num_attention_heads=HEADS,
        attention_head_dim=HEAD,
        in_channels=channels,
        out_channels=vae.config.z_dim,
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
