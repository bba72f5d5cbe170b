"""Runs one prompt in a ComfyUI: queues it, follows it to its end, takes it back when it is not wanted."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from ourvidz_worker import log
from ourvidz_worker.engines.base import ShouldStop
from ourvidz_worker.engines.comfy import faults
from ourvidz_worker.engines.comfy.api import ComfyAway, ComfyClient, ComfyRefusal, PromptState
from ourvidz_worker.engines.comfy.events import Events, Message, PreviewFrame
from ourvidz_worker.errors import Halted

AWAY_PATIENCE_S = 60.0  # a ComfyUI that is started again, with its nodes, takes as long
TICK_S = 0.1
POLL_S, QUIET_POLL_S = 1.0, 5.0  # without the socket, and with it
ENDING_POLL_S = 0.2  # once it has said that the prompt ends
ENDINGS = ("execution_success", "execution_error", "execution_interrupted")

OnProgress = Callable[[Message], None]
OnPreview = Callable[[bytes], None]
OnQueue = Callable[[int], None]
T = TypeVar("T")


def while_away(call: Callable[[], T], should_stop: ShouldStop, patience_s: float) -> T:
    """Repeats `call` while ComfyUI is away. Raises Halted, ComfyFault."""
    deadline = time.monotonic() + patience_s
    reason: ComfyAway | None = None
    while True:
        try:
            return call()
        except ComfyAway as error:
            if reason is None and patience_s:  # else a minute would pass without a word
                log.event("comfy_away", reason=str(error), patience_s=round(patience_s))
            reason = error
        if time.monotonic() > deadline:
            waited = f"; it was away for {patience_s:.0f} s" if patience_s else ""
            raise faults.away(f"{reason}{waited}.") from reason
        pause = time.monotonic() + 1.0
        while time.monotonic() < pause:
            if should_stop():
                raise Halted
            time.sleep(TICK_S)


class PromptRun:
    """One prompt with an id of its own. `on_queue` is told how many are before it, while it waits."""

    def __init__(
        self,
        client: ComfyClient,
        client_id: str,
        should_stop: ShouldStop,
        *,
        on_progress: OnProgress,
        on_preview: OnPreview,
        on_queue: OnQueue,
        patience_s: float = AWAY_PATIENCE_S,
    ) -> None:
        self.id = str(uuid.uuid4())
        self._client = client
        self._client_id = client_id
        self._should_stop = should_stop
        self._on_progress = on_progress
        self._on_preview = on_preview
        self._on_queue = on_queue
        self._patience_s = patience_s
        self._was_cut_off = False

    def run(self, prompt: Mapping[str, Any]) -> PromptState:
        """How it ended. Raises ComfyRefusal, ComfyFault, Halted."""
        with Events(self._client, self._client_id) as events:
            errors = self._submit(prompt)
            has_ended = False
            try:
                if errors:  # it runs all the same, without the nodes that depend on these
                    raise ComfyRefusal(200, {"node_errors": errors})
                state = self._follow(events)
                has_ended = True
                return state
            finally:
                if not has_ended:
                    self._cancel()

    def _submit(self, prompt: Mapping[str, Any]) -> Mapping[str, Any]:
        """An answer that was lost is no reason to queue the prompt twice."""

        def submit() -> Mapping[str, Any]:
            if self._was_cut_off and self._client.state(self.id).is_known:
                return {}
            try:
                return self._client.submit(prompt, self.id, self._client_id)
            except ComfyAway:
                self._was_cut_off = True
                raise

        errors = while_away(submit, self._should_stop, self._patience_s)
        self._was_cut_off = False
        return errors

    def _follow(self, events: Events) -> PromptState:
        due, unknown, is_ending = time.monotonic() + POLL_S, 0, False
        while True:
            if self._should_stop():
                raise Halted
            received = events.receive(TICK_S)
            is_ending = self._note(received) or is_ending
            if time.monotonic() < due and (unknown or not is_ending):
                continue
            state = while_away(self._ask, self._should_stop, self._patience_s)
            if state.has_ended:
                return state
            unknown = 0 if state.is_known else unknown + 1
            if unknown > 1:  # asked again a moment later: between the queue and the history it is in neither
                raise self._vanished(events)
            if state.is_known and not state.is_running:
                self._on_queue(state.ahead)
            is_quiet = events.is_connected and state.is_running
            due = time.monotonic() + (ENDING_POLL_S if is_ending else QUIET_POLL_S if is_quiet else POLL_S)
            is_ending = False

    def _ask(self) -> PromptState:
        try:
            return self._client.state(self.id)
        except ComfyAway:
            self._was_cut_off = True
            raise

    def _note(self, received: Message | PreviewFrame | None) -> bool:
        """Whether it says that this prompt is ending. The history has it a moment later."""
        if received is None or received.prompt_id not in ("", self.id):
            return False
        if isinstance(received, PreviewFrame):
            self._on_preview(received.picture)
            return False
        if not received.prompt_id:
            return False
        self._on_progress(received)
        return received.kind in ENDINGS or (
            received.kind == "executing" and received.data.get("node", "") is None
        )

    def _vanished(self, events: Events) -> faults.ComfyFault:
        if self._was_cut_off or events.losses:
            return faults.restarted("Its queue and history are in memory: this prompt is lost.")
        return faults.removed(self.id)

    def _cancel(self) -> None:
        try:
            self._client.cancel(self.id)
        except (ComfyAway, ComfyRefusal) as error:
            log.event("comfy_not_cancelled", prompt=self.id, reason=str(error))
        with suppress(ComfyAway, ComfyRefusal):
            self._wait_until_stopped()

    def _wait_until_stopped(self) -> None:
        """A node stops between two steps; meanwhile the next job would only wait for it."""
        for _ in range(10):
            state = self._client.state(self.id)
            if state.has_ended or not state.is_known:
                return
            time.sleep(TICK_S)
