"""A workflow in ComfyUI's API format, and the inputs of its nodes that a job's values are put into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_BYTES = 4 * 2**20
MAX_NODES = 2000
INPUTS = ".inputs."


class InvalidWorkflow(ValueError):
    """The file is no workflow that can be run; the message says why, in a sentence without its start."""


@dataclass(frozen=True, slots=True)
class Target:
    """An input of a node, written `6.inputs.text`."""

    node: str
    input: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """Raises ValueError."""
        node, separator, name = text.partition(INPUTS)
        if not (node and separator and name):
            raise ValueError(f"{text!r} is no input of a node, such as 6.inputs.text")
        return cls(node, name)

    def __str__(self) -> str:
        return f"{self.node}{INPUTS}{self.input}"


@dataclass(frozen=True, slots=True)
class Node:
    """`inputs`: its values, and links: lists of another node's id and the number of its output."""

    id: str
    class_type: str
    inputs: Mapping[str, Any]

    def __str__(self) -> str:
        return f"node {self.id} ({self.class_type})"


@dataclass(frozen=True, slots=True)
class Workflow:
    """`digest`: SHA-256 in hex of the whole, whatever the order of its keys and the space between them."""

    nodes: Mapping[str, Node]
    digest: str

    def with_values(self, values: Mapping[Target, Any]) -> dict[str, Any]:
        """The workflow as ComfyUI takes it, with these values in their places."""
        prompt: dict[str, Any] = {
            node.id: {"class_type": node.class_type, "inputs": dict(node.inputs)}
            for node in self.nodes.values()
        }
        for target, value in values.items():
            prompt[target.node]["inputs"][target.input] = value
        return prompt


def is_link(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def read_workflow(path: Path) -> Workflow:
    """Raises InvalidWorkflow."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidWorkflow(f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise InvalidWorkflow(f"has over {MAX_BYTES} bytes")
    try:
        body = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidWorkflow(f"is not JSON: {error}") from error
    return parse_workflow(body)


def parse_workflow(body: Any) -> Workflow:
    """Raises InvalidWorkflow."""
    if not isinstance(body, dict) or not body:
        raise InvalidWorkflow("is no workflow: it has no nodes")
    if isinstance(body.get("nodes"), list):
        raise InvalidWorkflow("is saved for the editor; export it in the API format (File, Export (API))")
    if len(body) > MAX_NODES:
        raise InvalidWorkflow(f"has over {MAX_NODES} nodes")
    nodes = {name: _node(name, node) for name, node in body.items()}
    for node in nodes.values():
        _check_links(node, nodes)
    return Workflow(nodes, digest_of(body))


def digest_of(value: Any) -> str:
    """SHA-256 in hex of a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _node(name: str, body: Any) -> Node:
    if not isinstance(body, dict) or not isinstance(body.get("class_type"), str):
        raise InvalidWorkflow(f"is no workflow in the API format: its entry {name[:40]!r} has no class_type")
    inputs = body.get("inputs", {})
    if not isinstance(inputs, dict):
        raise InvalidWorkflow(f"is no workflow: the inputs of node {name[:40]} are no table")
    return Node(name, body["class_type"], inputs)


def _check_links(node: Node, nodes: Mapping[str, Node]) -> None:
    for name, value in node.inputs.items():
        if is_link(value) and value[0] not in nodes:
            raise InvalidWorkflow(f"is not whole: {name} of {node} comes from a node {value[0]}")
