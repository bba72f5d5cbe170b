"""Parts that two pipelines of an engine have in common, which are loaded once: text encoders and VAEs.

Wan's weights for films from a prompt and those for films from a start frame come with the same text encoder
(UMT5, 10.6 GiB in bfloat16) and the same VAE.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ourvidz_worker import log
from ourvidz_worker.file_identity import identity
from ourvidz_worker.weight_files import is_on_disk

SHAREABLE = ("text_encoder", "text_encoder_2", "vae")


def shared_parts(location: str, beside: Any) -> dict[str, Any]:
    """The parts of the pipeline `beside` that the weights at `location` hold too, byte for byte, by name.

    They are arguments of `from_pretrained`, which then does not load its own. `beside`: None, or a pipeline
    that `load_pipeline` made.
    """
    source = getattr(beside, "loaded_from", "")
    folder, other = Path(folder_of(location)), Path(folder_of(source))
    shared = {}
    for name in SHAREABLE if source else ():
        part = getattr(beside, name, None)
        ours = identity(str(folder / name)) if part is not None else ""
        if ours and ours == identity(str(other / name)):
            shared[name] = part
    if shared:
        log.event("parts_shared", weights=location, parts=", ".join(shared))
    return shared


def folder_of(location: str) -> str:
    """The folder on this machine: of a hub name, where the hub's cache has it; empty if nowhere."""
    if not location or is_on_disk(location):
        return location
    from ourvidz_worker.hub_weights import cached_location

    return cached_location("model", location)
