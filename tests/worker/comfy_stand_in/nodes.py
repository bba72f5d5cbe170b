"""The node classes of the stand-in: what `/object_info` says of them, and what they make."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import av
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SAMPLERS = ["euler", "dpmpp_2m"]
PIXELS: dict[str, Any] = {"min": 16, "max": 4096, "step": 8}


def classes(models: list[str], pictures: list[str]) -> dict[str, dict[str, Any]]:
    """`models`, `pictures`: the files in the folders of checkpoints and of inputs."""
    return {
        "CheckpointLoaderSimple": _info({"ckpt_name": [models, {}]}),
        "CLIPTextEncode": _info({"text": ["STRING", {"multiline": True}], "clip": ["CLIP", {}]}),
        "EmptyLatentImage": _info(
            {
                "width": ["INT", PIXELS],
                "height": ["INT", PIXELS],
                "batch_size": ["INT", {"min": 1, "max": 64}],
            }
        ),
        "KSampler": _info(
            {
                "model": ["MODEL", {}],
                "positive": ["CONDITIONING", {}],
                "negative": ["CONDITIONING", {}],
                "latent_image": ["LATENT", {}],
                "seed": ["INT", {"min": 0, "max": 2**64 - 1}],
                "steps": ["INT", {"min": 1, "max": 10000}],
                "cfg": ["FLOAT", {"min": 0.0, "max": 100.0}],
                "sampler_name": ["COMBO", {"options": SAMPLERS}],
                "denoise": ["FLOAT", {"min": 0.0, "max": 1.0}],
            }
        ),
        "VAEDecode": _info({"samples": ["LATENT"], "vae": ["VAE"]}),
        "LoadImage": _info({"image": [pictures, {"image_upload": True}]}),
        "CreateVideo": _info(
            {"images": ["IMAGE"], "fps": ["FLOAT", {"min": 1.0, "max": 120.0}]}, {"start": ["IMAGE", {}]}
        ),
        "SaveImage": _info({"images": ["IMAGE"], "filename_prefix": ["STRING", {}]}, saves=True),
        "SaveVideo": _info({"video": ["VIDEO"], "filename_prefix": ["STRING", {}]}, saves=True),
        "SaveAnimatedWEBP": _info({"images": ["IMAGE"], "filename_prefix": ["STRING", {}]}, saves=True),
        "SaveAudio": _info({"images": ["IMAGE"], "filename_prefix": ["STRING", {}]}, saves=True),
        "VideoCombine": _info({"video": ["VIDEO"], "filename_prefix": ["STRING", {}]}, saves=True),
    }


def _info(
    required: dict[str, list[Any]], optional: dict[str, list[Any]] | None = None, *, saves: bool = False
) -> dict[str, Any]:
    return {"input": {"required": required, "optional": optional or {}}, "output_node": saves}


def draw(text: str, seed: int, width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(height, width, 3) bytes, of all that goes into it."""
    number = int.from_bytes(hashlib.sha256(f"{text}|{seed}".encode()).digest()[:8], "big")
    generator = np.random.default_rng(number)
    coarse = generator.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, axis=0).repeat(8, axis=1))


def png_file(pixels: Any, prompt: Mapping[str, Any]) -> bytes:
    """With the workflow inside, as ComfyUI saves it."""
    info = PngInfo()
    info.add_text("prompt", json.dumps(prompt))
    info.add_itxt("workflow", json.dumps({"nodes": prompt}), zip=True)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def mp4_file(frames: list[Any], fps: float, prompt: Mapping[str, Any], codec: str = "libx264") -> bytes:
    file = io.BytesIO()
    options = {"movflags": "use_metadata_tags"}
    with av.open(file, "w", format="mp4", options=options) as container:
        container.metadata["prompt"] = json.dumps(prompt)
        container.metadata["workflow"] = json.dumps({"nodes": prompt})
        stream: Any = container.add_stream(codec, rate=Fraction(fps))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def webp_file(frames: list[Any]) -> bytes:
    file = io.BytesIO()
    images = [Image.fromarray(pixels) for pixels in frames]
    images[0].save(file, "WEBP", save_all=True, append_images=images[1:], duration=100)
    return file.getvalue()


Step = Callable[[int, int, Any], None]
"""Told of a sampler's step: its number from 1, how many there are, and the pixels so far."""


def sample(inputs: Mapping[str, Any], on_step: Step) -> Any:
    """The pixels of the whole batch: as many as the latents."""
    latent = inputs["latent_image"]
    text = "|".join(str(inputs[name]) for name in ("positive", "negative", "model", "cfg", "sampler_name"))
    size = (latent["width"], latent["height"])
    pixels = draw(f"{text}|{inputs['denoise']}|{latent.get('from', '')}", inputs["seed"], *size)
    for step in range(1, inputs["steps"] + 1):
        on_step(step, inputs["steps"], pixels)
    return [np.roll(pixels, 8 * number, axis=1) for number in range(latent["batch_size"])]
