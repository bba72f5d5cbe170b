"""A job's metadata says only how that job was made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ourvidz_worker.protocol import AssetError, Job
from tests.engines.jobs import Make, film


@pytest.fixture
def enhancing(models: Path) -> Make:
    return Make(engine="wan", model=str(models / "wan"), enhancer=str(models / "words"))


def enhanced(number: int, prompt: str = "a lighthouse") -> Job:
    return replace(film(enhance=True, prompt=prompt), id=f"job-{number}", lease_token=f"lease-{number}")


def test_it_says_how_the_job_was_made(enhancing: Make) -> None:
    job = enhanced(1)
    enhancing.results(job)
    metadata = enhancing.engine.job_metadata(job)
    text = enhancing.engine.enhancer.enhance(job.prompt, media="video", should_stop=bool)
    assert metadata["enhanced_prompt"] == enhancing.engine.truncate_prompt(text)
    assert {"enhancing", "generating", "encoding"} <= metadata["stages"].keys()


def test_a_job_the_engine_never_had_has_no_stats(enhancing: Make) -> None:
    """It had the prompt of the job before."""
    enhancing.results(enhanced(1))
    metadata = enhancing.engine.job_metadata(enhanced(2))
    assert not {"enhanced_prompt", "stages", "notes"} & metadata.keys()
    assert metadata["device"] == enhancing.engine.device


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("shapes do not match")]
)
def test_a_prompt_that_could_not_be_enhanced_is_not_in_the_metadata(
    enhancing: Make, error: RuntimeError
) -> None:
    enhancing.results(enhanced(1))

    def refuse(*_: Any, **__: Any) -> None:
        raise error

    enhancing.engine.enhancer._model.generate = refuse
    job = enhanced(2, "another prompt")
    if isinstance(error, torch.OutOfMemoryError):
        (finished,) = enhancing(job)
        assert isinstance(finished.outcome, AssetError)
        assert (finished.outcome.code, finished.outcome.retryable) == ("out_of_memory", True)
    else:
        with pytest.raises(RuntimeError, match="shapes"):
            enhancing(job)
    assert "enhanced_prompt" not in enhancing.engine.job_metadata(job)
