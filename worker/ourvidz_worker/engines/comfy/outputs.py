"""The file that the output node of a prompt made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ourvidz_worker.engines.comfy import faults
from ourvidz_worker.engines.comfy.api import OutputFile, PromptState
from ourvidz_worker.engines.comfy.workflow import Node

# Lists of files. ComfyUI's own video nodes list theirs as images, with `animated`; other nodes as the others.
FILE_LISTS = ("images", "gifs", "videos", "video", "files")
MAX_NAME = 1000


def only_file(state: PromptState, node: Node) -> OutputFile | None:
    """The one file of this node; None if it made none. Raises ComfyFault."""
    made = state.outputs.get(node.id)
    if not isinstance(made, Mapping):
        return None
    found = list(_files(made))
    if len(found) > 1:
        raise faults.wrong_number(str(node), len(found))
    if not found and (others := [name for name, value in made.items() if value and name not in FILE_LISTS]):
        names = ", ".join(sorted(map(str, others)))[:200]
        raise faults.wrong_kind(
            "The workflow of this model made no picture.",
            f"{node} made {names}, and no image or video.",
        )
    return found[0] if found else None


def _files(made: Mapping[str, Any]) -> Iterator[OutputFile]:
    for name in FILE_LISTS:
        value = made.get(name)
        for entry in value if isinstance(value, list) else ():
            if not isinstance(entry, dict):
                continue
            parts = [entry.get(key, "") for key in ("filename", "subfolder", "type")]
            if all(isinstance(part, str) and len(part) <= MAX_NAME for part in parts) and parts[0]:
                yield OutputFile(parts[0], parts[1], parts[2] or "output")
