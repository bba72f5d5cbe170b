"""Generation parameters read from files: ours, other programs', and garbage."""

from __future__ import annotations

import io
import json
import struct
import time
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.media.parameters.found import Parameters
from generation.media.parameters.reading import PLACES, parameters_in, read_parameters
from generation.media.parameters.texts import MAX_TEXT_BYTES
from generation.media.parameters.unused import unused
from ourvidz_worker.engines.infotext import parameters_text
from ourvidz_worker.engines.mp4 import mp4
from ourvidz_worker.engines.png import png
from tests.generation.parameter_files import (
    DREAM,
    FOOOCUS,
    INFOTEXT,
    INVOKEAI,
    SD_METADATA,
    SWARMUI,
    comfy_graph,
    flux_graph,
    mp4_with,
    node,
    png_with,
    with_comment,
    with_tags,
    with_xmp,
)
from tests.generation.pictures import chunk, encoded, plain

pytestmark = pytest.mark.any_database
GRAPH = json.dumps(comfy_graph())


def read(content: bytes) -> Parameters | None:
    return read_parameters(io.BytesIO(content))


@pytest.mark.parametrize(
    "content",
    [
        png_with({"parameters": INFOTEXT}),
        png_with({"parameters": INFOTEXT}, compressed=True),
        png_with({"parameters": INFOTEXT}, international=True, compressed=True),
        with_comment("JPEG", INFOTEXT),
        with_comment("JPEG", INFOTEXT, order="utf-16-le"),
        with_comment("WEBP", INFOTEXT),
        with_comment("WEBP", INFOTEXT, order="utf-8", code=b"ASCII\0\0\0"),
        with_tags("JPEG", {0x010E: INFOTEXT}),
        with_xmp(INFOTEXT),
        mp4_with({"comment": INFOTEXT}),
        mp4_with({"comment": INFOTEXT}, faststart=True),
        mp4_with({"comment": INFOTEXT}, keys=True),
    ],
    ids=["tEXt", "zTXt", "iTXt", "jpeg", "jpeg-le", "webp", "webp-ascii", "description", "xmp",
         "mp4", "mp4-faststart", "mp4-keys"],
)  # fmt: skip
def test_the_web_uis_text_is_read_from_wherever_it_is_kept(content: bytes) -> None:
    found = read(content)
    assert found.prompt == "a lighthouse, (stormy sea:1.2)\nwarm light"
    assert found.negative_prompt == "blurry, text\nextra fingers"
    assert (found.seed, found.width, found.height) == (0, 832, 1216)  # 0 is a seed
    sentences = unused(found)
    assert "Sampler: DPM++ 2M – chosen by the job type." in sentences
    assert "LoRA: oil paint at 0.8 – chosen with a model here." in sentences
    assert "Hires prompt: sharp, seed: 5 – a job here makes one pass." in sentences
    assert any(each.startswith("Template: a {lighthouse|castle}") for each in sentences)


def test_what_our_own_workers_write_is_read_as_ours() -> None:
    fields = {"Steps": 15, "Seed": 4294967295, "Size": "832x480", "Model": "a, b: c"}
    text = parameters_text(prompt="日の出 🌅\nline two", negative_prompt="é", fields=fields)
    pixels: Any = np.zeros((48, 64, 3), np.uint8)
    for content in (png(pixels, parameters=text), mp4([pixels], width=64, height=48, fps=16, comment=text)):
        found = read(content)
        assert (found.source, found.prompt, found.negative_prompt) == ("OurVidz", "日の出 🌅\nline two", "é")
        assert (found.seed, found.width, found.height) == (4294967295, 832, 480)
        assert ("Model", "a, b: c") in found.others
        assert unused(found) == [], "it follows from what a job here is made with"


@pytest.mark.parametrize(
    "content",
    [
        png_with({"prompt": GRAPH, "workflow": '{"nodes": []}'}),
        with_tags("WEBP", {0x0110: f"prompt:{GRAPH}", 0x010F: 'workflow:{"nodes": []}'}),
        mp4_with({"comment": json.dumps({"prompt": GRAPH, "workflow": {"nodes": []}})}),
        mp4_with({"prompt": GRAPH, "workflow": '{"nodes": []}'}, keys=True),
    ],
    ids=["png", "webp", "mp4-comment", "mp4-keys"],
)
def test_what_comfyui_ran_is_read_by_its_links(content: bytes) -> None:
    """pitfall 51: neither by titles, nor by the order of the nodes."""
    found = read(content)
    assert (found.source, found.prompt, found.negative_prompt) == (
        "ComfyUI",
        "a lighthouse, at dusk",
        "blurry",
    )
    assert (found.seed, found.width, found.height) == (4294967295, 1216, 832)
    assert ("LoRA", "ink at 0.7") in found.others
    assert ("Model", "dream.safetensors") in found.others
    assert ("Steps", "25") in found.others
    assert found.notes == ()


def test_comfyuis_custom_samplers_are_followed_too() -> None:
    found = parameters_in({"prompt": json.dumps(flux_graph())})
    assert (found.prompt, found.negative_prompt, found.seed) == ("a fox", "", 7)
    assert (found.width, found.height) == (1024, 768)
    for other in [
        ("Guidance", "3.5"),
        ("Sampler", "euler"),
        ("Scheduler", "simple"),
        ("Model", "flux.safetensors"),
    ]:
        assert other in found.others


def test_what_a_comfyui_graph_does_not_say_is_said() -> None:
    two = {**flux_graph(), **{f"9{key}": _moved(each) for key, each in flux_graph().items()}}
    assert "samples 2 pictures" in parameters_in({"prompt": json.dumps(two)}).notes[-1]
    strange = flux_graph() | {"2": node("MysteryNode", seedling=1)}
    assert "“MysteryNode”" in parameters_in({"prompt": json.dumps(strange)}).notes[0]
    assert "nothing is guessed" in parameters_in({"workflow": '{"nodes": [1]}'}).notes[0]


def _moved(each: dict[str, Any]) -> dict[str, Any]:
    inputs = {
        name: [f"9{value[0]}", value[1]] if isinstance(value, list) else value
        for name, value in each["inputs"].items()
    }
    return each | {"inputs": inputs}


@pytest.mark.parametrize(
    ("texts", "source", "size"),
    [
        ({"invokeai_metadata": INVOKEAI}, "InvokeAI", (1024, 1024)),
        ({"sd-metadata": SD_METADATA, "Dream": "x"}, "InvokeAI", (512, 768)),
        ({"Dream": DREAM}, "InvokeAI", (512, 768)),
        ({"parameters": SWARMUI}, "SwarmUI", (1024, 1024)),
        ({"UserComment": SWARMUI}, "SwarmUI", (1024, 1024)),
        ({"parameters": FOOOCUS, "fooocus_scheme": "fooocus"}, "Fooocus", (1152, 896)),
    ],
)  # fmt: skip
def test_other_programs_are_read_too(texts: dict[str, str], source: str, size: tuple[int, int]) -> None:
    found = parameters_in(texts)
    assert (found.source, found.prompt, found.negative_prompt, found.seed) == (source, "a fox", "text", 12)
    assert (found.width, found.height) == size
    assert found.others


NAMES = st.sampled_from(
    [*PLACES, "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Dream", "Model", "fooocus_scheme"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
KEYS = st.sampled_from(
    [
        *("inputs", "class_type", "positive", "negative", "seed", "noise", "latent_image", "text", "1", "2"),
        *("model", "guider", "sui_image_params", "image", "prompt", "loras", "width", "height", "sampler"),
        *("base_model", "guidance_scale", "resolution", "metadata_scheme"),
    ]
)
LINKS = st.tuples(st.sampled_from(["1", "2", "3"]), st.integers(0, 2)).map(list)
JSON = st.recursive(
    SCALARS | LINKS | st.sampled_from(["fooocus", "KSampler"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)
PIECES = st.text(max_size=6) | st.sampled_from(
    [*("Steps: 2, ", "Negative prompt:", '"', "Seed: ", "{", "[", "<lora:", ">"), ", ", ": ", "\n", "9" * 30]
)


@given(st.dictionaries(NAMES, JSON.map(json.dumps) | st.lists(PIECES, max_size=20).map("".join), max_size=4))
@settings(deadline=None, max_examples=300)
def test_texts_of_any_kind_never_raise(texts: dict[str, str]) -> None:
    """pitfall 40"""
    found = parameters_in(texts)
    if found:
        sentences = "".join(unused(found)) + found.prompt + found.negative_prompt
        sentences.encode()  # no lone surrogate
        assert "\0" not in sentences
        assert found.seed is None or 0 <= found.seed < 2**64


FILES = [
    png_with({"parameters": INFOTEXT, "prompt": GRAPH}),
    with_comment("JPEG", INFOTEXT),
    with_tags("WEBP", {0x0110: f"prompt:{GRAPH}"}),
    with_xmp(INFOTEXT),
    mp4_with({"comment": INFOTEXT}),
    mp4_with({"prompt": GRAPH}, keys=True),
]


CHANGES = st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=9)), max_size=12)


@given(st.sampled_from(FILES), CHANGES, st.integers(0, 10**6))
@settings(deadline=None, max_examples=300)
def test_damaged_files_never_raise(file: bytes, changes: list[tuple[int, bytes]], cut: int) -> None:
    """pitfall 40"""
    damaged = bytearray(file)
    for at, new in changes:
        at %= len(damaged)
        damaged[at : at + len(new)] = new
    for content in (bytes(damaged), bytes(damaged)[: cut % len(damaged)]):
        found = read(content)
        assert found is None or isinstance(found, Parameters)


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def exif_of(entries: list[tuple[int, int]], size: int) -> bytes:
    """Of these tags with values of so many bytes, all from the same place on."""
    listed = b"".join(struct.pack(">HHII", tag, 7, count, 2600) for tag, count in entries)
    head = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", len(entries))
    return (head + listed + bytes(4)).ljust(size, b"\xff")[:size]


def hostile() -> dict[str, bytes]:
    bomb = b"parameters\0\0" + zlib.compress(b"Steps: 1, " * 10_000_000, 1)[: MAX_TEXT_BYTES - 100]
    head, tail = encoded(plain(), "PNG")[:33], encoded(plain(), "PNG")[33:]
    branches: dict[str, dict[str, object]] = {
        str(level): node(
            "ConditioningCombine", conditioning_1=[str(level + 1), 0], conditioning_2=[str(level + 1), 0]
        )
        for level in range(100, 160)
    }
    sampler = node("KSampler", seed=1, positive=["100", 0], negative=["100", 0], latent_image=["2", 0])
    circle = {"2": node("X", samples=["3", 0]), "3": node("X", samples=["2", 0])}
    noted = exif_of([(0x927C, 57_000)] * 199 + [(0x927C, 0)], 60_000)
    broken_bomb = b"k\0\0" + zlib.compress(b"a" * 900_000, 9)[:-4] + bytes(4)
    keys = box(b"keys", bytes(8) + box(b"mdta", b"") * 1900)
    tags = box(b"moov", box(b"meta", box(b"hdlr", b"") + keys * 400) * 12)
    return {
        "EXIF again and again": b"\xff\xd8" + (b"\xff\xe1\xea\x62" + noted) * 300,
        "bombs that break": head + chunk(b"zTXt", broken_bomb) * 10_000 + tail,
        "keys": b"\0\0\0\x10ftypisom\0\0\0\0" + tags,
        "a bomb": head + chunk(b"zTXt", bomb) * 40 + tail,
        "deep JSON": png_with({"prompt": '{"a":' * 200_000, "parameters": "[" * 1_000_000}),
        "wide JSON": png_with({"prompt": "[" + "[]," * 340_000 + "[]]"}),
        "branches": png_with({"prompt": json.dumps(branches | {"1": sampler, **circle})}),
        "fields": png_with({"parameters": "Steps: 1, " + "a: b, " * 150_000}),
        "lines": png_with({"parameters": "Steps: 1\n" * 100_000}),
        "networks": png_with({"parameters": "<lora:a" * 140_000 + "\nSteps: 1, Seed: 1, Size: 1x1"}),
        "brackets": png_with({"Dream": '"' + "[" * 1_000_000 + '" -S 1'}),
        "tags": with_xmp("<" * 9_000),
        "boxes": b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08moov" * 500_000,
    }


def test_hostile_files_take_bounded_time_and_memory() -> None:
    """pitfall 40. The bounds are generous: what they rule out takes minutes, and all memory."""
    for name, content in hostile().items():
        tracemalloc.start()
        started = time.thread_time()
        read(content)
        took, (_, peak) = time.thread_time() - started, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(f"{name}: {took:.2f} s, {peak / 2**20:.0f} MiB")
        assert took < 10, name
        assert peak < 100 * 2**20, name
