"""What a ComfyUI says of its nodes: whatever it is, progress is a share that never decreases."""

from __future__ import annotations

from typing import Any

import pytest

from ourvidz_worker.engines.comfy.events import parse_text
from ourvidz_worker.engines.comfy.progress import NodeTimes, PromptProgress


def progress_after(*messages: str) -> list[float]:
    progress = PromptProgress(["1", "2"], NodeTimes())
    parsed = [message for text in messages if (message := parse_text(text)) is not None]
    assert len(parsed) == len(messages)
    return [progress.update(message) for message in parsed]


def said(kind: str, data: str) -> str:
    return f'{{"type": "{kind}", "data": {data}}}'


@pytest.mark.parametrize(
    "number", ["9" * 400, "-" + "9" * 400, "Infinity", "NaN", "null", '"8"', "[1]", "true"]
)
@pytest.mark.parametrize("key", ["value", "max"])
def test_a_number_that_is_none_changes_nothing(number: str, key: str) -> None:
    data: dict[str, Any] = {"value": "2", "max": "4"} | {key: number}
    half = said("progress", '{"node": "1", "value": 2, "max": 4}')
    odd = f'{{"node": "1", "value": {data["value"]}, "max": {data["max"]}}}'
    nodes = f'{{"nodes": {{"1": {odd[:-1]}, "state": "running"}}}}}}'
    shares = progress_after(half, said("progress", odd), said("progress_state", nodes))
    assert shares[0] == 0.25
    assert shares == sorted(shares)
    assert shares[-1] <= 0.5


@pytest.mark.parametrize(
    "data", ["{}", '{"node": {}}', '{"node": ["1"]}', '{"nodes": [{}, 5]}', '{"nodes": 5}']
)
@pytest.mark.parametrize("kind", ["execution_cached", "executing", "executed", "progress", "progress_state"])
def test_a_node_that_is_none_changes_nothing(kind: str, data: str) -> None:
    assert progress_after(said(kind, data)) == [0.0]
