"""The comfy engine: one prompt of an operator's workflow for each slot of a job."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from ourvidz_worker import log
from ourvidz_worker.engines.base import (
    NULL_PREVIEWS,
    FinishedSlot,
    Previews,
    ReportProgress,
    Result,
    ShouldStop,
)
from ourvidz_worker.engines.chosen import UnsupportedParameter, unsupported_error
from ourvidz_worker.engines.comfy import node_check
from ourvidz_worker.engines.comfy.api import ComfyAway, ComfyClient, ComfyRefusal
from ourvidz_worker.engines.comfy.faults import AWAY, ComfyFault
from ourvidz_worker.engines.comfy.options import InvalidComfyOption, read_options
from ourvidz_worker.engines.comfy.progress import NodeTimes
from ourvidz_worker.engines.comfy.prompt_run import AWAY_PATIENCE_S, while_away
from ourvidz_worker.engines.comfy.slot_run import SlotRun
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.engines.pools import SDXL_IMAGES
from ourvidz_worker.engines.references import UnreadableReference, unreadable_error
from ourvidz_worker.errors import EngineUnusable, Halted
from ourvidz_worker.protocol import AssetError, Job

MAX_PROBLEMS = 5  # named at once
MAX_ADVICE = 600  # characters


class ComfyEngine:
    """Serves one model, whose options name a ComfyUI and a workflow. Raises EngineUnusable.

    `patience_s`: how long a slot, and loading, waits for a ComfyUI that is away.
    """

    name = "comfy"
    _away: ClassVar[set[str]] = set()  # addresses at which none was, when this process asked last

    def __init__(self, model: ModelSettings, patience_s: float = AWAY_PATIENCE_S) -> None:
        try:
            self._options = read_options(model)
        except InvalidComfyOption as error:
            raise EngineUnusable(f"the model {model.name or 'of the engine comfy'}: {error}") from error
        self.model = model
        self.device = self._options.url
        self._patience_s = patience_s
        self._client_id = uuid.uuid4().hex
        self._client: ComfyClient | None = None
        self._version = ""
        self._times = NodeTimes()

    @property
    def serves(self) -> tuple[str, ...]:
        engines = ("sdxl" if name in SDXL_IMAGES else "wan" for name in self._options.job_types)
        return tuple(dict.fromkeys(engines))

    @property
    def pools(self) -> tuple[str, ...]:
        return self._options.pools

    def load(self) -> None:
        """Checks that ComfyUI has all that the workflow needs. Its models are loaded by the first prompt.

        Waits for a ComfyUI that is not there yet: both may be started with the machine. One for which a model
        has waited in vain is only asked whether it is there now.
        """
        self.close()
        client = ComfyClient(self._options.url)
        patience_s = 0.0 if client.url in self._away else self._patience_s
        try:
            found = while_away(lambda: self._problems(client), lambda: False, patience_s)
            self._away.discard(client.url)
        except (ComfyFault, ComfyRefusal) as error:
            self._away.add(client.url)
            client.close()
            raise EngineUnusable(f"ComfyUI at {self._options.url} cannot be used: {error}") from error
        if found:
            client.close()
            more = f"; and {len(found) - MAX_PROBLEMS} more" if len(found) > MAX_PROBLEMS else ""
            name = self.model.name or "the model"
            raise EngineUnusable(
                f"the workflow of {name} cannot run: {'; '.join(found[:MAX_PROBLEMS])}{more}"
            )
        self._client = client

    def _problems(self, client: ComfyClient) -> list[str]:
        self._version = client.version()
        self.device = f"ComfyUI {self._version} on {client.device() or self._options.url}"
        return list(node_check.problems(self._options, self.model, client.object_info()))

    def unload(self) -> None:
        """Asks ComfyUI to free its memory: another engine's model may need it."""
        if self._client is not None:
            with suppress(ComfyAway, ComfyRefusal):
                self._client.free(unload_models=True)
        self.close()

    def close(self) -> None:
        """Leaves ComfyUI as it is."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def job_metadata(self, job: Job) -> Mapping[str, object]:
        return {
            "device": self.device,
            "comfyui": self._version,
            "workflow_sha256": self._options.workflow.digest,
        }

    def generate(
        self,
        job: Job,
        report_progress: ReportProgress,
        should_stop: ShouldStop,
        previews: Previews = NULL_PREVIEWS,
    ) -> Iterator[FinishedSlot]:
        if self._client is None:
            raise RuntimeError("the engine is not loaded")
        for number, slot in enumerate(job.slots):
            if should_stop():
                raise Halted
            run = SlotRun(
                client=self._client,
                client_id=self._client_id,
                options=self._options,
                times=self._times,
                model_name=self.model.name or self.model.title or self.name,
                patience_s=self._patience_s,
                job=job,
                slot=slot,
                begin=number / len(job.slots),
                end=(number + 1) / len(job.slots),
                report_progress=report_progress,
                should_stop=should_stop,
                previews=previews,
            )
            outcome = _outcome(run)
            yield FinishedSlot(slot, outcome)
            if isinstance(outcome, AssetError) and outcome.code == AWAY:  # it was waited for long enough
                yield from (FinishedSlot(left, outcome) for left in job.slots[number + 1 :])
                return


def _outcome(run: SlotRun) -> Result | AssetError:
    try:
        return run.result()
    except ComfyFault as fault:
        return _for_log(fault.error, run.job)
    except UnsupportedParameter as error:
        return unsupported_error(error)
    except UnreadableReference as error:
        return unreadable_error(error)


def _for_log(error: AssetError, job: Job) -> AssetError:
    """Without the user's words, which nodes put into their messages."""
    texts = (job.prompt, job.negative_prompt)
    secrets = [*texts, *(" ".join(text.split()) for text in texts)]
    return replace(error, advice=log.redact(error.advice, secrets)[:MAX_ADVICE])
