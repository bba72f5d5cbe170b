"""Why a ComfyUI refuses a workflow: what it says of its nodes, as a fault of the job or of the worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ourvidz_worker.engines.comfy import faults
from ourvidz_worker.engines.comfy.api import ComfyRefusal
from ourvidz_worker.engines.comfy.options import REFERENCES, ComfyOptions
from ourvidz_worker.engines.comfy.workflow import Target

VALUE_ERRORS = ("value_smaller_than_min", "value_bigger_than_max", "value_not_in_list", "invalid_input_type")
MAX_ERRORS, MAX_TEXT = 3, 20_000  # characters of each


@dataclass(frozen=True, slots=True)
class NodeError:
    """`input` is empty where it concerns the whole node."""

    node: str
    class_type: str
    type: str
    input: str
    text: str

    def __str__(self) -> str:
        return f"node {self.node} ({self.class_type}): {self.text}"


def refusal_fault(refusal: ComfyRefusal, options: ComfyOptions) -> faults.ComfyFault:
    """Of the job, if all that is wrong is a value that the job brought; else of the worker."""
    errors = list(_node_errors(refusal.body.get("node_errors")))
    texts = "; ".join(map(str, errors[:MAX_ERRORS])) or _overall(refusal)
    names = {_name_of(error, options) for error in errors if error.type in VALUE_ERRORS}
    if names and all(error.type in VALUE_ERRORS for error in errors) and "" not in names:
        return faults.unsupported(f"this {' and '.join(sorted(names))}", f"ComfyUI refuses it: {texts}.")
    return faults.refused(f"ComfyUI refuses it: {texts}.")


def _node_errors(entries: Any) -> Iterator[NodeError]:
    for node, entry in entries.items() if isinstance(entries, Mapping) else ():
        found = entry.get("errors") if isinstance(entry, Mapping) else None
        for error in found if isinstance(found, list) else ():
            if isinstance(error, Mapping):
                yield _node_error(str(node), entry, error)


def _node_error(node: str, entry: Mapping[str, Any], error: Mapping[str, Any]) -> NodeError:
    extra = error.get("extra_info")
    name = extra.get("input_name") if isinstance(extra, Mapping) else ""
    text = f"{error.get('message', '')}: {error.get('details', '')}"
    return NodeError(
        node[:40],
        str(entry.get("class_type", ""))[:80],
        str(error.get("type", "")),
        str(name or ""),
        " ".join(text.split())[:MAX_TEXT],
    )


def _name_of(error: NodeError, options: ComfyOptions) -> str:
    """What of the job is put into this input; empty if nothing, or a picture, which its user cannot mend."""
    target = Target(error.node, error.input)
    names = (name for name, targets in options.bind.items() if target in targets and name not in REFERENCES)
    return next(names, "").replace("_", " ")


def _overall(refusal: ComfyRefusal) -> str:
    error = refusal.body.get("error")
    if isinstance(error, Mapping):
        text = f"{error.get('message', '')} {error.get('details', '')}"
    else:
        text = str(error or f"it answered {refusal.status}")
    return " ".join(text.split())[:MAX_TEXT]
