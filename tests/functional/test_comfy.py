"""A ComfyUI behind a real worker: from the submission to the Library."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.functional import ledger
from tests.functional.installation import Installation
from tests.functional.programs import Program, eventually
from tests.functional.test_references import photo, uploaded
from tests.worker.comfy_models import IMAGE, IMAGE_BIND, VIDEO_BIND, with_start_frame
from tests.worker.comfy_stand_in import ComfyStandIn, comfy_stand_in

pytestmark = pytest.mark.any_database

SECRETS = (b"film.safetensors", b"KSampler", b"class_type", b"secret house style")
FILM_BIND = {name: target for name, target in VIDEO_BIND.items() if name != "frames"}


@pytest.fixture
def comfy() -> Iterator[ComfyStandIn]:
    with comfy_stand_in() as running:
        yield running


@pytest.fixture
def worker(comfy: ComfyStandIn, live: Installation, tmp_path: Path) -> Program:
    """With two models of one ComfyUI: pictures, and films that begin with one."""
    films = {**FILM_BIND, "start_frame": "12.inputs.image"}
    entries = [
        entry(tmp_path, "pictures", IMAGE, comfy.url, IMAGE_BIND, "9", "sdxl_image_fast"),
        entry(tmp_path, "films", with_start_frame(), comfy.url, films, "10", "video_fast"),
    ]
    (tmp_path / "worker.toml").write_text("\n".join(entries), encoding="utf-8")
    return live.worker("--config", str(tmp_path / "worker.toml"))


def entry(
    folder: Path, name: str, workflow: Any, url: str, bind: Mapping[str, Any], output: str, job_type: str
) -> str:
    (folder / f"{name}.json").write_text(json.dumps(workflow), encoding="utf-8")
    values = {
        "name": name,
        "engine": "comfy",
        "url": url,
        "workflow": f"{name}.json",
        "output": output,
        "job_types": [job_type],
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    bound = [f"{key} = {json.dumps(value)}" for key, value in bind.items()]
    return "\n".join(["[[models]]", *lines, "default = true", "[models.bind]", *bound])


def ended(job_id: str) -> Any:
    eventually(lambda: ledger.job(job_id).finished_at, job_id, seconds=300)
    return ledger.job(job_id)


def downloaded(live: Installation, person: Any, kind: str, asset: Any) -> bytes:
    answer = person.http.get(f"/api/v1/{kind}/{asset.pk}/file")
    assert answer.status_code == 200, answer.text
    return bytes(answer.content)


def test_a_batch_reaches_the_library(live: Installation, comfy: ComfyStandIn, worker: Program) -> None:
    person = live.person()
    page = live.page(person)
    job = person.submit(quantity=3, seed=40, negative_prompt="fog")
    page.converges({job: 3})
    ledger.assert_whole(job, 3)
    slots = ledger.job(job).slots
    assert [asset.seed for asset in slots] == [40, 41, 42]
    assert len({asset.sha256 for asset in slots}) == 3
    saved = list(comfy.queue.files.values())
    for asset, theirs in zip(slots, saved, strict=True):
        content = downloaded(live, person, "images", asset)
        assert not any(secret in content for secret in SECRETS)
        with Image.open(io.BytesIO(content)) as ours, Image.open(io.BytesIO(theirs)) as picture:
            assert np.array_equal(np.asarray(ours), np.asarray(picture))
            assert ours.info["parameters"].startswith("a lighthouse\nNegative prompt: fog\nSeed: ")
        assert asset.metadata["workflow_sha256"] == ledger.job(job).metadata["workflow_sha256"]
    assert str(slots[0].pk) in person.page("/library/")


def test_a_film_from_a_start_frame(live: Installation, comfy: ComfyStandIn, worker: Program) -> None:
    person = live.person()
    red = uploaded(person, photo((200, 30, 30)))
    job = person.submit("video_fast", references=[{"type": "start_frame", "reference": red}])
    [asset] = ended(job).slots
    assert asset.status == "completed", asset.error_message
    content = downloaded(live, person, "videos", asset)
    assert not any(secret in content for secret in SECRETS)
    with av.open(io.BytesIO(content), "r") as film:
        first: Any = next(film.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(first.mean((0, 1)) - (200, 30, 30)).max() < 8
    assert (asset.width, asset.height) == (480, 832)
    assert asset.duration == pytest.approx(9 / 16, abs=0.01)
    assert len(comfy.uploads) == 1


def test_a_cancel_reaches_comfyui(live: Installation, comfy: ComfyStandIn, worker: Program) -> None:
    comfy.faults.step_s = 0.3
    person = live.person()
    job = person.submit(quantity=3)
    eventually(lambda: comfy.queue.running)
    assert (
        person.http.post(
            f"/api/v1/jobs/{job}/cancel", headers={"X-CSRFToken": person.http.cookies["csrftoken"]}
        ).status_code
        == 200
    )
    eventually(lambda: comfy.queue.running is None)
    assert comfy.queue.interrupted == [comfy.queue.submitted[0]["id"]]
    assert len(comfy.queue.submitted) == 1
    assert {asset.status for asset in ledger.job(job).slots} == {"cancelled"}


def test_a_restart_in_the_middle_costs_one_attempt(
    live: Installation, comfy: ComfyStandIn, worker: Program
) -> None:
    person = live.person()
    page = live.page(person)
    comfy.faults.step_s = 0.2
    job = person.submit(quantity=3)
    eventually(lambda: comfy.queue.running)
    comfy.stop()
    comfy.faults.step_s = 0.0
    comfy.start()
    page.converges({job: 3})
    ledger.assert_whole(job, 3)
    assert ledger.attempts(job) == [("reported", 2), ("reported", 1)]
    [failed] = worker.events("slot_failed")
    assert failed["code"] == "comfy_restarted"


def test_a_model_that_is_gone_fails_in_words(
    live: Installation, comfy: ComfyStandIn, worker: Program
) -> None:
    """The user reads that the workflow cannot run; which node and file it is stands in the worker's log."""
    comfy.queue.models.clear()
    job = live.person().submit()
    [asset] = ended(job).slots
    assert (asset.status, asset.error_code) == ("failed", "workflow_refused")
    assert asset.error_message == "The workflow of this model cannot be run."
    assert len(ledger.attempts(job)) == 3
    assert "film.safetensors" in worker.events("slot_failed")[0]["reason"]
