"""Pipelines from a folder or, when the operator allows it, from the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable


def load_pipeline(kind: Any, where: str, settings: EngineSettings, placement: Placement) -> Any:
    """A pipeline of the class `kind`, still in the processor's memory.

    Raises:
        EngineUnusable: the weights are not there or not of this kind.
    """
    _be_quiet()
    try:
        pipeline = kind.from_pretrained(
            where,
            dtype={"default": placement.precision, "vae": vae_precision(kind, placement)},
            local_files_only=not settings.allow_download,
            variant=_variant(where),
            use_safetensors=True,
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EngineUnusable(explain(where, error, settings)) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def vae_precision(kind: Any, placement: Placement) -> Any:
    """SDXL's pipeline widens its VAE by itself while it decodes; Wan's does not."""
    import torch

    return torch.float32 if kind.__name__.startswith("Wan") else placement.precision


def _be_quiet() -> None:
    """No bars for single files: what the worker writes is one event a line."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    for logging in (of_diffusers, of_transformers):
        logging.disable_progress_bar()
        logging.set_verbosity_error()


def explain(where: str, error: Exception, settings: EngineSettings) -> str:
    """Why weights could not be loaded, in one line."""
    if not Path(where).exists() and not settings.allow_download:
        return f"no weights at {where!r}: give a folder, or allow the hub with --allow-download"
    first_line = (str(error).strip().splitlines() or [""])[0]
    return f"the weights {where!r} cannot be used: {type(error).__name__}: {first_line[:200]}"


def public_name(where: str) -> str:
    """A folder's or a file's own name, without the way to it on this machine, or the name on the hub."""
    path = Path(where)
    return path.name if path.exists() else where


def _variant(where: str) -> str | None:
    """`fp16` for a folder that holds nothing else; such a folder is common."""
    folder = Path(where)
    if not folder.is_dir():
        return None
    names = [path.name for path in folder.glob("*/*.safetensors")]
    return "fp16" if names and all(".fp16" in name for name in names) else None
