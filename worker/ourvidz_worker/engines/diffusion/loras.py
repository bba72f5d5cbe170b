"""LoRAs on a pipeline: all are loaded with its weights, and each job turns on those that it uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from safetensors.torch import load_file

from ourvidz_worker.engines.chosen import lora_weights
from ourvidz_worker.engines.diffusion.weights import translate_load_errors, weight_file
from ourvidz_worker.engines.models import Lora, LoraOffer, ModelSettings
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.protocol import Job
from ourvidz_worker.single_files import lora_problem


class Loras:
    """The LoRAs of a model. None may change the pixels of a job that does not use it.

    Pipelines that share their UNet or transformer share its LoRAs; others get their own copy.
    """

    def __init__(self, pipelines: Sequence[Any], model: ModelSettings, settings: EngineSettings) -> None:
        """Raises EngineUnusable, which names the file that does not fit."""
        offer = model.offer.get("loras")
        offered = offer.choices if isinstance(offer, LoraOffer) else ()
        self._model = model
        self._adapters: dict[str, str] = {}  # PEFT's names, which may have no dots
        self._pipelines = tuple(pipelines)
        self._active: Mapping[str, float] | None = None
        for lora in (*model.loras, *offered):
            if lora.name not in self._adapters:
                self._adapters[lora.name] = f"lora_{len(self._adapters)}"
                for pipeline in self._pipelines:
                    _load(pipeline, lora, self._adapters[lora.name], settings)

    def weights(self, job: Job) -> Mapping[str, float]:
        return lora_weights(job, self._model)

    def use(self, job: Job) -> None:
        wanted = self.weights(job)
        if not self._adapters or wanted == self._active:
            return
        names = [self._adapters[name] for name in wanted]
        self._active = None
        for pipeline in self._pipelines:
            if names:
                pipeline.enable_lora()
                pipeline.set_adapters(names, list(wanted.values()))
            else:
                pipeline.disable_lora()
        self._active = wanted


NO_LORAS = Loras((), ModelSettings(), EngineSettings())


def _load(pipeline: Any, lora: Lora, adapter: str, settings: EngineSettings) -> None:
    file = weight_file(lora.file, settings)
    if problem := lora_problem(file, settings.engine):
        raise EngineUnusable(f"the LoRA {lora.name} cannot be used: {problem}")
    with translate_load_errors(lora.file, settings):
        pipeline.load_lora_weights(load_file(file), adapter_name=adapter)
        if getattr(pipeline, "transformer_2", None) is not None:
            second = load_file(weight_file(lora.file_2 or lora.file, settings))
            pipeline.load_lora_weights(second, adapter_name=adapter, load_into_transformer_2=True)
    if not any(adapter in adapters for adapters in pipeline.get_list_adapters().values()):
        raise EngineUnusable(f"the LoRA {lora.name} cannot be used: {file} fits no part of these weights")
