"""Loads pipelines from a folder or, if the operator allows it, from the hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from jinja2 import TemplateError
from safetensors import SafetensorError

from ourvidz_worker.downloads import download_progress
from ourvidz_worker.engines.diffusion.placement import Placement, is_out_of_memory
from ourvidz_worker.engines.diffusion.shared_parts import folder_of, shared_parts
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.hub_weights import HubProblem, hub_file_names
from ourvidz_worker.weight_files import (
    FILE_SUFFIXES,
    half_variant,
    is_on_disk,
    read_problem,
    split_hub_name,
    split_revision,
)

LOAD_ERRORS = (
    *(OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError),
    *(AttributeError, SafetensorError, TemplateError),
)


def load_pipeline(
    pipeline_class: Any,
    location: str,
    settings: EngineSettings,
    placement: Placement,
    beside: Any = None,
    *,
    parts: Mapping[str, Any] | None = None,
    variant: str = "",
) -> Any:
    """Loads a pipeline of the class `pipeline_class` into main memory.

    Parts that `beside` has too are its; `parts`, by name, take the place of its own. `variant`: that of its
    files, such as fp16; where it is not given, fp16 if there is no other.

    Raises:
        EngineUnusable: the weights do not exist or are of another kind.
    """
    silence_libraries()
    repository, revision = split_revision(location)
    given = {**shared_parts(location, beside), **(parts or {})}
    with translate_load_errors(location, settings):
        pipeline = pipeline_class.from_pretrained(
            repository,
            revision=revision or None,
            dtype={"default": placement.precision, **wide_parts(pipeline_class)},
            local_files_only=not settings.allow_download,
            variant=variant or _variant(location, settings),
            use_safetensors=True,
            **given,
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


def weight_file(location: str, settings: EngineSettings) -> str:
    """The path of a .safetensors file, which may be `OWNER/NAME/PATH/FILE` on the hub.

    Raises:
        EngineUnusable: there is none.
    """
    repository, revision = split_revision(location)
    with translate_load_errors(location, settings):
        if not repository.endswith(FILE_SUFFIXES):
            raise ValueError("not a .safetensors file")
        if is_on_disk(location):
            return location
        name, inside = split_hub_name(repository)
        return str(
            hf_hub_download(
                name, inside, revision=revision or None, local_files_only=not settings.allow_download
            )
        )


def wide_parts(pipeline_class: Any) -> dict[str, Any]:
    """The parts that stay in full precision. SDXL's pipeline raises its VAE's itself while it decodes."""
    import torch

    is_wan = pipeline_class.__name__.startswith("Wan")
    return dict.fromkeys(("vae", "image_encoder"), torch.float32) if is_wan else {}


def silence_libraries() -> None:
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


def _variant(location: str, settings: EngineSettings) -> str | None:
    """`fp16` if some part has its weights only in that variant; the other parts are read too."""
    if settings.allow_download and not is_on_disk(location):
        try:
            return half_variant(hub_file_names(location))
        except HubProblem:  # what was fetched before may still be there
            pass
    folder = Path(folder_of(location))
    return half_variant(path.relative_to(folder).as_posix() for path in folder.glob("*/*.safetensors"))
