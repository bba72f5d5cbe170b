"""How far a prompt is, from what ComfyUI says of its nodes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from ourvidz_worker.engines.comfy.events import Message

UNKNOWN_S = 1.0  # the weight of a node of which nothing is known
LEAST_S = 0.02
MAX_NUMBER = 1e15  # no count is as large


class NodeTimes:
    """How long each node took the last time it ran: the weights of the next prompt's progress."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def record(self, node: str, seconds: float) -> None:
        self._seconds[node] = max(LEAST_S, seconds)

    def weight(self, node: str) -> float:
        """A node that has not run yet weighs as much as one that took a second, or as the longest."""
        return self._seconds.get(node, max(self._seconds.values(), default=UNKNOWN_S))


class PromptProgress:
    """The share of one prompt that is done, by the time that its nodes took before. It never decreases."""

    def __init__(self, nodes: Iterable[str], times: NodeTimes) -> None:
        self._times = times
        self._done = dict.fromkeys(nodes, 0.0)  # the share of each node
        self._running: tuple[str, float] | None = None  # the node, and since when
        self._share = 0.0

    def update(self, message: Message) -> float:
        data = message.data
        if message.kind == "execution_cached":
            self._finish(data.get("nodes"))
        elif message.kind == "executing":
            self._start(data.get("node"))
        elif message.kind == "executed":
            self._finish([data.get("node")])
        elif message.kind == "progress":
            self._set(data.get("node"), data)
        elif message.kind == "progress_state":
            self._set_all(data.get("nodes"))
        elif message.kind == "execution_success":
            self._finish(list(self._done))
        total = sum(self._times.weight(node) for node in self._done)
        done = sum(self._times.weight(node) * share for node, share in self._done.items())
        self._share = max(self._share, done / total if total else 0.0)
        return self._share

    def _start(self, node: Any) -> None:
        """Nodes run one after the other: the one before has ended."""
        now = time.monotonic()
        if self._running is not None and self._running[0] != node:
            name, since = self._running
            self._times.record(name, now - since)
            self._done[name] = 1.0
            self._running = None
        if isinstance(node, str) and node in self._done and self._running is None:
            self._running = (node, now)

    def _finish(self, nodes: Any) -> None:
        for node in nodes if isinstance(nodes, list) else ():
            if isinstance(node, str) and node in self._done:
                self._done[node] = 1.0

    def _set(self, node: Any, data: Mapping[str, Any]) -> None:
        value, maximum = data.get("value"), data.get("max")
        if isinstance(node, str) and node in self._done and _is_number(value) and _is_number(maximum):
            share = float(value) / float(maximum) if maximum > 0 else 0.0
            self._done[node] = max(self._done[node], min(1.0, share))

    def _set_all(self, nodes: Any) -> None:
        for node, state in nodes.items() if isinstance(nodes, dict) else ():
            if isinstance(state, dict) and state.get("state") == "running":
                self._set(node, state)


def _is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a number that can be reckoned with: JSON has no limit."""
    return isinstance(value, int | float) and abs(value) < MAX_NUMBER
