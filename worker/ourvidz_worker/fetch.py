"""`ourvidz-worker fetch`: brings weights from the hub to its cache here, before a worker needs them.

A fetch that broke off goes on where it stopped (hub_download).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ourvidz_worker import log
from ourvidz_worker.configuration import Configuration
from ourvidz_worker.downloads import GIB, download_progress
from ourvidz_worker.engines.models import settings_for
from ourvidz_worker.hub_download import download
from ourvidz_worker.weight_files import READ_SUFFIXES, is_on_disk, split_hub_name, weight_names
from ourvidz_worker.weights_check import model_files

ATTEMPTS = 5  # of one file, while the line breaks off
PAUSE_S = 2.0
PIPELINE_MARKER, MODEL_MARKER = "model_index.json", "config.json"


class FetchFailed(Exception):
    """A sentence for the operator. `is_final`: the same command would fail again."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class HubLocation:
    """`owner/name`, a file or folder `inside` it (empty: all of it), and a revision (empty: the newest)."""

    repository: str
    inside: str
    revision: str

    @classmethod
    def parse(cls, text: str) -> HubLocation:
        """Raises FetchFailed for what can be no name on the hub."""
        name, _, revision = text.partition("@")
        repository, inside = split_hub_name(name)
        parts = [*repository.split("/"), *filter(None, inside.split("/"))]
        if name.count("/") < 1 or not all(parts) or {".", ".."} & set(parts) or name.endswith("/"):
            raise FetchFailed(
                f"{text} is no name on the hub: say OWNER/NAME, or OWNER/NAME/FILE", is_final=True
            )
        return cls(repository, inside, revision)

    @property
    def name(self) -> str:
        return "/".join(filter(None, (self.repository, self.inside)))


def locations(config: Configuration) -> list[str]:
    """What of the weights of the models, and of the embedder, is named on the hub."""
    named = [config.embedder.model] if config.embedder.has_weights else []
    for model in config.models:
        own = settings_for(config.engine, model)
        named += (own.model, own.image_model, own.enhancer)
        named += (own.style_adapter, own.character_adapter, own.image_encoder)
        named += (location for _, location in model_files(model))
    return [each for each in dict.fromkeys(named) if each and not is_on_disk(each)]


def fetch(text: str) -> str:
    """Fetch these weights; returns a line with the exact revision, by which they can be pinned.

    Raises:
        FetchFailed
    """
    location = HubLocation.parse(text)
    began = time.monotonic()
    info = _info(location)
    files = {each.rfilename: each.size or 0 for each in info.siblings or ()}
    wanted = wanted_files(location, files)
    size = sum(files[name] for name in wanted) / GIB
    pinned = f"{location.name}@{info.sha}"
    log.event("fetching", location=pinned, files=len(wanted), gib=round(size, 3))
    with download_progress(location.name):
        for name in wanted:
            _fetch_file(location, name, info.sha)
    log.event("fetched", location=pinned, seconds=round(time.monotonic() - began))
    return f"{pinned}  {len(wanted)} files, {size:.2f} GiB"


def wanted_files(location: HubLocation, names: Iterable[str]) -> list[str]:
    """The files that an engine reads, small ones first. Raises FetchFailed if it can read none."""
    names = list(names)
    if location.inside in names:
        return [location.inside]
    prefix = f"{location.inside}/" if location.inside else ""
    inner = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    is_pipeline = PIPELINE_MARKER in inner
    if not is_pipeline and MODEL_MARKER not in inner:
        raise FetchFailed(
            f"{location.name} holds no {PIPELINE_MARKER} and no {MODEL_MARKER}: name one of its files, as "
            f"{location.repository}/FILE.safetensors",
            is_final=True,
        )
    weights = weight_names(inner, is_pipeline=is_pipeline)
    depth = 2 if is_pipeline else 1
    rest = [
        name
        for name in inner
        if PurePath(name).suffix in READ_SUFFIXES
        and not name.endswith(".safetensors")
        and len(PurePath(name).parts) <= depth
    ]
    return [prefix + name for name in (*sorted(rest), *sorted(weights))]


def _info(location: HubLocation) -> Any:
    try:
        from huggingface_hub import HfApi, get_token
    except ImportError as error:
        raise FetchFailed("fetching needs huggingface_hub: pip install './worker[fetch]'") from error
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().model_info(
            location.repository, revision=location.revision or None, files_metadata=True, timeout=20
        )
    except RevisionNotFoundError as error:
        message = f"{location.repository} has no revision {location.revision} on the hub"
        raise FetchFailed(message, is_final=True) from error
    except RepositoryNotFoundError as error:
        message = f"the hub has no {location.repository}, or none for this HF_TOKEN"
        raise FetchFailed(message, is_final=True) from error
    except Exception as error:
        raise FetchFailed(f"{location.name} cannot be had from the hub: {_first_line(error)}") from error
    if info.gated and not get_token():
        raise FetchFailed(
            f"{location.name} is given to those who accept its terms on the hub: set HF_TOKEN", is_final=True
        )
    return info


def _fetch_file(location: HubLocation, name: str, commit: str) -> None:
    """Retries while the line breaks off; each attempt goes on where the last one stopped."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            path = download(location.repository, name, location.revision)
            break
        except Exception as error:
            if attempt == ATTEMPTS:
                message = (
                    f"{name} of {location.repository} broke off ({_first_line(error)}); run it again to go on"
                )
                raise FetchFailed(message) from error
            log.event("fetch_broke_off", file=name, reason=_first_line(error), attempt=attempt)
            time.sleep(PAUSE_S * attempt)
    if commit not in path.parts:
        raise FetchFailed(f"{location.repository} has changed meanwhile: run the same command again")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
