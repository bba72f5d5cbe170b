"""Videos and images by Wan: from a prompt, from a start frame, or between a start and an end frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline

from ourvidz_worker.engines.base import Result
from ourvidz_worker.engines.diffusion.decoding import decode_film
from ourvidz_worker.engines.diffusion.engine import DiffusionEngine
from ourvidz_worker.engines.diffusion.latent_preview import LatentPreviewer, fit_latent_previewer
from ourvidz_worker.engines.diffusion.pipeline_run import StepCallback, run, seeded_generators
from ourvidz_worker.engines.diffusion.placement import choose_placement
from ourvidz_worker.engines.diffusion.weights import load_pipeline, public_name
from ourvidz_worker.engines.infotext import common_fields, parameters_text
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
DEFAULT_SHIFT = 5.0
START = ("start_frame",)
START_AND_END = ("start_frame", "end_frame")


class WanEngine(DiffusionEngine):
    """Start frames need weights of their own, unless the model serves both (Wan 2.2 5B)."""

    name = "wan"
    serves = ("wan",)

    def __init__(self, settings: EngineSettings, model: ModelSettings | None = None) -> None:
        super().__init__(settings, model)
        self._text: Any = None
        self._image: Any = None
        self._image_previewer: LatentPreviewer | None = None

    @property
    def pools(self) -> tuple[str, ...]:
        enhances = self.enhancer is not None
        videos = (*WAN_VIDEOS, *(ENHANCED_VIDEOS if enhances else ()))
        pools = (*WAN_IMAGES, *(ENHANCED_IMAGES if enhances else ()), *videos)
        frames = supported_frames(self._image) if self._image else ()
        return sum((with_references(videos, *each) for each in frames), pools)

    @property
    def _serves_both(self) -> bool:
        return bool(self._text.config.expand_timesteps) and not self.settings.image_model

    def load_weights(self) -> None:
        self.set_placement(choose_placement(self.settings, half="bfloat16"))
        self._text = load_pipeline(WanPipeline, self.settings.model, self.settings, self.placement)
        if needs_frames(self._text):
            weights = f"the weights {self.settings.model!r}"
            raise EngineUnusable(f"{weights} only start from frames: name them with --image-model")
        self.latent_previewer = fit_latent_previewer(self._text.vae, self._text.vae_scale_factor_spatial)
        if self.settings.image_model:
            self._image = load_pipeline(
                WanImageToVideoPipeline,
                self.settings.image_model,
                self.settings,
                self.placement,
                beside=self._text,
            )
            if not supported_frames(self._image):
                raise EngineUnusable(f"the weights {self.settings.image_model!r} start from no frame")
            self._image_previewer = fit_latent_previewer(
                self._image.vae, self._image.vae_scale_factor_spatial
            )
        elif self._serves_both:
            self._image = WanImageToVideoPipeline(
                **self._text.components, **_shared_config(self._text.config)
            )
            self._image.set_progress_bar_config(disable=True)
            self._image_previewer = self.latent_previewer
        self.load_enhancer()
        self.placer.place(self._text)

    def unload(self) -> None:
        self._text = self._image = self._image_previewer = None
        super().unload()

    @property
    def text_limits(self) -> tuple[tuple[Any, int], ...]:
        return ((self._text.tokenizer, PROMPT_TOKENS),)

    def denoise(self, job: Job, slots: Sequence[Slot], prompt: str, steps: StepCallback) -> Any:
        parameters = job.parameters
        pipeline, image_arguments = self._pipeline(job)
        pipeline.scheduler = UniPCMultistepScheduler.from_config(
            pipeline.scheduler.config,
            prediction_type="flow_prediction",
            use_flow_sigmas=True,
            flow_shift=parameters.shift or DEFAULT_SHIFT,
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
        shift = parameters.shift or DEFAULT_SHIFT
        scheduler = self._pipeline_for(job).scheduler
        fields = common_fields(job, slot, scheduler, (width, height), self.model_name(job)) | {"Shift": shift}
        metadata = self.result_metadata(job, slot, {"sampler": fields["Sampler"], "shift": shift})
        if parameters.media == "image":
            text = parameters_text(prompt=prompt, negative_prompt=job.negative_prompt, fields=fields)
            return Result(png(pixels[0], parameters=text), "image/png", width, height, None, metadata)
        fields |= {"Frames": count, "FPS": parameters.fps}
        text = parameters_text(prompt=prompt, negative_prompt=job.negative_prompt, fields=fields)
        film = mp4(pixels, width=width, height=height, fps=parameters.fps, comment=text)
        even_size = (width - width % 2, height - height % 2)
        return Result(film, "video/mp4", *even_size, count / parameters.fps, metadata)


def needs_frames(pipeline: Any) -> bool:
    """Whether the transformer takes more channels than the noise has, so that it needs a frame."""
    config = (pipeline.transformer or pipeline.transformer_2).config
    return bool(config.in_channels > pipeline.vae.config.z_dim)


def supported_frames(pipeline: Any) -> tuple[tuple[str, ...], ...]:
    """The sets of reference frames that the weights of an image pipeline were trained with.

    Wan 2.1 gives its transformer CLIP embeddings of the frames: of one (I2V) or, with a position for each,
    of two (FLF2V); Wan 2.2 A14B has the frames among its channels only, one or two; 5B overwrites the first.
    """
    config = (pipeline.transformer or pipeline.transformer_2).config
    if pipeline.config.expand_timesteps:
        return (START,)
    if not needs_frames(pipeline):
        return ()
    if config.image_dim is None:
        return START, START_AND_END
    return (START_AND_END,) if config.pos_embed_seq_len else (START,)


def _shared_config(config: Any) -> dict[str, Any]:
    return {name: config[name] for name in ("boundary_ratio", "expand_timesteps")}
