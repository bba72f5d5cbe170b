"""One slot of a job, from its values to its file."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from ourvidz_worker import log
from ourvidz_worker.engines import xmp
from ourvidz_worker.engines.base import Previews, ReportProgress, Result, ShouldStop
from ourvidz_worker.engines.comfy import faults
from ourvidz_worker.engines.comfy.api import MAX_FILE_BYTES, ComfyClient, ComfyRefusal, PromptState, TooLarge
from ourvidz_worker.engines.comfy.events import Message
from ourvidz_worker.engines.comfy.films import film
from ourvidz_worker.engines.comfy.options import SIZE, ComfyOptions
from ourvidz_worker.engines.comfy.outputs import only_file
from ourvidz_worker.engines.comfy.progress import NodeTimes, PromptProgress
from ourvidz_worker.engines.comfy.prompt_run import PromptRun, while_away
from ourvidz_worker.engines.comfy.refusals import refusal_fault
from ourvidz_worker.engines.comfy.stills import still
from ourvidz_worker.engines.comfy.values import placed, values_for
from ourvidz_worker.engines.infotext import fixed_negative_field, parameters_text, setting_fields
from ourvidz_worker.engines.references import decode_image
from ourvidz_worker.errors import Halted
from ourvidz_worker.protocol import Job, Reference, Slot

SUBFOLDER = "ourvidz"
ROOM_FOR_WORKFLOW = 8 * 2**20  # bytes of it in the file, which are not delivered
ENCODING_FROM = 0.98  # the share of a slot's time after which its file is fetched
CLEARING_S = 1.0  # ComfyUI empties its cache between two prompts, a moment after it was told to
MAX_PREVIEW_PIXELS = 4_000_000
TEXTS = ("prompt", "negative_prompt")


@dataclass(kw_only=True)
class SlotRun:
    """`job` has the parameters that the model goes by. `begin`, `end`: the slot's share of the whole job."""

    client: ComfyClient
    client_id: str
    options: ComfyOptions
    times: NodeTimes
    model_name: str
    patience_s: float
    job: Job
    slot: Slot
    begin: float
    end: float
    report_progress: ReportProgress
    should_stop: ShouldStop
    previews: Previews
    _share: float = field(default=0.0, init=False)

    def result(self) -> Result:
        """Raises ComfyFault, UnsupportedParameter, UnreadableReference, Halted."""
        values = values_for(self.job, self.slot, self.options.bind)
        self._report(0.0, "generating")
        try:
            content = self._content(values)
        except ComfyRefusal as refusal:
            raise refusal_fault(refusal, self.options) from refusal
        self._report(ENCODING_FROM, "encoding")
        return self._encoded(content, values)

    def _content(self, values: Mapping[str, Any]) -> bytes:
        """The file of the output node. Once, a result of which only ComfyUI's cache is left is made anew."""
        names = {each.type: self._upload(each) for each in self.job.references}
        prompt = self.options.workflow.with_values(placed(self.options, {**values, **names}))
        node = self.options.workflow.nodes[self.options.output]
        is_cached = False
        for _ in range(2):
            state = self._run(prompt)
            file = only_file(state, node)
            content = self._fetch(state, file) if file else None
            if content is not None:
                return content
            is_cached = node.id in state.cached
            if not is_cached:
                break
            log.event("comfy_cache_emptied", job_id=self.job.id, slot=self.slot.number)
            self._empty_cache()
        raise faults.no_output(str(node), is_cached=is_cached)

    def _upload(self, reference: Reference) -> str:
        """What the node that loads it calls it. Named by its content: equal pictures are kept once."""
        file = io.BytesIO()
        decode_image(reference.content).save(file, "PNG", compress_level=1)
        content = file.getvalue()
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.png"
        return while_away(
            lambda: self.client.upload(name, SUBFOLDER, content), self.should_stop, self.patience_s
        )

    def _run(self, prompt: Mapping[str, Any]) -> PromptState:
        progress = PromptProgress(self.options.workflow.nodes, self.times)

        def on_progress(message: Message) -> None:
            self._report(ENCODING_FROM * progress.update(message), "generating")

        run = PromptRun(
            self.client,
            self.client_id,
            self.should_stop,
            on_progress=on_progress,
            on_preview=self._show,
            on_queue=lambda ahead: self._report(self._share, f"waiting for {ahead or 1} before it"),
            patience_s=self.patience_s,
        )
        state = run.run(prompt)
        if failure := state.failure:
            where = f"node {failure.node} ({failure.node_type})"
            if failure.is_interrupted:
                raise faults.interrupted(where)
            raise faults.failed(where, failure.exception, failure.message)
        return state

    def _fetch(self, state: PromptState, file: Any) -> bytes | None:
        """None where the cache names a file that is gone."""
        limit = self.job.max_upload_bytes or MAX_FILE_BYTES
        try:
            return while_away(
                lambda: self.client.file(file, limit + ROOM_FOR_WORKFLOW, self.should_stop),
                self.should_stop,
                self.patience_s,
            )
        except TooLarge as error:
            raise faults.too_large(limit) from error
        except ComfyRefusal as refusal:
            if self.options.output in state.cached:
                return None
            raise faults.file_missing(file.filename) from refusal

    def _empty_cache(self) -> None:
        while_away(lambda: self.client.free(unload_models=False), self.should_stop, self.patience_s)
        until = time.monotonic() + CLEARING_S
        while time.monotonic() < until:
            if self.should_stop():
                raise Halted
            time.sleep(0.1)

    def _encoded(self, content: bytes, values: Mapping[str, Any]) -> Result:
        seconds = None
        if self.options.is_video:
            kind = "video/mp4"
            media, width, height, seconds = film(content, self._parameters(values))
        else:
            kind = "image/png"
            media, width, height = still(content, self._parameters(values))
        return Result(xmp.marked(media, kind), kind, width, height, seconds, self._metadata(values))

    def _parameters(self, values: Mapping[str, Any]) -> str:
        """The text in the file: of the values only those that the workflow goes by."""
        settings = {name: value for name, value in values.items() if name not in (*TEXTS, "seed", *SIZE)}
        fields = setting_fields(settings)
        if "width" in values:
            fields["Size"] = f"{values['width']}x{values['height']}"
        return parameters_text(
            prompt=self.job.prompt,
            negative_prompt=self.job.negative_prompt,
            fields={
                "Seed": self.slot.seed,
                **fields,
                **fixed_negative_field(self.job),
                "Model": self.model_name,
                "Workflow hash": self.options.workflow.digest[:10],
            },
        )

    def _metadata(self, values: Mapping[str, Any]) -> dict[str, object]:
        metadata: dict[str, object] = {name: value for name, value in values.items() if name not in TEXTS}
        if self.job.references:
            metadata["references"] = {each.type: each.strength for each in self.job.references}
        return {
            **metadata,
            "seed": self.slot.seed,
            "model": self.model_name,
            "workflow_sha256": self.options.workflow.digest,
        }

    def _report(self, share: float, stage: str) -> None:
        """`share` of this slot."""
        self._share = max(self._share, share)
        self.report_progress(self.begin + (self.end - self.begin) * self._share, stage)

    def _show(self, picture: bytes) -> None:
        if not self.previews.is_due():
            return
        try:
            with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG")) as image:
                if image.width * image.height <= MAX_PREVIEW_PIXELS:
                    self.previews.show(self.slot.number, np.asarray(image.convert("RGB")))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return  # a job is never worse off for its previews
