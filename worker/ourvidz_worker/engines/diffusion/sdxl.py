"""Images by Stable Diffusion XL, from a prompt and reference images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from diffusers import StableDiffusionXLImg2ImgPipeline

from ourvidz_worker.engines.base import Result
from ourvidz_worker.engines.diffusion.adapters import Adapters
from ourvidz_worker.engines.diffusion.checkpoints import load_sdxl
from ourvidz_worker.engines.diffusion.decoding import decode_picture
from ourvidz_worker.engines.diffusion.engine import DiffusionEngine
from ourvidz_worker.engines.diffusion.latent_preview import fit_latent_previewer
from ourvidz_worker.engines.diffusion.loras import Loras
from ourvidz_worker.engines.diffusion.model_settings import check_settings, chosen
from ourvidz_worker.engines.diffusion.pipeline_run import StepCallback, run, seeded_generators
from ourvidz_worker.engines.diffusion.placement import choose_placement
from ourvidz_worker.engines.diffusion.prompts import prompt_arguments
from ourvidz_worker.engines.diffusion.schedulers import SDXL_SCHEDULERS, sdxl_scheduler
from ourvidz_worker.engines.diffusion.weights import public_name
from ourvidz_worker.engines.infotext import chosen_fields, common_fields, parameters_text, sampler_name
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.engines.png import png
from ourvidz_worker.engines.pools import SDXL_IMAGES, with_any_of
from ourvidz_worker.engines.references import decode_image, find_reference
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.protocol import Job, Reference, Slot


class SdxlEngine(DiffusionEngine):
    """Slots are denoised one by one unless the operator asks for batches."""

    name = "sdxl"
    serves = ("sdxl",)

    def __init__(self, settings: EngineSettings, model: ModelSettings | None = None) -> None:
        super().__init__(settings, model)
        self._text: Any = None
        self._image: Any = None
        self._adapters: Adapters | None = None
        self._own_scheduler: Any = None  # that comes with the weights

    @property
    def pools(self) -> tuple[str, ...]:
        adapter_types = self._adapters.types if self._adapters else ()
        return with_any_of(SDXL_IMAGES, ("composition", *adapter_types))

    def load_weights(self) -> None:
        self.set_placement(choose_placement(self.settings, half="float16"))
        self._text = load_sdxl(self.settings, self.model, self.placement)
        self._own_scheduler = self._text.scheduler
        check_settings(self.model, SDXL_SCHEDULERS, self._own_scheduler)
        self.latent_previewer = fit_latent_previewer(self._text.vae, self._text.vae_scale_factor)
        self._adapters = Adapters(self._text, self.settings, self.placement)
        zeros = self._text.config.force_zeros_for_empty_prompt
        self._image = StableDiffusionXLImg2ImgPipeline(
            **self._text.components, force_zeros_for_empty_prompt=zeros
        )
        # Otherwise diffusers adds a watermark if the package for that is installed.
        self._text.watermark = self._image.watermark = None
        self._image.set_progress_bar_config(disable=True)
        self.loras = Loras([self._text], self.model, self.settings)
        self.placer.place(self._text)

    def unload(self) -> None:
        self._text = self._image = self._adapters = self._own_scheduler = None
        super().unload()

    def denoise(self, job: Job, slots: Sequence[Slot], prompt: str, steps: StepCallback) -> Any:
        parameters = job.parameters
        shared_arguments = {
            "num_inference_steps": parameters.steps,
            "guidance_scale": parameters.guidance,
            "guidance_rescale": chosen(job, "guidance_rescale", 0.0),
            "generator": seeded_generators([slot.seed for slot in slots]),
            "output_type": "latent",
            "callback_on_step_end": steps,
        }
        pipeline, pipeline_arguments = self._pipeline(job)
        pipeline.scheduler = sdxl_scheduler(
            self._own_scheduler, chosen(job, "scheduler", ""), chosen(job, "spacing", "")
        )
        self.placer.place(pipeline)
        assert self._adapters is not None
        adapter_arguments = self._adapters.arguments(pipeline, job)

        def call() -> Any:
            clip_skip = chosen(job, "clip_skip", 0)
            prompts = prompt_arguments(pipeline, prompt, job.negative_prompt, len(slots), clip_skip)
            return pipeline(**prompts, **shared_arguments, **pipeline_arguments, **adapter_arguments).images

        return run(pipeline, self.placer, call)

    def decode(self, job: Job, latents: Any) -> Any:
        pipeline = self._image if _keeps_composition(job) else self._text
        return run(pipeline, self.placer, lambda: decode_picture(pipeline, latents))

    def _pipeline(self, job: Job) -> tuple[Any, Mapping[str, Any]]:
        """The pipeline for this job, and the arguments that only this pipeline takes."""
        parameters = job.parameters
        size = (parameters.width, parameters.height)
        composition = find_reference(job, "composition")
        text_to_image = (self._text, {"width": parameters.width, "height": parameters.height})
        if composition is None:
            return text_to_image
        image = decode_image(composition.content, size)
        if not _keeps_composition(job):
            return text_to_image
        # Half a step more, because diffusers rounds down.
        strength = min(1.0, (_noise_steps(job, composition) + 0.5) / parameters.steps)
        return self._image, {"image": image, "strength": strength}

    def encode(self, job: Job, slot: Slot, prompt: str, pixels: Any) -> Result:
        height, width = pixels.shape[:2]
        parameters = job.parameters
        pipeline = self._image if _keeps_composition(job) else self._text
        scheduler = pipeline.scheduler
        fields = common_fields(job, slot, scheduler, (width, height), self.model_name(job))
        composition = find_reference(job, "composition")
        if composition and _keeps_composition(job):
            fields["Denoising strength"] = round(_noise_steps(job, composition) / parameters.steps, 4)
        fields |= {f"{each.type.title()} strength": each.strength for each in job.references}
        fields |= chosen_fields(job, self.model)
        text = parameters_text(prompt=prompt, negative_prompt=job.negative_prompt, fields=fields)
        extra = {"sampler": sampler_name(scheduler)} | self._adapters_used(job)
        metadata = self.result_metadata(job, slot, extra)
        return Result(png(pixels, parameters=text), "image/png", width, height, None, metadata)

    def _adapters_used(self, job: Job) -> dict[str, object]:
        weights = {"style": self.settings.style_adapter, "character": self.settings.character_adapter}
        used = {kind: public_name(where) for kind, where in weights.items() if find_reference(job, kind)}
        return {"adapters": used} if used else {}


def _keeps_composition(job: Job) -> bool:
    """Whether the job starts from its composition: with strength 0 it keeps nothing of it."""
    composition = find_reference(job, "composition")
    return composition is not None and composition.strength > 0


def _noise_steps(job: Job, composition: Reference) -> int:
    """The steps to run: the strength is how much of the image is kept, and at least one step is run."""
    return max(1, round(job.parameters.steps * (1 - composition.strength)))
