"""What a model is made of, as one digest: two machines that say the same one make the same pictures of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress

from ourvidz_worker.engines.models import LoraOffer, ModelSettings
from ourvidz_worker.file_identity import identity
from ourvidz_worker.hub_weights import cached_commit
from ourvidz_worker.model_file.engine_keys import FILES
from ourvidz_worker.weight_files import is_on_disk, split_revision


def digest_of(model: ModelSettings) -> str:
    """A SHA-256 over the identity of each file, the settings that are fixed, and the engine.

    Paths and names of files count nothing, and nothing that changes no picture: another machine may have it
    otherwise.
    """
    ignored = {*FILES, *("batch", "offload", "pace", "url", "vae_tiling")}
    made_of = {
        "engine": model.engine,
        "fixed": dict(model.fixed),
        "loras": {lora.name: lora.weight for lora in model.loras},
        "options": {name: value for name, value in model.options.items() if name not in ignored},
        "files": {about: _identity(location) for about, location in _files(model)},
    }
    text = json.dumps(made_of, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _files(model: ModelSettings) -> Iterator[tuple[str, str]]:
    offered = model.offer.get("loras")
    loras = (*model.loras, *(offered.choices if isinstance(offered, LoraOffer) else ()))
    yield from (("weights", model.weights), ("vae", model.vae))
    yield from ((f"lora {lora.name}", lora.file) for lora in loras)
    yield from ((f"second lora {lora.name}", lora.file_2) for lora in loras if lora.file_2)
    yield from ((name, str(model.options.get(name, ""))) for name in sorted(FILES))


def _identity(location: str) -> str:
    """Of what is not on this machine, or only in the hub's cache: its name on the hub, with the commit that
    is in the cache, else the revision that the operator named.
    """
    if not location or is_on_disk(location):
        return identity(location) or location
    with suppress(ImportError):  # without the hub's client nothing was fetched
        if commit := cached_commit(location):
            return f"{split_revision(location)[0]}@{commit}"
    return location
