"""What becomes of what a decoder gives: bytes, unless it is no picture at all."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from ourvidz_worker.protocol import AssetError
from tests.engines.jobs import Make, film, job


@pytest.mark.parametrize("engine", ["sdxl", "wan"])
def test_invalid_numbers_are_delivered_as_no_picture(engine: str, request: pytest.FixtureRequest) -> None:
    """As half precision makes them where it overflows; only the slots that have them fail."""
    make: Make = request.getfixturevalue(engine)
    made: list[None] = []

    def overflow(module: Any, given: Any, decoded: Any) -> Any:
        made.append(None)
        return decoded * float("nan") if len(made) == 1 else decoded

    last = make.engine._text.vae.decoder.conv_out
    hook = last.register_forward_hook(overflow)
    try:
        outcomes = [each.outcome for each in make(job(slots=2) if engine == "sdxl" else film())]
    finally:
        hook.remove()
    error = outcomes[0]
    assert isinstance(error, AssetError)
    assert (error.code, error.retryable) == ("not_a_picture", True)
    assert "--precision" in error.advice
    assert "--" not in error.message, "which the user reads"
    assert not any(isinstance(each, AssetError) for each in outcomes[1:])


def test_a_film_is_turned_into_bytes_without_copies_of_it() -> None:
    from ourvidz_worker.engines.diffusion.pixels import to_uint8

    values = np.random.default_rng(1).random((40, 48, 64, 3), np.float32)
    tracemalloc.start()
    try:
        pixels = to_uint8(values)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not isinstance(pixels, AssetError)
    assert np.array_equal(pixels, np.rint(values * 255).astype(np.uint8))
    assert peak < 1.5 * values.size, "bytes: those of the result, and of a frame"
