"""SDXL's prompts of any length: CLIP reads 77 tokens at once, so what is longer is read in pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

PIECE = 75  # tokens, beside the one that starts and the one that ends it


def prompt_arguments(pipeline: Any, prompt: str, negative_prompt: str, count: int) -> Mapping[str, Any]:
    """What a call for `count` slots is given; to be called just before it, for the encoders run here.

    Without a negative prompt diffusers uses zeros where the model was trained so.
    """
    pieces = max(_pieces(pipeline, text) for text in (prompt, negative_prompt))
    if pieces == 1:
        negative = [negative_prompt] * count if negative_prompt else None
        return {"prompt": [prompt] * count, "negative_prompt": negative}
    some, pooled = _read(pipeline, prompt, pieces)
    if negative_prompt or not pipeline.config.force_zeros_for_empty_prompt:
        none, none_pooled = _read(pipeline, negative_prompt, pieces)
    else:
        none, none_pooled = torch.zeros_like(some), torch.zeros_like(pooled)
    return {
        "prompt_embeds": some.repeat(count, 1, 1),
        "pooled_prompt_embeds": pooled.repeat(count, 1),
        "negative_prompt_embeds": none.repeat(count, 1, 1),
        "negative_pooled_prompt_embeds": none_pooled.repeat(count, 1),
    }


def _readers(pipeline: Any) -> Sequence[tuple[Any, Any]]:
    return (pipeline.tokenizer, pipeline.text_encoder), (pipeline.tokenizer_2, pipeline.text_encoder_2)


def _pieces(pipeline: Any, text: str) -> int:
    longest = max(len(_tokens(tokenizer, text)) for tokenizer, _ in _readers(pipeline))
    return max(1, -(-longest // PIECE))


def _tokens(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def _read(pipeline: Any, text: str, pieces: int) -> tuple[Any, Any]:
    """(1, 77 * pieces, width) of both encoders, and what the second one makes of the first piece."""
    told, pooled = [], None
    for tokenizer, encoder in _readers(pipeline):
        ids = torch.tensor(_filled(tokenizer, _tokens(tokenizer, text), pieces))
        seen = encoder(ids.to(pipeline._execution_device), output_hidden_states=True)
        told.append(seen.hidden_states[-2].flatten(0, 1)[None])
        pooled = seen[0][:1]
    return torch.cat(told, dim=-1).to(pipeline._execution_device), pooled


def _filled(tokenizer: Any, tokens: list[int], pieces: int) -> list[list[int]]:
    """The pieces, each as the tokenizer would give it alone; empty ones where the text is over."""
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    cut = [tokens[PIECE * number : PIECE * (number + 1)] for number in range(pieces)]
    return [[begin, *part, end] + [pad] * (PIECE - len(part)) for part in cut]
