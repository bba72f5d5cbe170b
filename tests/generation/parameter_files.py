"""Files with generation parameters, laid out as the programs that write them do."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import av
from PIL import Image, PngImagePlugin

USER_COMMENT, EXIF = 0x9286, 0x8769


def png_with(texts: dict[str, str], *, international: bool = False, compressed: bool = False) -> bytes:
    chunks = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        if international:
            chunks.add_itxt(name, text, zip=compressed)
        else:
            chunks.add_text(name, text, zip=compressed)
    return _saved("PNG", pnginfo=chunks)


def with_comment(kind: str, text: str, *, order: str = "utf-16-be", code: bytes = b"UNICODE\0") -> bytes:
    """A JPEG or WebP with EXIF's UserComment."""
    exif = Image.Exif()
    exif.get_ifd(EXIF)[USER_COMMENT] = code + text.encode(order)
    return _saved(kind, exif=exif)


def with_tags(kind: str, tags: dict[int, str]) -> bytes:
    exif = Image.Exif()
    for tag, text in tags.items():
        exif[tag] = text
    return _saved(kind, exif=exif)


def with_xmp(text: str) -> bytes:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    description = (
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escaped}</rdf:li></rdf:Alt></dc:description>'
    )
    return _saved("JPEG", xmp=f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{description}</x:xmpmeta>'.encode())


def mp4_with(metadata: dict[str, str], *, keys: bool = False, faststart: bool = False) -> bytes:
    """With iTunes' tags, or with any `keys` as QuickTime has them."""
    flags = "+".join([*(["use_metadata_tags"] if keys else []), *(["faststart"] if faststart else [])])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w", options={"movflags": flags} if flags else {}) as out:
            out.metadata.update(metadata)
            stream: Any = out.add_stream("libx264", rate=16)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for shade in range(4):
                picture = Image.new("RGB", (64, 64), (shade * 40, 80, 90))
                out.mux(stream.encode(av.VideoFrame.from_image(picture)))
            out.mux(stream.encode(None))
        return path.read_bytes()


def _saved(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((64, 48), 40).convert("RGB").save(out, kind, **options)
    return out.getvalue()


INFOTEXT = """a lighthouse, (stormy sea:1.2), <lora:oil paint:0.8>
warm light
Negative prompt: blurry, text
extra fingers
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 0, Size: 832x1216, Model hash: abc, \
Model: dream_8, Denoising strength: 0.4, Hires upscale: 2, Hires prompt: "sharp, seed: 5", \
Lora hashes: "oil paint: 1f, b: 2e", Version: v1.10.1
Template: a {lighthouse|castle}
Negative Template: blurry"""


def node(kind: str, **inputs: object) -> dict[str, object]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": "a title that means nothing"}}


def comfy_graph() -> dict[str, dict[str, object]]:
    """Two passes; the first has the seed, its texts come through links, and a node of no output is beside."""
    latent = node("EmptyLatentImage", width=1216, height=832, batch_size=1)
    first = {"model": ["10", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}
    second = first | {"latent_image": ["8", 0]}
    settings = {"steps": 25, "cfg": 6.5, "sampler_name": "euler", "scheduler": "normal"}
    return {
        "31": node("KSampler", seed=99, denoise=0.5, **settings, **second),
        "3": node("KSampler", seed=["20", 0], denoise=1.0, **settings, **first),
        "4": node("CheckpointLoaderSimple", ckpt_name="dream.safetensors"),
        "5": latent,
        "6": node("CLIPTextEncode", text=["21", 0], clip=["10", 1]),
        "7": node("CLIPTextEncode", text="blurry", clip=["10", 1]),
        "8": node("LatentUpscaleBy", samples=["3", 0], scale_by=1.5),
        "9": node("SaveImage", images=["12", 0], filename_prefix="x"),
        "10": node("LoraLoader", model=["4", 0], clip=["4", 1], lora_name="ink", strength_model=0.7),
        "12": node("VAEDecode", samples=["31", 0], vae=["4", 2]),
        "20": node("PrimitiveInt", value=4294967295),
        "21": node("StringConcatenate", string_a="a lighthouse", string_b=["22", 0], delimiter=", "),
        "22": node("PrimitiveString", value="at dusk"),
        "40": node("CLIPTextEncode", text="linked to nothing", clip=["4", 1]),
    }


def flux_graph() -> dict[str, dict[str, object]]:
    return {
        "1": node("UNETLoader", unet_name="flux.safetensors"),
        "2": node("CLIPTextEncode", text="a fox", clip=["9", 0]),
        "3": node("FluxGuidance", conditioning=["2", 0], guidance=3.5),
        "4": node("RandomNoise", noise_seed=7),
        "5": node("CFGGuider", model=["1", 0], positive=["3", 0], negative=["6", 0], cfg=1),
        "6": node("ConditioningZeroOut", conditioning=["2", 0]),
        "7": node("BasicScheduler", model=["1", 0], scheduler="simple", steps=8, denoise=1),
        "8": node("KSamplerSelect", sampler_name="euler"),
        "10": node("EmptySD3LatentImage", width=1024, height=768, batch_size=1),
        "11": node(
            "SamplerCustomAdvanced",
            noise=["4", 0],
            guider=["5", 0],
            sampler=["8", 0],
            sigmas=["7", 0],
            latent_image=["10", 0],
        ),
        "12": node("VAEDecode", samples=["11", 0], vae=["1", 0]),
        "13": node("SaveImage", images=["12", 0], filename_prefix="y"),
    }


INVOKEAI = json.dumps(
    {
        "generation_mode": "sdxl_txt2img", "positive_prompt": "a fox", "negative_prompt": "text", "seed": 12,
        "width": 1024, "height": 1024, "cfg_scale": 7.5, "steps": 30, "scheduler": "euler",
        "model": {"key": "k", "name": "sdxl-base", "base": "sdxl"},
        "loras": [{"model": {"name": "ink"}, "weight": 0.75}], "app_version": "5.0.0",
    }
)  # fmt: skip
SD_METADATA = json.dumps(
    {
        "model": "stable diffusion", "app_version": "2.3.0",
        "image": {
            "prompt": [{"prompt": "a fox [text]", "weight": 1.0}], "steps": 50, "cfg_scale": 7.5, "seed": 12,
            "width": 512, "height": 768, "sampler": "k_lms", "type": "txt2img",
        },
    }
)  # fmt: skip
DREAM = '"a fox [text]" -s 50 -S 12 -W 512 -H 768 -C 7.5 -A k_lms'
SWARMUI = json.dumps(
    {
        "sui_image_params": {
            "prompt": "a fox <lora:ink>", "negativeprompt": "text", "model": "sdxl", "seed": 12, "steps": 20,
            "cfgscale": 7.0, "aspectratio": "1:1", "width": 1024, "height": 1024, "sampler": "euler",
            "loras": ["ink"], "loraweights": ["0.75"], "swarm_version": "0.9.5",
        },
        "sui_extra_data": {"date": "2025-01-01"},
    }
)  # fmt: skip
FOOOCUS = json.dumps(
    {
        "prompt": "a fox", "negative_prompt": "text", "base_model": "jugger", "seed": "12", "steps": 30,
        "guidance_scale": 4.0, "resolution": "(1152, 896)", "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras", "lora_combined_1": "ink : 0.5", "metadata_scheme": "fooocus",
        "version": "Fooocus v2.5.5",
    }
)  # fmt: skip
