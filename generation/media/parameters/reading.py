"""The generation parameters in a PNG, JPEG, WebP or MP4: ours, and what other common programs write.

Reads texts alone, bounded, and decodes no pixels; what a file holds never makes it raise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from generation.media.parameters.comfyui import from_prompt
from generation.media.parameters.found import Parameters, json_object, parameters
from generation.media.parameters.infotext import from_infotext
from generation.media.parameters.json_formats import from_invokeai, from_settings
from generation.media.parameters.texts import embedded_texts

# Where programs put one text with everything; the first that says something.
PLACES = ("parameters", "UserComment", "comment", "Comment", "description", "ImageDescription", "XPComment")
# ComfyUI's WebP has its graphs in EXIF tags, each behind its name.
GRAPH_PLACES = ("Model", "Make", "ImageDescription")
ONLY_A_WORKFLOW = "This file holds a ComfyUI workflow, but not what ran; nothing is guessed from that."


def read_parameters(content: BinaryIO) -> Parameters | None:
    """What the seekable file says of how it was made; None if it says nothing that is known here."""
    return parameters_in(embedded_texts(content))


def parameters_in(texts: Mapping[str, str]) -> Parameters | None:
    """What a file's texts, by their names, say."""
    graphs = _graphs(texts)
    tries = [from_invokeai(texts), *(_of_one(texts[place]) for place in PLACES if place in texts)]
    tries.append(from_prompt(json_object(graphs.get("prompt"))))
    if found := next(filter(None, tries), None):
        return found
    return parameters("ComfyUI", notes=[ONLY_A_WORKFLOW]) if json_object(graphs.get("workflow")) else None


def _of_one(text: str) -> Parameters | None:
    said = json_object(text)
    if not said:
        return from_infotext(text)
    return from_settings(said) or from_prompt(json_object(said.get("prompt")))


def _graphs(texts: Mapping[str, str]) -> dict[str, object]:
    """ComfyUI's `prompt` and `workflow`, wherever they stand."""
    found: dict[str, object] = {name: texts[name] for name in ("prompt", "workflow") if name in texts}
    for place in GRAPH_PLACES:
        name, colon, rest = texts.get(place, "").partition(":")
        if colon and name in ("prompt", "workflow"):
            found.setdefault(name, rest)
    for place in ("comment", "UserComment"):
        if not found and (said := json_object(texts.get(place, ""))):
            found |= {name: said[name] for name in ("prompt", "workflow") if name in said}
    return found
