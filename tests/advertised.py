"""Models as workers advertise them in a lease call."""

from __future__ import annotations

from typing import Any

from generation.jobs.lease import lease, offered_pools
from generation.models import Asset, Job, Model, Worker
from generation.queue.advertised import record_models
from generation.worker_api.presence import record_offer, record_seen
from tests.factories import call_back, completed, fresh

FILM = "film-xl"
OFFER: dict[str, Any] = {
    "steps": {"type": "integer", "minimum": 4, "maximum": 12, "default": 8},
    "guidance": {"type": "number", "minimum": 1, "maximum": 3, "default": 2},
    "scheduler": {"type": "choice", "choices": ["euler", "dpmpp_2m"], "default": "euler"},
    "loras": {
        "type": "loras",
        "choices": [
            {
                "name": "film-grain",
                "title": "Film grain",
                "minimum": -1,
                "maximum": 2,
                "default": 1,
                "trigger_words": ["filmgrain"],
            },
            {"name": "night", "title": "Night", "minimum": 0, "maximum": 1, "default": 0.5},
        ],
    },
}


def body(name: str = FILM, **fields: Any) -> dict[str, Any]:
    """One model of a lease call."""
    return {
        "name": name,
        "title": "Film XL",
        "engine": "sdxl",
        "job_types": ["sdxl_image_fast"],
        "sizes": {"1:1": [1024, 1024], "2:3": [832, 1216]},
        "offer": OFFER,
        "licence": {"name": "CreativeML Open RAIL++-M", "url": "https://example.org/licence"},
        "digest": "a" * 64,
    } | fields


def advertise(worker: Worker, *bodies: dict[str, Any], pools: list[str] | None = None) -> Model:
    """The worker asks for work with these models, and without `pools` with one for each of their job types.

    The first of them, or any that is known.
    """
    record_models(worker=worker, models=bodies)
    named = [f"{job_type}@{each['name']}" for each in bodies for job_type in each["job_types"]]
    offered = offered_pools(worker, worker.engines, named if pools is None else pools)
    record_offer(worker, pools=offered, software="", device="", withdrawn={}, models_changed=True)
    record_seen(worker)
    worker.refresh_from_db()
    known = Model.objects.with_offers()
    return known.get(name=bodies[0]["name"]) if bodies else known[0]


def deliver(worker: Worker, job: Job) -> list[Asset]:
    """The worker leases the job, which must be the first of its pool, and delivers every slot; its assets."""
    leased = lease(worker=worker, engines=worker.engines, pools=[job.pool])
    assert leased is not None
    assert leased.pk == job.pk, "another job was next"
    call_back(leased, *[completed(leased, asset.slot) for asset in leased.slots])
    return fresh(job).slots
