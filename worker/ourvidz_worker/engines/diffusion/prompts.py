"""SDXL's prompts of any length: CLIP reads 77 tokens at once, so a longer prompt is encoded in chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

CHUNK_TOKENS = 75  # without the begin and end tokens


def prompt_arguments(pipeline: Any, prompt: str, negative_prompt: str, count: int) -> Mapping[str, Any]:
    """The prompt arguments of a call for `count` slots. The text encoders run here, just before that call.

    Without a negative prompt diffusers uses zeros if the model was trained that way.
    """
    chunks = max(_chunk_count(pipeline, text) for text in (prompt, negative_prompt))
    if chunks == 1:
        negative = [negative_prompt] * count if negative_prompt else None
        return {"prompt": [prompt] * count, "negative_prompt": negative}
    positive, pooled = _encode(pipeline, prompt, chunks)
    if negative_prompt or not pipeline.config.force_zeros_for_empty_prompt:
        negative, negative_pooled = _encode(pipeline, negative_prompt, chunks)
    else:
        negative, negative_pooled = torch.zeros_like(positive), torch.zeros_like(pooled)
    return {
        "prompt_embeds": positive.repeat(count, 1, 1),
        "pooled_prompt_embeds": pooled.repeat(count, 1),
        "negative_prompt_embeds": negative.repeat(count, 1, 1),
        "negative_pooled_prompt_embeds": negative_pooled.repeat(count, 1),
    }


def _text_encoders(pipeline: Any) -> Sequence[tuple[Any, Any]]:
    return (pipeline.tokenizer, pipeline.text_encoder), (pipeline.tokenizer_2, pipeline.text_encoder_2)


def _chunk_count(pipeline: Any, text: str) -> int:
    longest = max(len(_tokens(tokenizer, text)) for tokenizer, _ in _text_encoders(pipeline))
    return max(1, -(-longest // CHUNK_TOKENS))


def _tokens(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def _encode(pipeline: Any, text: str, chunks: int) -> tuple[Any, Any]:
    """(1, 77 * chunks, width) of both encoders, and the second one's pooled output for the first chunk."""
    embeddings, pooled = [], None
    for tokenizer, encoder in _text_encoders(pipeline):
        ids = torch.tensor(_chunked(tokenizer, _tokens(tokenizer, text), chunks))
        output = encoder(ids.to(pipeline._execution_device), output_hidden_states=True)
        embeddings.append(output.hidden_states[-2].flatten(0, 1)[None])
        pooled = output[0][:1]
    return torch.cat(embeddings, dim=-1).to(pipeline._execution_device), pooled


def _chunked(tokenizer: Any, tokens: list[int], chunks: int) -> list[list[int]]:
    """The chunks, each as the tokenizer would give it alone; empty ones after the end of the text."""
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    parts = [tokens[CHUNK_TOKENS * number : CHUNK_TOKENS * (number + 1)] for number in range(chunks)]
    return [[begin, *part, end] + [pad] * (CHUNK_TOKENS - len(part)) for part in parts]
