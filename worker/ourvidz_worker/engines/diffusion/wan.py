"""Videos and images by Wan: from a prompt, from a start frame, or between a start and an end frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanImageToVideoPipeline, WanPipeline

from ourvidz_worker.engines.base import Result
from ourvidz_worker.engines.diffusion.checkpoints import load_vae
from ourvidz_worker.engines.diffusion.decoding import decode_film
from ourvidz_worker.engines.diffusion.engine import DiffusionEngine
from ourvidz_worker.engines.diffusion.latent_preview import LatentPreviewer, fit_latent_previewer
from ourvidz_worker.engines.diffusion.loras import Loras
from ourvidz_worker.engines.diffusion.model_settings import check_settings, chosen
from ourvidz_worker.engines.diffusion.pipeline_run import StepCallback, run, seeded_generators
from ourvidz_worker.engines.diffusion.placement import choose_placement
from ourvidz_worker.engines.diffusion.schedulers import WAN_SCHEDULERS, wan_scheduler
from ourvidz_worker.engines.diffusion.shared_parts import folder_of
from ourvidz_worker.engines.diffusion.wan_kinds import (
    DEFAULT_SHIFT,
    default_shift,
    has_two_transformers,
    is_image_pipeline,
    needs_frames,
    supported_frames,
)
from ourvidz_worker.engines.diffusion.wan_transformers import load_transformers
from ourvidz_worker.engines.diffusion.weights import load_pipeline, public_name
from ourvidz_worker.engines.infotext import chosen_fields, common_fields, parameters_text
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.engines.mp4 import mp4
from ourvidz_worker.engines.png import png
from ourvidz_worker.engines.pools import (
    ENHANCED_IMAGES,
    ENHANCED_VIDEOS,
    WAN_IMAGES,
    WAN_VIDEOS,
    with_references,
)
from ourvidz_worker.engines.references import decode_image, find_reference
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.protocol import Job, Slot

PROMPT_TOKENS = 512  # what the model was trained with


class WanEngine(DiffusionEngine):
    """Start frames need weights of their own, unless the model serves both (Wan 2.2 5B)."""

    name = "wan"
    serves = ("wan",)

    def __init__(self, settings: EngineSettings, model: ModelSettings | None = None) -> None:
        super().__init__(settings, model)
        self._text: Any = None
        self._image: Any = None
        self._image_previewer: LatentPreviewer | None = None
        self._own_scheduler: Any = None  # that comes with the weights

    @property
    def pools(self) -> tuple[str, ...]:
        enhances = self.enhancer is not None
        videos = (*WAN_VIDEOS, *(ENHANCED_VIDEOS if enhances else ()))
        images = (*WAN_IMAGES, *(ENHANCED_IMAGES if enhances else ()))
        from_prompt = (*images, *videos) if self._text else ()
        frames = supported_frames(self._image) if self._image else ()
        return sum((with_references(videos, *each) for each in frames), from_prompt)

    @property
    def _serves_both(self) -> bool:
        return bool(self._text.config.expand_timesteps) and not self.settings.image_model

    def load_weights(self) -> None:
        self.set_placement(choose_placement(self.settings, half="bfloat16"))
        pipeline = self._load_main()
        self._own_scheduler = pipeline.scheduler
        self._check_settings(pipeline)
        self.latent_previewer = fit_latent_previewer(pipeline.vae, pipeline.vae_scale_factor_spatial)
        self._image_previewer = self.latent_previewer
        if self._text is None:
            pass
        elif self.settings.image_model:
            self._load_image_model()
        elif self._serves_both:
            self._image = WanImageToVideoPipeline(
                **self._text.components, **_shared_config(self._text.config)
            )
            self._image.set_progress_bar_config(disable=True)
        pipelines = [self._text, self._image] if self.settings.image_model else [pipeline]
        self.loras = Loras(pipelines, self.model, self.settings)
        self.load_enhancer()
        self.placer.place(pipeline)

    def _load_main(self) -> Any:
        """The pipeline of the model's weights, which is for films from a prompt or for those from a frame."""
        starts_from_frame = bool(self.model.name) and is_image_pipeline(folder_of(self.settings.model))
        pipeline = load_pipeline(
            WanImageToVideoPipeline if starts_from_frame else WanPipeline,
            self.settings.model,
            self.settings,
            self.placement,
            parts=self._parts(),
            variant=str(self.model.options.get("variant", "")),
        )
        if starts_from_frame:
            self._image = pipeline
        elif needs_frames(pipeline):
            weights = f"the weights {self.settings.model!r}"
            raise EngineUnusable(f"{weights} only start from frames: name them with --image-model")
        else:
            self._text = pipeline
        return pipeline

    def _parts(self) -> dict[str, Any]:
        """Those that the model names apart from its weights."""
        parts = load_transformers(self.settings, self.model, self.placement)
        if self.model.vae:
            config = str(self.model.options.get("config", "")) or folder_of(self.settings.model)
            parts["vae"] = load_vae(AutoencoderKLWan, self.model.vae, config, self.settings, torch.float32)
        return parts

    def _load_image_model(self) -> None:
        self._image = load_pipeline(
            WanImageToVideoPipeline,
            self.settings.image_model,
            self.settings,
            self.placement,
            beside=self._text,
        )
        if not supported_frames(self._image):
            raise EngineUnusable(f"the weights {self.settings.image_model!r} start from no frame")
        self._image_previewer = fit_latent_previewer(self._image.vae, self._image.vae_scale_factor_spatial)

    def _check_settings(self, pipeline: Any) -> None:
        check_settings(self.model, WAN_SCHEDULERS, self._own_scheduler)
        is_set = "guidance_2" in {*self.model.fixed, *self.model.offer}
        if is_set and not has_two_transformers(pipeline):
            raise EngineUnusable("guidance_2 is for weights with two transformers, which these have not")

    def unload(self) -> None:
        self._text = self._image = self._image_previewer = self._own_scheduler = None
        super().unload()

    @property
    def text_limits(self) -> tuple[tuple[Any, int], ...]:
        return (((self._text or self._image).tokenizer, PROMPT_TOKENS),)

    def denoise(self, job: Job, slots: Sequence[Slot], prompt: str, steps: StepCallback) -> Any:
        parameters = job.parameters
        pipeline, image_arguments = self._pipeline(job)
        pipeline.scheduler = wan_scheduler(
            self._own_scheduler, chosen(job, "scheduler", ""), self._shift(job)
        )
        arguments = {
            "prompt": [prompt] * len(slots),
            "negative_prompt": [job.negative_prompt] * len(slots),
            "width": parameters.width,
            "height": parameters.height,
            "num_frames": parameters.frames,
            "num_inference_steps": parameters.steps,
            "guidance_scale": parameters.guidance,
            "generator": seeded_generators([slot.seed for slot in slots]),
            "max_sequence_length": PROMPT_TOKENS,
            "output_type": "latent",
            "callback_on_step_end": steps,
        }
        if has_two_transformers(pipeline) and "guidance_2" in parameters.settings:
            arguments["guidance_scale_2"] = chosen(job, "guidance_2", 0.0)
        return run(pipeline, self.placer, lambda: pipeline(**arguments, **image_arguments).frames)

    def decode(self, job: Job, latents: Any) -> Any:
        pipeline = self._pipeline_for(job)
        return run(pipeline, self.placer, lambda: decode_film(pipeline, latents))

    def _pipeline(self, job: Job) -> tuple[Any, Mapping[str, Any]]:
        start, end = find_reference(job, "start_frame"), find_reference(job, "end_frame")
        if start is None:
            return self._text, {}
        size = (job.parameters.width, job.parameters.height)
        frames = {"image": decode_image(start.content, size)}
        if end is not None:
            frames["last_image"] = decode_image(end.content, size)
        return self._image, frames

    def _shift(self, job: Job) -> float:
        """A model of A14B whose shift nobody chose has the one it is used with, not the job type's."""
        pipeline, is_named = self._pipeline_for(job), bool(self.model.name)
        is_chosen = "shift" in {*self.model.fixed, *self.model.offer}
        if is_named and not is_chosen and has_two_transformers(pipeline):
            return default_shift(pipeline)
        return job.parameters.shift or DEFAULT_SHIFT

    def _pipeline_for(self, job: Job) -> Any:
        return self._image if find_reference(job, "start_frame") else self._text

    def model_name(self, job: Job) -> str:
        if not self.model.name and self.settings.image_model and find_reference(job, "start_frame"):
            return public_name(self.settings.image_model)
        return super().model_name(job)

    def latent_previewer_for(self, job: Job) -> LatentPreviewer | None:
        return self._image_previewer if find_reference(job, "start_frame") else self.latent_previewer

    def encode(self, job: Job, slot: Slot, prompt: str, pixels: Any) -> Result:
        parameters = job.parameters
        count, height, width = pixels.shape[:3]
        shift = self._shift(job)
        scheduler = self._pipeline_for(job).scheduler
        fields = common_fields(job, slot, scheduler, (width, height), self.model_name(job)) | {"Shift": shift}
        fields |= chosen_fields(job, self.model)
        metadata = self.result_metadata(job, slot, {"sampler": fields["Sampler"], "shift": shift})
        if parameters.media == "image":
            text = parameters_text(prompt=prompt, negative_prompt=job.negative_prompt, fields=fields)
            return Result(png(pixels[0], parameters=text), "image/png", width, height, None, metadata)
        fields |= {"Frames": count, "FPS": parameters.fps}
        text = parameters_text(prompt=prompt, negative_prompt=job.negative_prompt, fields=fields)
        film = mp4(pixels, width=width, height=height, fps=parameters.fps, comment=text)
        even_size = (width - width % 2, height - height % 2)
        return Result(film, "video/mp4", *even_size, count / parameters.fps, metadata)


def _shared_config(config: Any) -> dict[str, Any]:
    return {name: config[name] for name in ("boundary_ratio", "expand_timesteps")}
