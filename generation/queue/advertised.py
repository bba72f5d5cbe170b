"""What workers say of their models, kept: the models, and which worker has which."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from generation.catalog.job_types import POOLS, pool_and_model
from generation.core import audit_log
from generation.core.actors import worker_actor
from generation.models import Model, ModelOffer, Worker
from generation.queue.unused_models import delete_surplus

DESCRIPTION = [
    *("advertised_title", "engine", "job_types", "sizes", "offer", "licence_name", "licence_url", "digest"),
    "last_seen_at",
]


def record_models(*, worker: Worker, models: Sequence[Mapping[str, Any]]) -> bool:
    """Keep the worker's whole list of models; whether it says another one than before.

    `models` are as in a lease call, checked. Two workers that describe one name differently both stay in the
    list; the description is that of the last who changed his, while an enabled worker offers that.
    """
    digest = _digest(models)
    if worker.advertised_digest == digest and not _is_forsaken(worker):
        return False
    worker.advertised = {each["name"]: each["job_types"] for each in models}
    worker.advertised_digest = digest
    # Two transactions, each in the order of the names: so workers never wait for each other in a circle.
    _take_back(worker)
    _write(worker, sorted(models, key=lambda each: str(each["name"])))
    delete_surplus()
    names = ",".join(worker.advertised)
    audit_log.after_commit("worker.models", actor=worker_actor(worker.pk), models=names)
    return True


def _is_forsaken(worker: Worker) -> bool:
    """Whether one of the worker's models stands there with what no enabled worker offers any more."""
    models = Model.objects.filter(offers__worker=worker).with_offers()
    return any(
        _digest([model.offer, model.sizes]) not in {offer.offer_digest for offer in model.offers.all()}
        for model in models
    )


@transaction.atomic
def delete_model(model: Model) -> None:
    """Delete its row. What a disabled worker said of it counts anew when that worker says it again."""
    Worker.objects.filter(model_offers__model=model).update(advertised_digest="")
    model.delete()


@transaction.atomic
def _take_back(worker: Worker) -> None:
    """Delete the worker's offers of what is not in its list any more."""
    Worker.objects.filter(pk=worker.pk).update(
        advertised_digest=""
    )  # its list counts as unread until `_write`
    gone = ModelOffer.objects.filter(worker=worker).exclude(model__name__in=worker.advertised)
    seen = Model.objects.filter(pk__in=gone.values("model")).order_by("name").select_for_update()
    Model.objects.filter(pk__in=[model.pk for model in seen.only("pk")]).update(last_seen_at=Now())
    gone.delete()


@transaction.atomic
def _write(worker: Worker, models: Sequence[Mapping[str, Any]]) -> None:
    said = {"advertised": worker.advertised, "advertised_digest": worker.advertised_digest}
    Worker.objects.filter(pk=worker.pk).update(**said)
    if not models:
        return
    Model.objects.bulk_create(
        [_model(each) for each in models],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=DESCRIPTION,
    )
    ids = dict(Model.objects.filter(name__in=worker.advertised).values_list("name", "pk"))
    offers = [
        ModelOffer(
            worker=worker,
            model_id=ids[each["name"]],
            digest=each["digest"],
            offer_digest=_digest([each["offer"], each["sizes"]]),
            seen_at=Now(),
        )
        for each in models
    ]
    ModelOffer.objects.bulk_create(
        offers,
        update_conflicts=True,
        unique_fields=["worker", "model"],
        update_fields=["digest", "offer_digest", "seen_at"],
    )


def _digest(said: object) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _model(body: Mapping[str, Any]) -> Model:
    return Model(
        name=body["name"],
        advertised_title=body["title"],
        engine=body["engine"],
        job_types=body["job_types"],
        sizes=body["sizes"],
        offer=body["offer"],
        licence_name=body["licence"]["name"],
        licence_url=body["licence"]["url"],
        digest=body["digest"],
        last_seen_at=Now(),
    )


def offers_pool(worker: Worker, pool: str) -> bool:
    """Whether a pool with a model is one that this worker may offer: it advertised that model for it."""
    plain, model = pool_and_model(pool)
    if model not in worker.advertised or plain not in POOLS:
        return False
    job_types = worker.advertised[model]
    return not job_types or POOLS[plain].name in job_types


def record_pools(*, worker: Worker, pools: Sequence[str]) -> None:
    """Note for each of the worker's models the pools that it is set up for, those withdrawn too."""
    mine: dict[str, list[str]] = {name: [] for name in worker.advertised}
    for pool in sorted(set(pools)):
        if offers_pool(worker, pool):
            mine[pool_and_model(pool)[1]].append(pool)
    offers = list(ModelOffer.objects.filter(worker=worker).select_related("model"))
    changed = [offer for offer in offers if offer.pools != mine.get(offer.model.name, [])]
    for offer in changed:
        offer.pools = mine.get(offer.model.name, [])
    ModelOffer.objects.bulk_update(changed, ["pools"])
