"""Loads pipelines from a folder or, if the operator allows it, from the hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from safetensors import SafetensorError

from ourvidz_worker.downloads import download_progress
from ourvidz_worker.engines.diffusion.placement import Placement, is_out_of_memory
from ourvidz_worker.engines.diffusion.shared_parts import shared_parts
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.weight_files import is_on_disk, read_problem

LOAD_ERRORS = (
    *(OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError),
    *(AttributeError, SafetensorError, TemplateError),
)


def load_pipeline(
    pipeline_class: Any, location: str, settings: EngineSettings, placement: Placement, beside: Any = None
) -> Any:
    """Loads a pipeline of the class `pipeline_class` into main memory; parts that `beside` has too are its.

    Raises:
        EngineUnusable: the weights do not exist or are of another kind.
    """
    _silence_libraries()
    with translate_load_errors(location, settings):
        pipeline = pipeline_class.from_pretrained(
            location,
            dtype={"default": placement.precision, "vae": vae_precision(pipeline_class, placement)},
            local_files_only=not settings.allow_download,
            variant=_variant(location),
            use_safetensors=True,
            **shared_parts(location, beside),
        )
    pipeline.loaded_from = location
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@contextmanager
def translate_load_errors(location: str, settings: EngineSettings) -> Iterator[None]:
    """Turns what libraries raise while they load weights into EngineUnusable, except out of memory.

    Shows how far a download is.
    """
    is_fetched = settings.allow_download and not is_on_disk(location)
    try:
        with download_progress(location) if is_fetched else nullcontext():
            yield
    except LOAD_ERRORS as error:
        if is_out_of_memory(error):
            raise
        raise EngineUnusable(load_error_message(location, error, settings)) from error


def vae_precision(pipeline_class: Any, placement: Placement) -> Any:
    """SDXL's pipeline raises its VAE's precision while it decodes; Wan's does not."""
    import torch

    return torch.float32 if pipeline_class.__name__.startswith("Wan") else placement.precision


def _silence_libraries() -> None:
    """Turns off the libraries' progress bars and messages: the worker's log has one event per line."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.disable_progress_bar()
        logging.set_verbosity_error()


def load_error_message(location: str, error: Exception, settings: EngineSettings) -> str:
    """Why the weights could not be loaded, in one line."""
    if is_on_disk(location) and (problem := read_problem(location)):
        return f"the weights {location!r} cannot be used: {problem}"
    if not is_on_disk(location) and not settings.allow_download:
        return f"no weights at {location!r}: give a folder, or allow the hub with --allow-download"
    first_line = (str(error).strip().splitlines() or [""])[0]
    return f"the weights {location!r} cannot be used: {type(error).__name__}: {first_line[:200]}"


def public_name(location: str) -> str:
    """The name of the folder or file without its path on this machine, or the name on the hub."""
    return Path(location).name if is_on_disk(location) else location


def _variant(location: str) -> str | None:
    """`fp16` if some part has its weights only in that variant; the other parts are read too."""
    folder = Path(location)
    parts = {path.parent for path in folder.glob("*/*.safetensors")}
    is_half = [all(".fp16" in path.name for path in part.glob("*.safetensors")) for part in parts]
    return "fp16" if any(is_half) else None
