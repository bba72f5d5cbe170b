"""Compares a workflow and its bindings with the node classes and files that a ComfyUI has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ourvidz_worker.engines.comfy.options import REFERENCES, REMAINDERS, STRENGTHS, ComfyOptions
from ourvidz_worker.engines.comfy.workflow import Node, Target, is_link
from ourvidz_worker.engines.models import ChoiceOffer, LoraOffer, ModelSettings, NumberOffer

MAX_SEED = 2**32 - 1  # the server's
NUMBERS = ("INT", "FLOAT")
UPLOADS = ("image_upload", "video_upload", "audio_upload", "upload")
TEXTS = ("prompt", "negative_prompt")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a node class says of an input: its type, and for a choice what there is to choose."""

    type: str
    choices: tuple[Any, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_upload(self) -> bool:
        return any(self.extra.get(name) for name in UPLOADS)


def problems(options: ComfyOptions, model: ModelSettings, classes: Mapping[str, Any]) -> Iterator[str]:
    """What this ComfyUI lacks for the workflow, a sentence each. `classes`: its answer to /object_info."""
    bound = {target for targets in options.bind.values() for target in targets}
    for node in options.workflow.nodes.values():
        known = classes.get(node.class_type)
        if not isinstance(known, dict):
            yield f"{node}: this ComfyUI has no such node"
        else:
            yield from _missing_files(node, known, bound)
    for name, targets in options.bind.items():
        for target in targets:
            node = options.workflow.nodes[target.node]
            known = classes.get(node.class_type)
            if isinstance(known, dict):
                yield from _binding_problems(name, target, node, known, model)
    output = options.workflow.nodes[options.output]
    known = classes.get(output.class_type)
    if isinstance(known, dict) and known.get("output_node") is not True:
        yield f"output: {output} saves nothing; name the node that saves the result"


def input_spec(known: Mapping[str, Any], name: str) -> InputSpec | None:
    """None where the class does not name this input, or says nothing of it that is understood here.

    A choice is a list in place of a type, or the type COMBO with `options`; without them they are elsewhere.
    """
    groups = known.get("input")
    for group in ("required", "optional"):
        inputs = groups.get(group) if isinstance(groups, dict) else None
        spec = inputs.get(name) if isinstance(inputs, dict) else None
        if not isinstance(spec, list) or not spec:
            continue
        extra = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
        if isinstance(spec[0], list):
            return InputSpec("COMBO", tuple(spec[0]), extra)
        choices = extra.get("options")
        listed = tuple(choices) if spec[0] == "COMBO" and isinstance(choices, list) else None
        return InputSpec(str(spec[0]), listed, extra)
    return None


def _missing_files(node: Node, known: Mapping[str, Any], bound: Iterable[Target]) -> Iterator[str]:
    for name, value in node.inputs.items():
        if is_link(value) or isinstance(value, dict) or Target(node.id, name) in bound:
            continue
        spec = input_spec(known, name)
        if spec is None or spec.choices is None or value in spec.choices:
            continue
        if spec.is_upload and isinstance(value, str) and ("/" in value or value.endswith("]")):
            continue  # in a folder inside that of the inputs, which the list does not show
        yield f"{node}: this ComfyUI has no {value!r} for {name}"


def _binding_problems(
    name: str, target: Target, node: Node, known: Mapping[str, Any], model: ModelSettings
) -> Iterator[str]:
    spec = input_spec(known, target.input)
    place = f"bind.{name}: {target} of {node}"
    if spec is None:
        if "." not in target.input:  # a part of an input that is made of several
            yield f"{place}: the node has no such input"
        return
    if spec.type != "*":  # which takes anything
        yield from _type_problems(name, place, spec, model)


def _type_problems(name: str, place: str, spec: InputSpec, model: ModelSettings) -> Iterator[str]:
    if name in TEXTS:
        if spec.type != "STRING":
            yield f"{place} takes {spec.type}, not text"
    elif name in REFERENCES:
        if not (spec.is_upload or spec.type == "STRING"):
            yield f"{place} takes no picture that is uploaded"
    elif spec.choices is not None or _is_chosen(name, model):
        yield from _choice_problems(name, place, spec, model)
    elif spec.type not in (*NUMBERS, "BOOLEAN"):
        yield f"{place} takes {spec.type}, not a number"
    else:
        yield from _range_problems(name, place, spec, model)


def _is_chosen(name: str, model: ModelSettings) -> bool:
    """Whether it is a text or one of a list, not a number."""
    return isinstance(model.offer.get(name), ChoiceOffer) or isinstance(model.fixed.get(name), str)


def _choice_problems(name: str, place: str, spec: InputSpec, model: ModelSettings) -> Iterator[str]:
    offered = model.offer.get(name)
    values = offered.choices if isinstance(offered, ChoiceOffer) else ()
    if name in model.fixed:
        values = (*values, model.fixed[name])
    if not values:
        yield f"{place} is a choice: name the values in set or offer"
    for value in values if spec.choices is not None else ():
        if value not in (spec.choices or ()):
            yield f"{place}: there is no {value!r} to choose"


def _range_problems(name: str, place: str, spec: InputSpec, model: ModelSettings) -> Iterator[str]:
    lowest, highest = spec.extra.get("min"), spec.extra.get("max")
    for value in _numbers(name, model):
        if isinstance(lowest, int | float) and value < lowest:
            yield f"{place} takes {lowest:g} at least; {value:g} may come"
        if isinstance(highest, int | float) and value > highest:
            yield f"{place} takes {highest:g} at most; {value:g} may come"


def _numbers(name: str, model: ModelSettings) -> Iterator[float]:
    """The least and the greatest that may be put there, as far as they are known."""
    offered = model.offer.get(name)
    if name == "seed":
        yield from (0, MAX_SEED)
    elif name in (*STRENGTHS, *REMAINDERS):
        yield from (0, 1)
    elif isinstance(offered, NumberOffer):
        yield from (offered.lowest, offered.highest)
    elif name in model.fixed and not isinstance(offered, LoraOffer):
        yield float(model.fixed[name])
    elif name in ("width", "height"):
        yield from (size[name == "height"] for size in model.sizes.values())
