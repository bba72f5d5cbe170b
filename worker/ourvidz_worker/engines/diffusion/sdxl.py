"""Images by Stable Diffusion XL: from a prompt, and from what other images show of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from diffusers import (
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)

from ourvidz_worker.engines.base import Result
from ourvidz_worker.engines.diffusion.adapters import Adapters
from ourvidz_worker.engines.diffusion.engine import DiffusionEngine
from ourvidz_worker.engines.diffusion.infotext import parameters_text, sampler_name, usual_facts
from ourvidz_worker.engines.diffusion.latent_preview import fit_latent_previewer
from ourvidz_worker.engines.diffusion.pipeline_run import Steps, generators, run
from ourvidz_worker.engines.diffusion.pixels import as_pixels
from ourvidz_worker.engines.diffusion.placement import choose_placement
from ourvidz_worker.engines.diffusion.prompts import prompt_arguments
from ourvidz_worker.engines.diffusion.weights import load_pipeline, public_name
from ourvidz_worker.engines.png import png
from ourvidz_worker.engines.pools import SDXL_IMAGES, with_any_of
from ourvidz_worker.engines.references import decode_image, find_reference
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.protocol import Job, Reference, Slot


class SdxlEngine(DiffusionEngine):
    """Slots are denoised one by one unless the operator asks for batches."""

    name = "sdxl"
    serves = ("sdxl",)

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self._text: Any = None
        self._image: Any = None
        self._adapters: Adapters | None = None

    @property
    def pools(self) -> tuple[str, ...]:
        adapted = self._adapters.types if self._adapters else ()
        return with_any_of(SDXL_IMAGES, ("composition", *adapted))

    def load_weights(self) -> None:
        self.place(choose_placement(self.settings, half="float16"))
        self._text = load_pipeline(
            StableDiffusionXLPipeline, self.settings.model, self.settings, self.placement
        )
        self.latent_previewer = fit_latent_previewer(self._text.vae, self._text.vae_scale_factor)
        self._adapters = Adapters(self._text, self.settings, self.placement)
        zeros = self._text.config.force_zeros_for_empty_prompt
        self._image = StableDiffusionXLImg2ImgPipeline(
            **self._text.components, force_zeros_for_empty_prompt=zeros
        )
        self._text.watermark = self._image.watermark = None  # else diffusers has one wherever it can
        self._image.set_progress_bar_config(disable=True)
        self.placer.enter(self._text)

    def unload(self) -> None:
        self._text = self._image = self._adapters = None
        super().unload()

    def make(self, job: Job, slots: Sequence[Slot], prompt: str, steps: Steps) -> list[Any]:
        wanted = job.parameters
        common = {
            "num_inference_steps": wanted.steps,
            "guidance_scale": wanted.guidance,
            "generator": generators([slot.seed for slot in slots]),
            "output_type": "np",
            "callback_on_step_end": steps,
        }
        pipeline, own = self._pipeline(job)
        self.placer.enter(pipeline)
        assert self._adapters is not None
        adapted = self._adapters.arguments(pipeline, job)

        def call() -> Any:
            words = prompt_arguments(pipeline, prompt, job.negative_prompt, len(slots))
            return pipeline(**words, **common, **own, **adapted).images

        images = run(pipeline, self.placer, call)
        return [as_pixels(each) for each in images]

    def _pipeline(self, job: Job) -> tuple[Any, Mapping[str, Any]]:
        """The pipeline for this job, with the arguments that only it takes."""
        wanted = job.parameters
        size = (wanted.width, wanted.height)
        composition = find_reference(job, "composition")
        plain = (self._text, {"width": wanted.width, "height": wanted.height})
        if composition is None:
            return plain
        kept = decode_image(composition.content, size)
        if composition.strength == 0:
            return plain
        # Half a step more, because diffusers rounds down what is not quite whole.
        share = min(1.0, (_noise_steps(job, composition) + 0.5) / wanted.steps)
        return self._image, {"image": kept, "strength": share}

    def encoded(self, job: Job, slot: Slot, prompt: str, pixels: Any) -> Result:
        height, width = pixels.shape[:2]
        wanted = job.parameters
        scheduler = self._text.scheduler
        facts = usual_facts(job, slot, scheduler, (width, height), self.model_for(job))
        composition = find_reference(job, "composition")
        if composition and composition.strength:
            facts["Denoising strength"] = round(_noise_steps(job, composition) / wanted.steps, 4)
        facts |= {f"{each.type.title()} strength": each.strength for each in job.references}
        text = parameters_text(prompt=prompt, negative_prompt=job.negative_prompt, facts=facts)
        more = {"sampler": sampler_name(scheduler)} | self._adapters_used(job)
        metadata = self.facts(job, slot, more)
        return Result(png(pixels, parameters=text), "image/png", width, height, None, metadata)

    def _adapters_used(self, job: Job) -> dict[str, object]:
        weights = {"style": self.settings.style_adapter, "character": self.settings.character_adapter}
        used = {kind: public_name(where) for kind, where in weights.items() if find_reference(job, kind)}
        return {"adapters": used} if used else {}


def _noise_steps(job: Job, composition: Reference) -> int:
    """Its strength is how much of the image is kept; the rest of the steps start from noise, one at least."""
    return max(1, round(job.parameters.steps * (1 - composition.strength)))
