"""Tiny models of CLIP and SigLIP, with random weights and home-made tokenizers, saved to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPConfig,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from tests.engines.tiny import WORDS, clip_text, clip_tokenizer

DIMENSIONS, SIDE = 32, 32
LONGEST = 16  # tokens that the tiny SigLIP reads


def save_duals(folder: Path) -> None:
    """Folders clip, siglip."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    save_clip(folder / "clip")
    save_siglip(folder / "siglip")


def vision(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": DIMENSIONS,
        "intermediate_size": 37,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "image_size": SIDE,
        "patch_size": 8,
        **more,
    }


def save_clip(folder: Path) -> None:
    tokenizer = clip_tokenizer("<|endoftext|>")
    text = clip_text(tokenizer, DIMENSIONS).to_dict()
    config = CLIPConfig(text_config=text, vision_config=vision(), projection_dim=DIMENSIONS)
    CLIPModel(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=size).save_pretrained(folder)


def save_siglip(folder: Path) -> None:
    words = {word: number for number, word in enumerate(["<pad>", "<unk>", "</s>", *WORDS])}
    split = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    split.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=split, unk_token="<unk>", pad_token="<pad>", eos_token="</s>"
    )
    text = {
        "vocab_size": len(words),
        "hidden_size": DIMENSIONS,
        "intermediate_size": 37,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "max_position_embeddings": LONGEST,
        "projection_size": DIMENSIONS,
    }
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision())).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
