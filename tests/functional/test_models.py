"""Two workers with three models between them, from their files to the Library."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from generation.models import Worker
from tests.functional import ledger
from tests.functional.callers import Person
from tests.functional.installation import Installation
from tests.functional.programs import Program, eventually

PAPER = """
[[models]]
name = "paper"
title = "Paper"
engine = "sketch"
job_types = ["sdxl_image_fast", "video_fast"]
loras = [{name = "film-grain", weight = 0.6, minimum = 0, maximum = 2, trigger_words = ["grainy"]}]
offer = {palette = ["natural", "mono"], steps = [4, 12], loras = ["film-grain"]}
sizes = {"1:1" = [256, 256]}
licence = {name = "CC0 1.0", url = "https://creativecommons.org/publicdomain/zero/1.0/"}
"""
INKED = """
[[models]]
name = "inked"
title = "Inked"
engine = "sketch"
loras = [{name = "ink", weight = 1}]
default = true
"""
MONO = """
[[models]]
name = "mono"
engine = "sketch"
job_types = ["sdxl_image_fast"]
set = {palette = "mono"}
"""


def started(live: Installation, folder: Path, models: str) -> tuple[Program, Worker]:
    worker, token = live._register()
    file = folder / f"{worker.name}.toml"
    file.write_text(models)
    program = Program(
        [
            str(Path(sys.executable).parent / "ourvidz-worker"),
            *("run", "--server", live.address, "--config", str(file)),
        ],
        live.data / f"{worker.name}.log",
        {**live.environment, "OURVIDZ_WORKER_TOKEN": token},
    )
    live.programs.append(program)
    program.wait_for("connected")
    return program, worker


def advertised(person: Person) -> dict[str, Any]:
    answer = person.http.get("/api/v1/models")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    models = body if isinstance(body, list) else body.get("models", body.get("results"))
    return {each["name"]: each for each in models}


def made(person: Person, job_id: str) -> tuple[Any, dict[str, Any], str]:
    """Pixels, metadata and the file's own text, of the only slot."""
    eventually(lambda: ledger.job(job_id).finished_at, "the job does not end", seconds=120)
    (asset,) = ledger.job(job_id).slots
    assert asset.status == "completed", (asset.error_code, asset.error_message)
    file = person.http.get(f"/media/image/{asset.pk}/file")
    with Image.open(io.BytesIO(file.content)) as picture:
        return np.asarray(picture.convert("RGB"), np.int16), asset.metadata, picture.info["parameters"]


def test_a_model_is_chosen_and_made(live: Installation, tmp_path: Path) -> None:
    person = live.person()
    program, worker = started(live, tmp_path, PAPER)
    eventually(lambda: "paper" in advertised(person), "the model is not listed")
    assert advertised(person)["paper"]["title"] == "Paper"

    settings = {"palette": "mono", "steps": 5, "loras": [{"name": "film-grain", "weight": 1.5}]}
    chosen = person.submit(model="paper", settings=settings, seed=7)
    plain = person.submit(model="paper", seed=7)
    pixels, metadata, text = made(person, chosen)
    assert pixels.shape == (256, 256, 3)
    assert (pixels.max(axis=2) - pixels.min(axis=2)).max() <= 1, "in grey"
    assert (metadata["model"], metadata["loras"]) == ("paper", {"film-grain": 1.5})
    for said in ("Model: paper", "Steps: 5", "Palette: mono", 'Loras: "film-grain: 1.5"'):
        assert said in text
    assert ledger.job(chosen).model_digest == metadata["model_digest"]
    untouched, metadata, text = made(person, plain)
    assert "Loras" not in text
    assert "Palette: natural" in text
    assert not np.array_equal(untouched, pixels)
    assert not any("@" not in pool for pool in Worker.objects.get(pk=worker.pk).pools)
    assert program.stop() == 0


def test_two_workers_have_three_models(live: Installation, tmp_path: Path) -> None:
    """A job that waits for a model whose worker is away is done when it is back."""
    person = live.person()
    first, _ = started(live, tmp_path, PAPER + MONO)
    second, _ = started(live, tmp_path, PAPER + INKED)
    eventually(lambda: {"paper", "inked", "mono"} <= set(advertised(person)), "they are not listed")
    inked, usual = person.submit(model="inked", seed=7), person.submit(seed=7)
    assert made(person, inked)[2].count('Loras: "ink: 1"') == 1
    assert "Model: inked" in made(person, usual)[2], "the default for jobs that name none"
    assert second.stop() == 0
    waiting = person.submit(model="inked", seed=8)
    assert made(person, person.submit(model="paper", seed=8))[1]["model"] == "paper"
    assert ledger.status(waiting) == "queued"
    started(live, tmp_path, PAPER + INKED)
    assert made(person, waiting)[1]["model"] == "inked"
    assert first.stop() == 0


def test_a_worker_older_than_models_is_served_as_ever(live: Installation) -> None:
    """Its lease call as recorded of version 6ac2d4f; it is never given a job that asks for a model."""
    person, machine = live.person(), live.machine()
    recorded = {
        "engines": ["sdxl", "wan"],
        "pools": ["sdxl_image_fast", "sdxl_image_fast+style", "video_fast", "video_fast+start_frame"],
        "wait_s": 0.0,
        "version": "0.1.0",
        "device": "CPU (x86_64)",
        "worker_engine": "sketch",
    }
    assert machine.http.post("lease", json=recorded).status_code == 204
    job_id = person.submit()
    answer = machine.http.post("lease", json=recorded)
    assert answer.status_code == 200
    job = answer.json()
    assert job["job_id"] == job_id
    assert not {"model", "loras", "settings"} & set(job["parameters"])
    machine.deliver(job, 0, status="completed")
    ledger.assert_whole(job_id, 1)
