"""SDXL's two tokenizers, from the vocabulary that comes with the worker: single files have none."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Any

from transformers import CLIPTokenizer

SHIPPED_CONFIG = Path(__file__).parent / "sdxl_config"
MAX_TOKENS = 77
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
PADS = {"tokenizer": END, "tokenizer_2": "!"}
"""What each pads with, as its text encoder was trained."""


def clip_tokenizers() -> dict[str, Any]:
    vocabulary, merges = _vocabulary()
    return {
        name: CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=pad, model_max_length=MAX_TOKENS)
        for name, pad in PADS.items()
    }


@cache
def _vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The numbers of all tokens, and the pairs that are merged, in order: 256 bytes, the same at the end of a
    word, what the merges make, and the two marks."""
    text = gzip.decompress((SHIPPED_CONFIG / "clip" / "merges.txt.gz").read_bytes()).decode()
    pairs = [(left, right) for left, right in (line.split() for line in text.splitlines())]
    characters = _byte_characters()
    tokens = [*characters, *(f"{each}</w>" for each in characters), *map("".join, pairs), BEGIN, END]
    return {token: number for number, token in enumerate(tokens)}, pairs


def _byte_characters() -> list[str]:
    """The character for each byte, in CLIP's order: printable ones stand for themselves and come first."""
    ranges = (("!", "~"), ("¡", "¬"), ("®", "ÿ"))
    printable = [code for first, last in ranges for code in range(ord(first), ord(last) + 1)]
    return [*map(chr, printable), *(chr(256 + number) for number in range(256 - len(printable)))]
