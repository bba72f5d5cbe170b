"""What the stand-in finds wrong with a prompt before it queues it."""

from __future__ import annotations

from typing import Any

Prompt = dict[str, Any]


def validated(prompt: Prompt, known: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The errors by node; and the one of the whole prompt, empty where an output node can be made."""
    for name, node in prompt.items():
        if node["class_type"] not in known:
            message = f"Cannot execute because node {node['class_type']} does not exist."
            return {}, {"type": "invalid_prompt", "message": message, "details": f"Node ID '#{name}'"}
    found = {name: _node_errors(node, known[node["class_type"]]) for name, node in prompt.items()}
    errors = {
        name: {"errors": each, "class_type": prompt[name]["class_type"], "dependent_outputs": []}
        for name, each in found.items()
        if each
    }
    outputs = [name for name, node in prompt.items() if known[node["class_type"]]["output_node"]]
    if any(not _upstream(name, prompt) & errors.keys() for name in outputs):
        return errors, {}
    return errors, {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"}


def _upstream(name: str, prompt: Prompt) -> set[str]:
    links = [value[0] for value in prompt[name]["inputs"].values() if isinstance(value, list)]
    return {name}.union(*(_upstream(each, prompt) for each in links))


def _node_errors(node: dict[str, Any], info: dict[str, Any]) -> list[dict[str, Any]]:
    required = info["input"]["required"]
    missing = [name for name in required if name not in node["inputs"]]
    errors = [_error("required_input_missing", "Required input is missing", name, name) for name in missing]
    for name, spec in {**required, **info["input"]["optional"]}.items():
        value = node["inputs"].get(name)
        if value is not None and not isinstance(value, list):
            errors += _value_errors(name, value, spec[0], spec[1] if len(spec) > 1 else {})
    return errors


def _value_errors(name: str, value: Any, kind: Any, extra: dict[str, Any]) -> list[dict[str, Any]]:
    choices = kind if isinstance(kind, list) else extra.get("options")
    if choices is not None and value not in choices and not extra.get("image_upload"):
        return [_error("value_not_in_list", "Value not in list", f"{name}: {value!r} not in {choices}", name)]
    if "max" in extra and value > extra["max"]:
        message = f"Value {value} bigger than max of {extra['max']}"
        return [_error("value_bigger_than_max", message, name, name)]
    if "min" in extra and value < extra["min"]:
        message = f"Value {value} smaller than min of {extra['min']}"
        return [_error("value_smaller_than_min", message, name, name)]
    return []


def _error(kind: str, message: str, details: str, name: str) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": {"input_name": name}}
