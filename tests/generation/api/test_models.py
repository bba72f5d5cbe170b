from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone
from rest_framework.test import APIClient

from generation.models import Model, Worker
from tests.advertised import FILM, OFFER, advertise, body, deliver
from tests.factories import make_job, make_worker

URL = "/api/v1/models"
POOLS = [f"sdxl_image_fast@{FILM}", f"sdxl_image_fast+style@{FILM}"]


@pytest.fixture
def worker(db: None) -> Worker:
    return make_worker("m1")


def listed(mine: APIClient) -> list[dict[str, Any]]:
    response = mine.get(URL)
    assert response.status_code == 200
    models: list[dict[str, Any]] = response.json()["models"]
    return models


def test_a_model_is_listed_with_what_it_offers(mine: APIClient, worker: Worker) -> None:
    advertise(worker, body(), pools=POOLS)
    worker.refresh_from_db()
    [model] = listed(mine)
    assert model.pop("last_seen_at").startswith(f"{timezone.now():%Y}")
    assert model == {
        "name": FILM,
        "title": "Film XL",
        "job_types": ["sdxl_image_fast"],
        "references": {"sdxl_image_fast": [["style"]]},
        "sizes": {"1:1": [1024, 1024], "2:3": [832, 1216]},
        "offer": OFFER,
        "licence": {"name": "CreativeML Open RAIL++-M", "url": "https://example.org/licence"},
        "digest": "a" * 64,
        "picture": None,
        "default_for": [],
        "online": True,
    }


def test_a_model_whose_worker_is_away_is_listed_and_says_so(mine: APIClient, worker: Worker) -> None:
    advertise(worker, body())
    Worker.objects.update(last_seen_at="2026-01-01T00:00Z")
    Model.objects.update(last_seen_at="2026-01-01T00:00Z")
    [model] = listed(mine)
    assert (model["online"], model["last_seen_at"]) == (False, "2026-01-01T00:00:00Z")
    Worker.objects.update(last_seen_at=timezone.now(), draining=True)
    assert [model["online"] for model in listed(mine)] == [False]
    Worker.objects.update(enabled=False)
    assert listed(mine) == []


def test_what_the_operator_hides_or_keeps_for_a_group_is_not_listed(
    mine: APIClient, owner: User, worker: Worker
) -> None:
    model = advertise(worker, body())
    Model.objects.update(title="Our film", default_for=["sdxl_image_fast"])
    [said] = listed(mine)
    assert (said["title"], said["default_for"]) == ("Our film", ["sdxl_image_fast"])
    artists = Group.objects.create(name="artists")
    model.groups.add(artists, Group.objects.create(name="others"))
    assert listed(mine) == []
    owner.groups.add(artists)
    assert [model["name"] for model in listed(mine)] == [FILM]
    Model.objects.update(is_hidden=True)
    assert listed(mine) == []


def test_a_job_and_its_results_say_what_they_were_made_with(mine: APIClient, worker: Worker) -> None:
    advertise(worker, body())
    asked = {
        "job_type": "sdxl_image_fast",
        "prompt": "boats",
        "model": FILM,
        "settings": {"steps": 5, "loras": [{"name": "night", "weight": 1}]},
    }
    answer = mine.post("/api/v1/jobs", asked, format="json")
    assert answer.status_code == 201
    job = answer.json()
    assert (job["model"], job["settings"]) == (FILM, asked["settings"])
    assert job["parameters"]["loras"] == [{"name": "night", "weight": 1.0}]
    assert mine.get(f"/api/v1/jobs/{job['id']}").json()["model"] == FILM


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"model": "other"}, ["model"]),
        ({"model": 5}, ["model"]),
        ({"model": FILM, "settings": []}, ["settings"]),
        ({"model": FILM, "settings": {"steps": 99, "shift": 1}}, ["settings.steps", "settings.shift"]),
        ({"settings": {"steps": 5}}, ["model"]),
    ],
)
def test_what_a_model_cannot_do_is_named_by_its_field(
    mine: APIClient, worker: Worker, fields: dict[str, Any], errors: list[str]
) -> None:
    advertise(worker, body())
    asked = {"job_type": "sdxl_image_fast", "prompt": "boats"} | fields
    refused = mine.post("/api/v1/jobs", asked, format="json")
    assert refused.status_code == 422
    assert list(refused.json()["errors"]) == errors


def test_the_library_is_narrowed_by_a_model(mine: APIClient, owner: User, worker: Worker) -> None:
    made_with = (FILM, "film.xl", "")
    advertise(worker, body(), body("film.xl"))
    jobs = [make_job(owner, model=model) for model in made_with]
    found = [str(deliver(worker, job)[0].pk) for job in jobs]
    for model, asset in zip(made_with[:2], found[:2], strict=True):
        page = mine.get("/api/v1/assets", {"model": model}).json()["assets"]
        assert [each["id"] for each in page] == [asset]
    assert mine.get("/api/v1/assets", {"model": "film-x"}).json()["assets"] == []
    assert mine.get("/api/v1/assets", {"model": "Film XL"}).status_code == 422
