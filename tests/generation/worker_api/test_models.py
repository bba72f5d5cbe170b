from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.models import Job, Model, ModelOffer, Worker
from tests.advertised import FILM, OFFER, advertise, body
from tests.factories import make_job, make_worker
from tests.generation.worker_api.conftest import Machine

POOL = f"sdxl_image_fast@{FILM}"


def test_a_worker_advertises_a_model_and_is_given_its_jobs(machine: Machine, owner: User) -> None:
    offered = {"models": [body()], "pools": ["sdxl_image_fast", POOL]}
    assert machine.lease(**offered).status_code == 204
    job = make_job(
        owner,
        model=FILM,
        aspect="2:3",
        settings={"steps": 6, "loras": [{"name": "film-grain", "weight": 0.8}]},
    )
    assert (job.pool, job.model, job.model_digest) == (POOL, FILM, "a" * 64)

    lease = machine.lease(pools=["sdxl_image_fast", POOL]).json()

    assert lease["job_id"] == str(job.pk)
    assert lease["parameters"] == {
        **job.type.parameters("1:1"),
        "width": 832,
        "height": 1216,
        "model": FILM,
        "steps": 6,
        "guidance": 2.0,
        "scheduler": "euler",
        "loras": [{"name": "film-grain", "weight": 0.8}],
    }
    assert Job.objects.get().settings == {"steps": 6, "loras": [{"name": "film-grain", "weight": 0.8}]}


def test_a_worker_without_models_is_served_as_ever(machine: Machine, other: Machine, owner: User) -> None:
    machine.lease(models=[body()], pools=[POOL])
    with_model, plain = make_job(owner, model=FILM), make_job(owner)
    assert plain.parameters == plain.type.parameters("1:1")
    assert (plain.pool, plain.model, plain.settings) == ("sdxl_image_fast", "", {})

    lease = other.lease().json()

    assert lease["job_id"] == str(plain.pk)
    assert "model" not in lease["parameters"]
    # Nor does it get one by naming the pool alone.
    assert other.lease(pools=[POOL, "sdxl_image_fast"]).status_code == 204
    assert machine.lease(pools=[POOL]).json()["job_id"] == str(with_model.pk)


def test_a_pool_counts_only_for_what_was_advertised(machine: Machine) -> None:
    pools = [POOL, f"sdxl_image_high@{FILM}", "sdxl_image_fast@other", f"nonsense@{FILM}", f"@{FILM}"]
    machine.lease(models=[body()], pools=pools)
    assert Worker.objects.get().pools == [POOL]
    assert ModelOffer.objects.get().pools == [POOL]
    machine.lease(models=[body(job_types=[])], pools=pools)
    assert Worker.objects.get().pools == [POOL, f"sdxl_image_high@{FILM}"]


def test_absent_models_are_unchanged_and_an_empty_list_takes_them_back(machine: Machine) -> None:
    machine.lease(models=[body(), body("sharp")], pools=[POOL])
    machine.lease(pools=[POOL])
    assert Worker.objects.get().pools == [POOL]
    assert {offer.model.name for offer in ModelOffer.objects.all()} == {FILM, "sharp"}

    machine.lease(models=[], pools=[POOL])

    assert Worker.objects.get().pools == []
    assert not ModelOffer.objects.exists()
    assert Model.objects.count() == 2


def test_what_a_worker_changes_is_kept_and_what_its_operator_said_stays(machine: Machine) -> None:
    machine.lease(models=[body()], pools=[POOL])
    Model.objects.update(title="Our film", is_hidden=True)

    machine.lease(models=[body(title="Film XL 2", digest="b" * 64, offer={})], pools=[POOL])

    model = Model.objects.get()
    assert (model.title, model.advertised_title, model.is_hidden) == ("Our film", "Film XL 2", True)
    assert (model.digest, model.offer, ModelOffer.objects.get().digest) == ("b" * 64, {}, "b" * 64)


def test_the_same_list_again_writes_nothing(machine: Machine) -> None:
    machine.lease(models=[body()], pools=[POOL])
    Model.objects.update(advertised_title="as it was")
    machine.lease(models=[body()], pools=[POOL])
    assert Model.objects.get().advertised_title == "as it was"


def test_withdrawn_pools_stay_what_the_model_can_do(machine: Machine) -> None:
    styled = f"sdxl_image_fast+style@{FILM}"
    machine.lease(models=[body()], pools=[POOL, styled])
    machine.lease(pools=[POOL], withdrawn=[{"pool": styled, "reason": "too little memory"}])
    assert Worker.objects.get().pools == [POOL]
    assert ModelOffer.objects.get().pools == [styled, POOL]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The usual model with one value replaced, added, or taken out (`...`)."""
    model = copy.deepcopy(body())
    *outer, last = path.split(".")
    inner: Any = model
    for key in outer:
        inner = inner[int(key) if isinstance(inner, list) else key]
    if value is ...:
        del inner[last]
    else:
        inner[int(last) if isinstance(inner, list) else last] = value
    return model


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("name", "Film XL", "name"),
        ("name", "x" * 41, "name"),
        ("name", "film@xl", "name"),
        ("name", 5, "name"),
        ("name", ..., "name"),
        ("title", "", "title"),
        ("title", "x" * 121, "title"),
        ("title", "Film\x07", "title"),
        ("engine", "x" * 41, "engine"),
        ("job_types", ["sdxl_image_slow"], "job_types.0"),
        ("job_types", "sdxl_image_fast", "job_types"),
        ("sizes.1:1", [1024], "sizes.1:1"),
        ("sizes.1:1", [1024, 1e3], "sizes.1:1"),
        ("sizes.1:1", [1024, 9000], "sizes.1:1"),
        ("sizes.1:1", [True, 1024], "sizes.1:1"),
        ("sizes.wide", [1024, 512], "sizes.wide"),
        ("sizes", [], "sizes"),
        ("digest", "abc", "digest"),
        ("digest", "A" * 64, "digest"),
        ("licence.url", "javascript:alert(1)", "licence.url"),
        ("licence.url", "https://x/\n", "licence.url"),
        ("licence.name", "x" * 121, "licence.name"),
        ("licence.text", "free", "licence.text"),
        ("weights", "/srv/film.safetensors", "weights"),
        ("offer.steps.minimum", 13, "offer.steps"),
        ("offer.steps.minimum", 0, "offer.steps"),
        ("offer.steps.minimum", 4.5, "offer.steps.minimum"),
        ("offer.steps.default", True, "offer.steps.default"),
        ("offer.steps.maximum", 10**9, "offer.steps.maximum"),
        ("offer.steps.step", 1, "offer.steps.step"),
        ("offer.steps.default", ..., "offer.steps.default"),
        ("offer.steps", 8, "offer.steps"),
        ("offer.steps", {"type": "choice", "choices": ["few"], "default": "few"}, "offer.steps"),
        ("offer.guidance.minimum", "1", "offer.guidance.minimum"),
        ("offer.guidance.type", "range", "offer.guidance.type"),
        ("offer.scheduler.default", "ddim", "offer.scheduler.default"),
        ("offer.scheduler.choices", [], "offer.scheduler.default"),
        ("offer.scheduler.choices", [["euler"]], "offer.scheduler.choices.0"),
        ("offer.scheduler.choices", ["x"] * 65, "offer.scheduler.choices"),
        ("offer.scheduler.choices", ["x" * 81], "offer.scheduler.choices.0"),
        ("offer.width", {"type": "integer", "minimum": 1, "maximum": 9, "default": 2}, "offer.width"),
        ("offer.model", {"type": "choice", "choices": ["x"], "default": "x"}, "offer.model"),
        ("offer.Steps", {"type": "integer", "minimum": 1, "maximum": 9, "default": 2}, "offer.Steps"),
        ("offer.loras.type", "choice", "offer.loras.type"),
        ("offer.grains", OFFER["loras"], "offer.grains.type"),
        ("offer.loras.choices.0.name", "../grain", "offer.loras.choices.0.name"),
        ("offer.loras.choices.1.name", "film-grain", "offer.loras.choices"),
        ("offer.loras.choices.0.default", 3, "offer.loras.choices.0"),
        ("offer.loras.choices.0.maximum", 11, "offer.loras.choices.0.maximum"),
        ("offer.loras.choices.0.file", "grain.safetensors", "offer.loras.choices.0.file"),
        ("offer.loras.choices.0.trigger_words", ["x" * 81], "offer.loras.choices.0.trigger_words.0"),
        ("offer.loras.choices.0.title", "Film\0", "offer"),
    ],
)
def test_a_wrong_model_is_refused_by_its_place(machine: Machine, path: str, value: Any, field: str) -> None:
    refused = machine.lease(models=[changed(path, value)], pools=[POOL])
    assert refused.status_code == 422, refused.json()
    assert list(refused.json()["errors"]) == [f"models.0.{field}"]
    assert not Model.objects.exists()


def test_there_are_bounds_on_their_number_and_each_has_its_name(machine: Machine) -> None:
    assert machine.lease(models=[body(f"m{number}") for number in range(65)]).status_code == 422
    assert machine.lease(models=[body(), body(title="Again")]).status_code == 422
    assert machine.lease(models={}).status_code == 422
    many = {f"s{number}": OFFER["steps"] for number in range(33)}
    assert machine.lease(models=[body(offer=many)]).status_code == 422
    assert machine.lease(models=[body(f"m{number}") for number in range(64)]).status_code == 204


# As the server answered before it knew models; what differs from job to job is filled in.
RECORDED = (
    '{"job_id":"%(job)s","lease_token":"%(token)s","attempt":1,"lease_seconds":60,"heartbeat_seconds":15,'
    '"job_type":"sdxl_image_fast","engine":"sdxl","prompt":"boats","negative_prompt":"fog",'
    '"parameters":%(parameters)s,"slots":[{"slot":0,"image_index":0,"asset_id":"%(asset)s","seed":7}],'
    '"references":[],"upload":{"max_bytes":104857600,"content_types":["image/png","image/jpeg","image/webp"]},'
    '"preview":{"max_bytes":65536,"max_side":512,"every_seconds":2}}'
)
PARAMETERS = {
    **{"media": "image", "width": 1216, "height": 832, "frames": 1, "fps": 0, "enhance": False},
    **{"steps": 15, "guidance": 6.0},
}


def test_an_older_worker_is_answered_byte_for_byte_as_before(
    machine: Machine, other: Machine, owner: User
) -> None:
    """Its calls have no `models`, and another worker's models change nothing for it."""
    other.lease(models=[body()], pools=[POOL])
    job = make_job(owner, prompt="boats", negative_prompt="fog", seed=7, aspect="3:2")

    answer = machine.post("lease", {"engines": ["sdxl", "wan"], "wait_s": 0})

    job.refresh_from_db()
    assert job.parameters == PARAMETERS
    stored = json.dumps(job.parameters, separators=(",", ":"))  # each engine has its own order of keys
    values = {"job": job.pk, "token": job.lease_token, "asset": job.slots[0].pk, "parameters": stored}
    assert answer.content.decode() == RECORDED % values


def test_models_cost_a_claim_no_query(machine: Machine, other: Machine, owner: User) -> None:
    machine.lease(models=[body()], pools=[POOL])
    counts = []
    for caller, pools in ((other, ["sdxl_image_fast"]), (machine, [POOL])):
        for _ in range(2):
            make_job(owner, model=FILM if caller is machine else "")
            with CaptureQueriesContext(connection) as asked:
                assert caller.lease(pools=pools).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("is_taken_back", [True, False])
def test_what_nobody_offers_any_more_gives_way_to_what_the_others_offer(
    db: None, is_taken_back: bool
) -> None:
    """A worker that starts again says what it said before; it is the only one who has the model now."""
    stays, goes = make_worker("m1"), make_worker("m2")
    advertise(stays, body())
    assert advertise(goes, body(offer={})).offer == {}
    assert advertise(stays, body()).offer == {}, "of two, the one who changed his last"
    if is_taken_back:
        advertise(goes, body("other"))
    else:
        Worker.objects.filter(pk=goes.pk).update(enabled=False)
    assert advertise(stays, body()).offer == OFFER
