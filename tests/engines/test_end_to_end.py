"""From POST jobs to the file in the Library: real servers, workers and pipelines, and the product's sizes.

These models make pictures smaller on the way to latents than real ones, so that it takes seconds.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from generation.models import Asset
from tests.engines.jobs import decoded, read_back
from tests.functional import ledger
from tests.functional.callers import Person, failure
from tests.functional.conftest import installation, live  # noqa: F401 fixtures
from tests.functional.installation import Installation
from tests.functional.programs import Program, eventually
from tests.functional.test_what_a_worker_meets import uploaded

PROMPT = "a lighthouse at dusk"
LOOKS = ("composition", "style", "character")

pytestmark = pytest.mark.timeout(900)  # each takes less than a minute on a quiet machine


def test_pictures_by_sdxl(live: Installation, models: Path) -> None:  # noqa: F811 the fixture
    """Text to image, image to image with every reference, and slot 3 of six made again alone."""
    person = live.person()
    again = all_but_one(live, person, slot=3)
    six = person.submit(prompt=PROMPT, quantity=6, seed=42)
    by_others = person.submit(prompt=PROMPT, quantity=1, seed=42, references=references(person, *LOOKS))
    worker = started(
        live,
        *("--engine", "sdxl", "--model", str(models / "sdxl-coarse")),
        *("--style-adapter", str(models / "style.safetensors")),
        *("--character-adapter", str(models / "character.safetensors")),
        *("--image-encoder", str(models / "clip")),
    )

    made = [picture(person, asset, (1024, 1024)) for asset in finished(six)]
    for number, (pixels, pairs) in enumerate(made):
        expected = {"Steps": "15", "Sampler": "Euler", "CFG scale": "6.0", "Seed": str(42 + number)}
        assert expected.items() <= pairs.items()
        assert pixels.std() > 1
    alone, _ = picture(person, finished(again, 6)[3], (1024, 1024))
    assert np.array_equal(alone, made[3][0])
    assert ledger.job(again).slots[2].sha256 != ledger.job(six).slots[2].sha256, "that one came from another"

    (asset,) = finished(by_others)
    pixels, pairs = picture(person, asset, (1024, 1024))
    assert asset.metadata["references"] == dict.fromkeys(LOOKS, 0.8)
    assert (pairs["Denoising strength"], pairs["Style strength"]) == ("0.2", "0.8")
    assert not np.array_equal(pixels, made[0][0])
    assert worker.stop() == 0


def test_films_and_images_by_wan(live: Installation, models: Path) -> None:  # noqa: F811 the fixture
    """A film, one from a start frame, an image, and one whose prompt is enhanced."""
    person = live.person()
    frames = references(person, "start_frame")
    plain = person.submit("video_fast", prompt=PROMPT, seed=42)
    from_frame = person.submit("video_fast", prompt=PROMPT, seed=42, references=frames)
    image = person.submit("image_fast", prompt=PROMPT, seed=42)
    enhanced = person.submit("image7b_fast_enhanced", prompt=PROMPT, seed=42)
    worker = started(
        live,
        *("--engine", "wan", "--model", str(models / "wan-coarse")),
        *("--image-model", str(models / "wan-coarse-start"), "--enhancer", str(models / "words")),
    )

    films = [film(person, *finished(job_id)) for job_id in (plain, from_frame)]
    assert not np.array_equal(films[0], films[1])
    assert ledger.job(from_frame).slots[0].metadata["references"] == {"start_frame": 0.8}

    pixels, pairs = picture(person, finished(image)[0], (480, 832))
    assert pixels.std() > 1
    assert {"Steps": "25", "Sampler": "UniPC", "CFG scale": "6.5", "Shift": "5.0"}.items() <= pairs.items()

    (asset,) = finished(enhanced)
    richer = ledger.job(enhanced).enhanced_prompt
    assert richer not in ("", PROMPT)
    picture(person, asset, (480, 832), prompt=richer)
    assert worker.stop() == 0


def started(live: Installation, *options: str) -> Program:  # noqa: F811 the fixture
    worker = Program(
        [sys.executable, "-m", "ourvidz_worker", "run", "--server", live.address, *options],
        live.data / "engine.log",
        {**live.environment, "OURVIDZ_WORKER_TOKEN": live.machine().token, "OMP_NUM_THREADS": "2"},
    )
    live.programs.append(worker)
    return worker


def references(person: Person, *kinds: str) -> list[dict[str, Any]]:
    return [
        {"type": kind, "strength": 0.8, "reference": uploaded(person, 50 * number)}
        for number, kind in enumerate(kinds)
    ]


def all_but_one(live: Installation, person: Person, *, slot: int) -> str:  # noqa: F811 the fixture
    """A job of six for which another worker brought all but this slot, and which is tried again."""
    job_id, other = person.submit(prompt=PROMPT, quantity=6, seed=42), live.machine()
    job = other.lease()
    slots = [each["slot"] for each in job["slots"]]
    delivered = [other.delivered(job, each) for each in slots if each != slot]
    other.report(job, *delivered, failure(job, slot), status="completed")
    assert [each.slot for each in ledger.job(job_id).slots if each.status == "failed"] == [slot]
    headers = {"X-CSRFToken": person.http.cookies["csrftoken"]}
    answer = person.http.post(f"/api/v1/jobs/{job_id}/retry", headers=headers)
    assert answer.status_code == 200, answer.text
    return job_id


def finished(job_id: str, slots: int | None = None) -> list[Asset]:
    eventually(lambda: ledger.job(job_id).finished_at, f"no result of {job_id}", seconds=600)
    job = ledger.job(job_id)
    ledger.assert_whole(job_id, slots or job.quantity)
    assert job.metadata["libraries"]["diffusers"]
    assert job.metadata["stages"]["generating"] > 0
    return list(job.slots)


def downloaded(person: Person, asset: Asset, media: str) -> bytes:
    """The file, by way of the Library."""
    assert str(asset.pk) in str(person.http.get("/api/v1/assets").json())
    return person.http.get(f"/api/v1/{media}/{asset.pk}/file", follow_redirects=True).content


def picture(
    person: Person, asset: Asset, size: tuple[int, int], *, prompt: str = PROMPT
) -> tuple[Any, dict[str, str]]:
    """Its pixels, and what its file says of how they came about."""
    with Image.open(io.BytesIO(downloaded(person, asset, "images"))) as file:
        assert (file.format, file.mode, file.size) == ("PNG", "RGB", size)
        prompt_in_file, _, pairs = read_back(file.info["parameters"])
        pixels = np.asarray(file)
    assert prompt_in_file == prompt
    assert pairs["Seed"] == str(asset.seed)
    assert pairs["Size"] == f"{size[0]}x{size[1]}"
    return pixels, pairs


def film(person: Person, asset: Asset) -> Any:
    frames, facts = decoded(downloaded(person, asset, "videos"))
    assert np.shape(frames) == (81, 832, 480, 3)
    assert (facts["codec"], facts["pixels"], facts["rate"]) == ("h264", "yuv420p", 16)
    prompt, _, pairs = read_back(facts["comment"])
    assert prompt == PROMPT
    expected = {"Steps": "25", "Seed": "42", "Size": "480x832", "Frames": "81", "FPS": "16", "Shift": "5.0"}
    assert expected.items() <= pairs.items()
    assert asset.metadata["sampler"] == "UniPC"
    return frames
