"""From POST jobs to the file in the Library, by a real server and a real worker with SDXL's real pipeline."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.engines.jobs import read_back
from tests.functional import ledger
from tests.functional.conftest import installation, live  # noqa: F401 fixtures
from tests.functional.installation import Installation
from tests.functional.programs import Program, eventually
from tests.functional.test_what_a_worker_meets import uploaded


@pytest.mark.timeout(900)  # 15 steps at 1024 × 1024; half a minute on a quiet machine
@pytest.mark.parametrize("references", [[], ["composition", "style", "character"]])
def test_a_job_becomes_a_file_in_the_library(
    live: Installation,  # noqa: F811 the fixture
    models: Path,
    references: list[str],
) -> None:
    person = live.person()
    given = [
        {"type": kind, "strength": 0.8, "reference": uploaded(person, 50 * number)}
        for number, kind in enumerate(references)
    ]
    job_id = person.submit(prompt="a lighthouse at dusk", quantity=1, seed=42, references=given)
    worker = Program(
        [
            *(sys.executable, "-m", "ourvidz_worker", "run", "--server", live.address),
            *("--engine", "sdxl", "--model", str(models / "sdxl")),
            *("--style-adapter", str(models / "style.safetensors")),
            *("--character-adapter", str(models / "character.safetensors")),
            *("--image-encoder", str(models / "clip")),
        ],
        live.data / "sdxl.log",
        {**live.environment, "OURVIDZ_WORKER_TOKEN": live.machine().token, "OMP_NUM_THREADS": "2"},
    )
    live.programs.append(worker)
    eventually(lambda: ledger.job(job_id).finished_at, "no result", seconds=600)

    ledger.assert_whole(job_id, 1)
    job = ledger.job(job_id)
    (asset,) = job.slots
    assert asset.seed == 42
    assert asset.metadata["sampler"] == "Euler"
    assert asset.metadata.get("references", {}) == dict.fromkeys(references, 0.8)
    assert job.metadata["engine"] == "sdxl"
    assert job.metadata["libraries"]["diffusers"]
    listed = person.http.get("/api/v1/assets").json()
    assert str(asset.pk) in str(listed)
    answer = person.http.get(f"/api/v1/images/{asset.pk}/file", follow_redirects=True)
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.format, picture.size) == ("PNG", (1024, 1024))
        prompt, _, pairs = read_back(picture.info["parameters"])
    assert prompt == "a lighthouse at dusk"
    assert pairs["Seed"] == "42"
    assert worker.stop() == 0
