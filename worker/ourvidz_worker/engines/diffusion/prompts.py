"""SDXL's prompts: of any length, with weights, and with more or fewer of CLIP's layers.

CLIP reads 77 tokens at once, so a longer prompt is encoded in chunks of 75 between a begin and an end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from compel.embeddings_provider import EmbeddingsProvider, ReturnedEmbeddingsType

from ourvidz_worker.engines.diffusion.emphasis import fragments_by_chunk, is_plain

CHUNK_TOKENS = 75  # without the begin and end tokens
OWN_CLIP_SKIP = 2  # SDXL reads the last layer but one
Weighted = list[tuple[int, float]]
"""Tokens, each with its weight."""


def prompt_arguments(
    pipeline: Any, prompt: str, negative_prompt: str, count: int, clip_skip: int = 0
) -> Mapping[str, Any]:
    """The prompt arguments of a call for `count` slots. The text encoders run here, just before that call.

    Without a negative prompt diffusers uses zeros if the model was trained that way. `clip_skip`: the layer
    that is read, counted from the last, as other programs count; 0 for the model's own.
    """
    prompts = (prompt, negative_prompt)
    chunks = max(
        len(_chunks(tokenizer, each)) for each in prompts for tokenizer, _ in _text_encoders(pipeline)
    )
    is_own_layer = clip_skip in (0, OWN_CLIP_SKIP)
    if chunks == 1 and is_own_layer and all(map(is_plain, prompts)):
        negative = [negative_prompt] * count if negative_prompt else None
        return {"prompt": [prompt] * count, "negative_prompt": negative}
    positive, pooled = _encode(pipeline, prompt, chunks, clip_skip)
    if negative_prompt or not pipeline.config.force_zeros_for_empty_prompt:
        negative, negative_pooled = _encode(pipeline, negative_prompt, chunks, clip_skip)
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


def _chunks(tokenizer: Any, text: str) -> list[Weighted]:
    return [chunk for part in fragments_by_chunk(text) for chunk in _of_at_most_75(_tokens(tokenizer, part))]


def _tokens(tokenizer: Any, fragments: Any) -> Weighted:
    return [
        (token, fragment.weight)
        for fragment in fragments
        for token in tokenizer(fragment.text, add_special_tokens=False).input_ids
    ]


def _of_at_most_75(tokens: Weighted) -> Iterator[Weighted]:
    for begin in range(0, max(1, len(tokens)), CHUNK_TOKENS):
        yield tokens[begin : begin + CHUNK_TOKENS]


def _encode(pipeline: Any, text: str, chunks: int, clip_skip: int = 0) -> tuple[Any, Any]:
    """(1, 77 * chunks, width) of both encoders, and the second one's pooled output for the first chunk.

    Compel applies the weights: a token's embedding moves away from that of an empty prompt, or towards it.
    """
    device, embeddings, encoder = pipeline._execution_device, [], None
    for tokenizer, text_encoder in _text_encoders(pipeline):
        encoder = _Encoder(text_encoder, clip_skip or OWN_CLIP_SKIP)
        provider = EmbeddingsProvider(
            tokenizer,
            encoder,
            returned_embeddings_type=ReturnedEmbeddingsType.PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED,
            truncate=False,
            device=device,
        )
        padded = _padded(tokenizer, _chunks(tokenizer, text), chunks)
        ids = torch.tensor([token for token, _ in padded], device=device)
        weights = torch.tensor([weight for _, weight in padded], device=device)
        embeddings.append(provider.build_weighted_embedding_tensor(ids, weights, device=device))
    assert encoder is not None
    return torch.cat(embeddings, dim=-1).to(device), encoder.pooled


def _padded(tokenizer: Any, parts: list[Weighted], chunks: int) -> Weighted:
    """The chunks, each as the tokenizer would give it alone; empty ones after the end of the text."""
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    empty: list[Weighted] = [[]] * (chunks - len(parts))
    padded: Weighted = []
    for part in (*parts, *empty):
        padded += [(begin, 1.0), *part, (end, 1.0), *[(pad, 1.0)] * (CHUNK_TOKENS - len(part))]
    return padded


class _Encoder:
    """A text encoder as Compel calls it. `pooled`: what its first call pooled, of the first chunk.

    Compel reads the last layer but one; it gets the layers without those that are skipped on top of it.
    """

    def __init__(self, text_encoder: Any, clip_skip: int) -> None:
        self._text_encoder = text_encoder
        self._clip_skip = clip_skip
        self.pooled: Any = None

    def __call__(self, ids: Any, attention_mask: Any = None, **_: Any) -> Any:
        output = self._text_encoder(ids, output_hidden_states=True)
        if self.pooled is None:
            self.pooled = output[0]
        layers = output.hidden_states
        wanted = layers[max(0, len(layers) - self._clip_skip)]
        return SimpleNamespace(hidden_states=(wanted, None))
