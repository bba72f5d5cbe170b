"""Kinds of Wan's weights: what they start from, and how they were trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ourvidz_worker.pipeline_files import IMAGE_CLASS, pipeline_class

START = ("start_frame",)
START_AND_END = ("start_frame", "end_frame")
DEFAULT_SHIFT = 5.0
TWO_TRANSFORMERS_TEXT_SHIFT = 12.0  # A14B from a prompt; from a frame it has 5 as well


def has_two_transformers(pipeline: Any) -> bool:
    """Whether one transformer removes much noise and another the rest, as in Wan 2.2 A14B."""
    return pipeline.transformer is not None and getattr(pipeline, "transformer_2", None) is not None


def is_image_pipeline(folder: str) -> bool:
    """Whether these weights are for films that start from a frame, as they say themselves."""
    return pipeline_class(Path(folder)) == IMAGE_CLASS


def default_shift(pipeline: Any) -> float:
    """The shift of the noise that the weights of this pipeline are used with."""
    is_text = has_two_transformers(pipeline) and not needs_frames(pipeline)
    return TWO_TRANSFORMERS_TEXT_SHIFT if is_text else DEFAULT_SHIFT


def needs_frames(pipeline: Any) -> bool:
    """Whether the transformer takes more channels than the noise has, so that it needs a frame."""
    config = (pipeline.transformer or pipeline.transformer_2).config
    return bool(config.in_channels > pipeline.vae.config.z_dim)


def supported_frames(pipeline: Any) -> tuple[tuple[str, ...], ...]:
    """The sets of reference frames that the weights of an image pipeline were trained with.

    Wan 2.1 gives its transformer CLIP embeddings of the frames: of one (I2V) or, with a position for each,
    of two (FLF2V); Wan 2.2 A14B has the frames among its channels only, one or two; 5B overwrites the first.
    """
    config = (pipeline.transformer or pipeline.transformer_2).config
    if pipeline.config.expand_timesteps:
        return (START,)
    if not needs_frames(pipeline):
        return ()
    if config.image_dim is None:
        return START, START_AND_END
    return (START_AND_END,) if config.pos_embed_seq_len else (START,)
