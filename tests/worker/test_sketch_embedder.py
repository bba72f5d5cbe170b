"""The sketch embedder: what it finds by colours and layout, without weights."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from ourvidz_worker.embeddings.base import Vectors
from ourvidz_worker.embeddings.sketch import SEEDS, SketchEmbedder
from ourvidz_worker.engines.sketch.picture import Picture

PROMPTS = ("red fox at night", "lighthouse at sunset", "alpine peak in winter", "a bouquet of red roses")
SEED = 77
assert SEED not in SEEDS


def drawn(prompt: str, seed: int = SEED, width: int = 256, height: int = 192) -> Image.Image:
    return Image.fromarray(Picture(prompt, seed, width, height).still(lambda share: None))


def cosines(a: Vectors, b: Vectors) -> np.ndarray:
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (a, b)]
    return unit[0] @ unit[1].T


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    return [drawn(prompt) for prompt in PROMPTS]


def test_a_text_is_nearest_to_what_sketch_drew_for_it(images: list[Image.Image]) -> None:
    embedder = SketchEmbedder()
    found = cosines(embedder.embed_texts(PROMPTS), embedder.embed_images(images))
    assert list(found.argmax(axis=1)) == [0, 1, 2, 3]
    assert found.diagonal().min() > embedder.thresholds["text"][0]


def test_another_format_of_a_picture_is_very_alike(images: list[Image.Image]) -> None:
    embedder = SketchEmbedder()
    small = [image.resize((96, 72)).quantize(64).convert("RGB") for image in images]
    found = cosines(embedder.embed_images(images), embedder.embed_images(small))
    assert found.diagonal().min() > embedder.thresholds["image"][1]


def test_other_colours_and_another_layout_are_not_alike(images: list[Image.Image]) -> None:
    embedder = SketchEmbedder()
    original = embedder.embed_images(images)
    others = [ImageOps.invert(image) for image in images]
    assert cosines(original, embedder.embed_images(others)).diagonal().max() < embedder.thresholds["image"][0]
    upside_down = [ImageOps.flip(image) for image in images]
    assert cosines(original, embedder.embed_images(upside_down)).diagonal().mean() < 0.9


def test_the_same_input_gives_the_same_vector(images: list[Image.Image]) -> None:
    embedder, again = SketchEmbedder(), SketchEmbedder()
    assert np.array_equal(embedder.embed_images(images), again.embed_images(images))
    assert np.array_equal(embedder.embed_images(images)[1:2], embedder.embed_images(images[1:2]))
    assert np.array_equal(embedder.embed_texts(["mist"]), again.embed_texts(["mist"]))


@pytest.mark.parametrize("text", ["", "日本の海", "x" * 5000, "  \n\t"])
def test_any_text_has_a_vector(text: str) -> None:
    vectors = SketchEmbedder().embed_texts([text])
    assert vectors.shape == (1, 74)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("colour", ["black", "white", "gray", "#8b8b8b"])
def test_a_picture_of_one_colour_has_a_vector(colour: str) -> None:
    """Not all zero, which servers refuse."""
    for size in ((1, 1), (3, 200)):
        assert np.linalg.norm(SketchEmbedder().embed_images([Image.new("RGB", size, colour)])) > 0.1
