"""The sketch engine uses references in visible ways, or refuses them."""

from __future__ import annotations

import io
import tracemalloc
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from generation.catalog.job_types import POOLS
from ourvidz_worker.engines.base import Result
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.protocol import AssetError, Reference, parse_job
from tests.worker.protocol_server import ProtocolServer, job_body
from tests.worker.test_runner import callbacks, ended, wait_for, working

RED, GREEN = (200, 30, 30), (20, 160, 60)


def reference(kind: str, strength: float = 1.0, upper: Any = RED, lower: Any = GREEN) -> Reference:
    pixels = np.empty((300, 400, 3), np.uint8)
    pixels[:150], pixels[150:] = upper, lower
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return Reference(kind, strength, "", file.getvalue())


def outcome(*references: Reference, **parameters: Any) -> Any:
    job = replace(parse_job(job_body(prompt="autumn forest", **parameters)), references=references)
    (finished,) = SketchEngine().generate(job, lambda share, stage: None, lambda: False)
    return finished.outcome


def drawn(*references: Reference) -> Any:
    made = outcome(*references)
    assert isinstance(made, Result)
    return np.asarray(Image.open(io.BytesIO(made.media)), dtype=int)


def film(*references: Reference) -> list[Any]:
    made = outcome(*references, media="video", frames=12, fps=8)
    assert isinstance(made, Result)
    with av.open(io.BytesIO(made.media), "r") as container:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


def likeness(pixels: Any) -> float:
    """Mean distance in levels from a picture that is red above and green below."""
    expected = np.empty(pixels.shape)
    half = pixels.shape[0] // 2
    expected[:half], expected[half:] = RED, GREEN
    return float(np.abs(pixels - expected).mean())


def test_a_composition_shows_through_by_its_strength() -> None:
    far, near, close = (likeness(drawn(reference("composition", share))) for share in (0.2, 0.6, 0.95))
    assert far > 1.3 * near > 1.5 * close


def test_a_style_lends_its_colours_by_its_strength() -> None:
    plain = drawn()
    shifts = [
        drawn(reference("style", share, RED, RED)).mean((0, 1)) - plain.mean((0, 1)) for share in (0.4, 1.0)
    ]
    assert shifts[1][0] - shifts[1][1] > shifts[0][0] - shifts[0][1] > 10, "redder, and redder than green"


@pytest.mark.parametrize("kind", ["style", "composition"])
def test_strength_zero_is_the_picture_without_it(kind: str) -> None:
    assert np.array_equal(drawn(reference(kind, 0.0)), drawn())


def test_a_film_begins_and_ends_with_its_frames() -> None:
    plain = film()
    framed = film(reference("start_frame"), reference("end_frame", upper=GREEN, lower=RED))
    assert likeness(framed[0]) < 10
    assert likeness(framed[-1][::-1]) < 10
    assert np.abs(framed[6] - plain[6]).mean() < 5, "between them it is the scene"


def test_a_start_frame_alone_leaves_the_end_to_the_scene() -> None:
    plain, framed = film(), film(reference("start_frame"))
    assert likeness(framed[0]) < 10
    assert np.abs(framed[-1] - plain[-1]).mean() < 5


@pytest.mark.parametrize("parameters", [{}, {"media": "video", "frames": 4, "fps": 8}])
def test_a_reference_that_is_no_picture_fails_the_slot(parameters: dict[str, Any]) -> None:
    """pitfall 19"""
    kind = "start_frame" if parameters else "style"
    error = outcome(Reference(kind, 1.0, "", b"not a picture"), **parameters)
    assert isinstance(error, AssetError)
    assert error.code == "reference_unreadable"


def test_it_offers_the_references_it_can_use_and_no_others() -> None:
    offered = set(SketchEngine.pools)
    assert {"sdxl_image_fast+composition+style", "video_high+end_frame+start_frame"} <= offered
    assert offered == {pool for pool in POOLS if "character" not in pool}, "as the server spells them"


def test_a_reference_it_never_offered_fails_the_job(server: ProtocolServer) -> None:
    """pitfall 19"""
    given = {"type": "character", "strength": 0.5, "url": "https://the.server/media/7/file"}
    server.jobs.append(job_body() | {"references": [given]})
    with working(server, SketchEngine()):
        wait_for(lambda: ended(server))
    assert callbacks(server)[-1]["assets"][0]["error"]["code"] == "reference_unsupported"


@pytest.mark.parametrize("size", [(20_000, 10_000), (9_000, 8_000)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    file = io.BytesIO()
    Image.new("1", size).save(file, "PNG")
    tracemalloc.start()
    error = outcome(Reference("style", 1.0, "", file.getvalue()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.code == "reference_unreadable"
    assert peak < 20 * 2**20


def test_a_format_the_server_does_not_accept_is_not_opened() -> None:
    """Pillow gives PostScript to a program of its own."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "EPS")
    assert outcome(Reference("style", 1.0, "", file.getvalue())).code == "reference_unreadable"
