"""The keys of an entry of `[[models]]` that the comfy engine reads, and what they must say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ourvidz_worker.engines.comfy.workflow import InvalidWorkflow, Target, Workflow, is_link, read_workflow
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.engines.pools import SDXL_IMAGES, WAN_IMAGES, WAN_VIDEOS, with_references

LOOKS = ("style", "composition", "character")
FRAMES = ("start_frame", "end_frame")
REFERENCES = (*LOOKS, *FRAMES)
SIZE = ("width", "height")
JOB_VALUES = ("prompt", "negative_prompt", "seed", *SIZE)
JOB_TYPE_VALUES = ("steps", "guidance", "shift", "frames", "fps")
STRENGTHS = tuple(f"{each}_strength" for each in LOOKS)
REMAINDERS = tuple(f"{each}_denoise" for each in LOOKS)  # 1 - strength: how far a sampler may go from it
KNOWN = (*JOB_VALUES, *JOB_TYPE_VALUES, *REFERENCES, *STRENGTHS, *REMAINDERS)
NEGATIVE = "negative"  # of `set`
ELSEWHERE = {NEGATIVE: "negative_prompt", "positive": "prompt", "text": "prompt", "cfg": "guidance"}


class InvalidComfyOption(ValueError):
    """An option that is missing or wrong; the message begins with its key, such as `bind.seed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComfyOptions:
    """`bind`: the inputs that each value of a job is put into. `output`: the node whose file is the result.

    `references`: the types of reference that the workflow is bound to; it needs each of them.
    """

    url: str
    workflow: Workflow
    bind: Mapping[str, tuple[Target, ...]]
    output: str
    job_types: tuple[str, ...]
    references: tuple[str, ...]

    @property
    def pools(self) -> tuple[str, ...]:
        return with_references(self.job_types, *self.references)

    @property
    def is_video(self) -> bool:
        return self.job_types[0] in WAN_VIDEOS


def read_options(model: ModelSettings) -> ComfyOptions:
    """The options of an entry with the engine comfy, read with its workflow. Raises InvalidComfyOption."""
    url = _url(model.options.get("url"))
    workflow = _workflow(model.options.get("workflow"))
    bind = _bind(model.options.get("bind"), workflow)
    output = _output(model.options.get("output"), workflow)
    references = tuple(name for name in REFERENCES if name in bind)
    job_types = _job_types(model.job_types, references)
    _check_names(bind, model)
    _check_size(bind, model)
    for kind, value in (("weights", model.weights), ("vae", model.vae), ("loras", model.loras)):
        if value:
            raise InvalidComfyOption(f"{kind}: the workflow names its own")
    return ComfyOptions(
        url=url, workflow=workflow, bind=bind, output=output, job_types=job_types, references=references
    )


def _url(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidComfyOption("url: is missing; it is ComfyUI's address, such as http://127.0.0.1:8188")
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna").decode("idna")  # an empty or long label, or no punycode
    except ValueError:
        is_address = False
    if not (is_address and value.isascii() and value.isprintable() and " " not in value):
        raise InvalidComfyOption(f"url: {value[:100]!r} is no address, such as http://127.0.0.1:8188")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidComfyOption("url: holds a user name, a query or a fragment, and may hold none")
    return value.rstrip("/")


def _workflow(value: Any) -> Workflow:
    if not isinstance(value, str) or not value:
        raise InvalidComfyOption("workflow: is missing; it is a file in ComfyUI's API format")
    try:
        return read_workflow(Path(value))
    except InvalidWorkflow as error:
        raise InvalidComfyOption(f"workflow: {value} {error}") from error


def _bind(value: Any, workflow: Workflow) -> dict[str, tuple[Target, ...]]:
    if not isinstance(value, Mapping) or not value:
        raise InvalidComfyOption('bind: is missing; it says where values go: {prompt = "6.inputs.text", …}')
    bind = {name: tuple(_targets(name, given, workflow)) for name, given in value.items()}
    taken: dict[Target, str] = {}
    for name, targets in bind.items():
        for target in targets:
            if target in taken:
                raise InvalidComfyOption(f"bind.{name}: {target} is bound to {taken[target]} too")
            taken[target] = name
    return bind


def _targets(name: str, given: Any, workflow: Workflow) -> Iterator[Target]:
    texts = given if isinstance(given, list | tuple) else [given]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InvalidComfyOption(f"bind.{name}: must be an input such as 6.inputs.text, or a list of them")
    for text in texts:
        try:
            target = Target.parse(text)
        except ValueError as error:
            raise InvalidComfyOption(f"bind.{name}: {error}") from error
        if problem := _target_problem(target, workflow):
            raise InvalidComfyOption(f"bind.{name}: {problem}")
        yield target


def _target_problem(target: Target, workflow: Workflow) -> str:
    node = workflow.nodes.get(target.node)
    if node is None:
        return f"the workflow has no node {target.node[:40]}"
    if target.input not in node.inputs:
        inputs = ", ".join(name for name, value in node.inputs.items() if not is_link(value)) or "none"
        return f"{node} has no input {target.input[:40]}; it has {inputs}"
    value = node.inputs[target.input]
    return f"{target} comes from node {value[0]}: bind that node's input" if is_link(value) else ""


def _output(value: Any, workflow: Workflow) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidComfyOption("output: is missing; it is the id of the node whose files are the results")
    if value not in workflow.nodes:
        raise InvalidComfyOption(f"output: the workflow has no node {value[:40]}")
    return value


def _job_types(names: tuple[str, ...], references: Iterable[str]) -> tuple[str, ...]:
    usable: dict[str, tuple[str, ...]] = {
        **dict.fromkeys(SDXL_IMAGES, LOOKS),
        **dict.fromkeys(WAN_IMAGES, ()),
        **dict.fromkeys(WAN_VIDEOS, FRAMES),
    }
    if not names:
        raise InvalidComfyOption(f"job_types: is missing; a workflow may do {', '.join(usable)}")
    for name in names:
        if name not in usable:
            raise InvalidComfyOption(f"job_types: no workflow does {name}; it may do {', '.join(usable)}")
        if strange := [each for each in references if each not in usable[name]]:
            raise InvalidComfyOption(f"bind.{strange[0]}: jobs of the type {name} have no such reference")
    if len({name in WAN_VIDEOS for name in names}) > 1:
        raise InvalidComfyOption("job_types: one workflow makes images or videos, not both")
    if "end_frame" in references and "start_frame" not in references:
        raise InvalidComfyOption("bind.end_frame: needs start_frame too")
    return names


def _check_names(bind: Mapping[str, Any], model: ModelSettings) -> None:
    own = {*model.fixed, *model.offer}
    if taken := sorted(own & {*JOB_VALUES, *REFERENCES, *STRENGTHS, *REMAINDERS}):
        key = "offer" if taken[0] in model.offer else "set"
        raise InvalidComfyOption(f"{key}.{taken[0]}: each job has its own")
    for name in ("prompt", "seed"):
        if name not in bind:
            raise InvalidComfyOption(f"bind.{name}: is missing; every result has its own {name}")
    for name in bind:
        if name in KNOWN or name in own - {NEGATIVE}:
            continue
        meant = f"; say {ELSEWHERE[name]}" if name in ELSEWHERE else f"; there are {', '.join(KNOWN)}"
        why = "goes before the job's" if name in own else "is neither in set nor in offer"
        raise InvalidComfyOption(f"bind.{name}: {why}{meant}")
    _check_places(bind, model)
    _check_strengths(bind)


def _check_places(bind: Mapping[str, Any], model: ModelSettings) -> None:
    """A fixed negative prompt is put before the job's; all others have inputs of their own."""
    for name in (*model.fixed, *model.offer):
        place = "negative_prompt" if name == NEGATIVE else name
        if place not in bind:
            key = "offer" if name in model.offer else "set"
            raise InvalidComfyOption(f"{key}.{name}: has no place in the workflow; name one in bind.{place}")


def _check_strengths(bind: Mapping[str, Any]) -> None:
    """A frame is used as it is; of the other references users say how much of them is to be kept."""
    for reference in LOOKS:
        strengths = [f"{reference}_strength", f"{reference}_denoise"]
        is_bound = any(name in bind for name in strengths)
        if reference in bind and not is_bound:
            raise InvalidComfyOption(f"bind.{reference}: needs {' or '.join(strengths)} too")
        if is_bound and reference not in bind:
            raise InvalidComfyOption(f"bind.{reference}: is missing, and its strength is bound")


def _check_size(bind: Mapping[str, Any], model: ModelSettings) -> None:
    bound = [name for name in SIZE if name in bind]
    if len(bound) == 1:
        raise InvalidComfyOption(f"bind: has {bound[0]} alone; width and height go together")
    if not bound and len(model.sizes) != 1:
        raise InvalidComfyOption(
            "bind: has no width and height; without them, name in sizes the one size made"
        )
