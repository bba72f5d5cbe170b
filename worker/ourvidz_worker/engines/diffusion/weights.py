"""Pipelines from a folder or, when the operator allows it, from the hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from safetensors import SafetensorError

from ourvidz_worker.engines.diffusion.placement import Placement, is_out_of_memory
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable

UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError),
    *(AttributeError, SafetensorError, TemplateError),
)


def load_pipeline(kind: Any, where: str, settings: EngineSettings, placement: Placement) -> Any:
    """A pipeline of the class `kind`, still in the processor's memory.

    Raises:
        EngineUnusable: the weights are not there or not of this kind.
    """
    _be_quiet()
    with loading(where, settings):
        pipeline = kind.from_pretrained(
            where,
            dtype={"default": placement.precision, "vae": vae_precision(kind, placement)},
            local_files_only=not settings.allow_download,
            variant=_variant(where),
            use_safetensors=True,
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@contextmanager
def loading(where: str, settings: EngineSettings) -> Iterator[None]:
    """Turns what libraries raise over weights into EngineUnusable, but for want of memory."""
    try:
        yield
    except UNREADABLE as error:
        if is_out_of_memory(error):
            raise
        raise EngineUnusable(explain(where, error, settings)) from error


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
    """`fp16` where a part has its weights in no other form, as is common; parts that have are read too."""
    folder = Path(where)
    parts = {path.parent for path in folder.glob("*/*.safetensors")}
    is_half = [all(".fp16" in path.name for path in part.glob("*.safetensors")) for part in parts]
    return "fp16" if any(is_half) else None
