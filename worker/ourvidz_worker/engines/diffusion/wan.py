"""Films and single frames by Wan: from a prompt, from a first frame, or between a first and a last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline

from ourvidz_worker.engines.base import Result
from ourvidz_worker.engines.diffusion.engine import DiffusionEngine
from ourvidz_worker.engines.diffusion.infotext import parameters_text, usual_facts
from ourvidz_worker.engines.diffusion.latent_preview import LatentPreviewer, fit_latent_previewer
from ourvidz_worker.engines.diffusion.pipeline_run import Steps, generators, run
from ourvidz_worker.engines.diffusion.pixels import as_pixels
from ourvidz_worker.engines.diffusion.placement import choose_placement
from ourvidz_worker.engines.diffusion.weights import load_pipeline, public_name
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
USUAL_SHIFT = 5.0
START = ("start_frame",)
START_AND_END = ("start_frame", "end_frame")


class WanEngine(DiffusionEngine):
    """Frames to start from need weights of their own, unless the model serves both (Wan 2.2 5B)."""

    name = "wan"
    serves = ("wan",)

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self._text: Any = None
        self._image: Any = None
        self._image_previewer: LatentPreviewer | None = None

    @property
    def pools(self) -> tuple[str, ...]:
        enhances = self.enhancer is not None
        videos = (*WAN_VIDEOS, *(ENHANCED_VIDEOS if enhances else ()))
        pools = (*WAN_IMAGES, *(ENHANCED_IMAGES if enhances else ()), *videos)
        frames = frames_taken(self._image) if self._image else ()
        return sum((with_references(videos, *each) for each in frames), pools)

    @property
    def _is_both(self) -> bool:
        return bool(self._text.config.expand_timesteps) and not self.settings.image_model

    def load_weights(self) -> None:
        self.place(choose_placement(self.settings, half="bfloat16"))
        self._text = load_pipeline(WanPipeline, self.settings.model, self.settings, self.placement)
        if needs_frames(self._text):
            named = f"the weights {self.settings.model!r}"
            raise EngineUnusable(f"{named} only start from frames: name them with --image-model")
        self.latent_previewer = fit_latent_previewer(self._text.vae, self._text.vae_scale_factor_spatial)
        if self.settings.image_model:
            self._image = load_pipeline(
                WanImageToVideoPipeline, self.settings.image_model, self.settings, self.placement
            )
            if not frames_taken(self._image):
                raise EngineUnusable(f"the weights {self.settings.image_model!r} start from no frame")
            self._image_previewer = fit_latent_previewer(
                self._image.vae, self._image.vae_scale_factor_spatial
            )
        elif self._is_both:
            self._image = WanImageToVideoPipeline(**self._text.components, **_kept(self._text.config))
            self._image.set_progress_bar_config(disable=True)
            self._image_previewer = self.latent_previewer
        self.load_enhancer()
        self.placer.enter(self._text)

    def unload(self) -> None:
        self._text = self._image = self._image_previewer = None
        super().unload()

    @property
    def text_limits(self) -> tuple[tuple[Any, int], ...]:
        return ((self._text.tokenizer, PROMPT_TOKENS),)

    def make(self, job: Job, slots: Sequence[Slot], prompt: str, steps: Steps) -> list[Any]:
        wanted = job.parameters
        pipeline, own = self._pipeline(job)
        pipeline.scheduler = UniPCMultistepScheduler.from_config(
            pipeline.scheduler.config,
            prediction_type="flow_prediction",
            use_flow_sigmas=True,
            flow_shift=wanted.shift or USUAL_SHIFT,
        )
        call = {
            "prompt": [prompt] * len(slots),
            "negative_prompt": [job.negative_prompt] * len(slots),
            "width": wanted.width,
            "height": wanted.height,
            "num_frames": wanted.frames,
            "num_inference_steps": wanted.steps,
            "guidance_scale": wanted.guidance,
            "generator": generators([slot.seed for slot in slots]),
            "max_sequence_length": PROMPT_TOKENS,
            "output_type": "np",
            "callback_on_step_end": steps,
        }
        films = run(pipeline, self.placer, lambda: pipeline(**call, **own).frames)
        return [as_pixels(each) for each in films]

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

    def model_for(self, job: Job) -> str:
        if self.settings.image_model and find_reference(job, "start_frame"):
            return public_name(self.settings.image_model)
        return super().model_for(job)

    def latent_previewer_for(self, job: Job) -> LatentPreviewer | None:
        return self._image_previewer if find_reference(job, "start_frame") else self.latent_previewer

    def encoded(self, job: Job, slot: Slot, prompt: str, pixels: Any) -> Result:
        wanted = job.parameters
        count, height, width = pixels.shape[:3]
        shift = wanted.shift or USUAL_SHIFT
        scheduler = self._pipeline_for(job).scheduler
        facts = usual_facts(job, slot, scheduler, (width, height), self.model_for(job)) | {"Shift": shift}
        metadata = self.facts(job, slot, {"sampler": facts["Sampler"], "shift": shift})
        if wanted.media == "image":
            text = parameters_text(prompt=prompt, negative_prompt=job.negative_prompt, facts=facts)
            return Result(png(pixels[0], parameters=text), "image/png", width, height, None, metadata)
        facts |= {"Frames": count, "FPS": wanted.fps}
        text = parameters_text(prompt=prompt, negative_prompt=job.negative_prompt, facts=facts)
        film = mp4(pixels, width=width, height=height, fps=wanted.fps, comment=text)
        even = (width - width % 2, height - height % 2)
        return Result(film, "video/mp4", *even, count / wanted.fps, metadata)


def needs_frames(pipeline: Any) -> bool:
    """Whether its transformer wants more channels than the noise has."""
    config = (pipeline.transformer or pipeline.transformer_2).config
    return bool(config.in_channels > pipeline.vae.config.z_dim)


def frames_taken(pipeline: Any) -> tuple[tuple[str, ...], ...]:
    """The sets of frames that the weights of an image pipeline were trained to start from.

    Wan 2.1 shows its transformer what CLIP sees of the frames, of one (I2V) or, with a place for each,
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


def _kept(config: Any) -> dict[str, Any]:
    return {name: config[name] for name in ("boundary_ratio", "expand_timesteps")}
