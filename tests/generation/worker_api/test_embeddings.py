"""What embedders call, through HTTP."""

from __future__ import annotations

import base64
import struct
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from generation.assets.embeddings import model
from generation.assets.embeddings.nearest import State, by_meaning
from generation.models import Asset, Embedding, Worker
from tests.factories import complete, make_job, make_worker
from tests.generation.worker_api.conftest import Machine

MODEL = {"name": "clip", "dimensions": 16, "thresholds": {"image": [0.5, 0.9], "text": [0.2, 0.4]}}
VECTOR = base64.b64encode(struct.pack("<16f", *range(16))).decode()
needs_postgresql = [pytest.mark.postgres, pytest.mark.django_db]


@pytest.fixture
def embedder(machine: Machine) -> Machine:
    return may_embed(machine)


@pytest.fixture
def result(owner: User) -> Asset:
    """One that is to be embedded."""
    model.enable()
    [result] = complete(make_job(owner, quantity=1), make_worker())
    with connection.cursor() as cursor:  # as committed
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return result


def may_embed(machine: Machine) -> Machine:
    Worker.objects.filter(pk=machine.worker.pk).update(embeds=True)
    return machine


def lease(machine: Machine, **more: Any) -> Any:
    return machine.post("embeddings/lease", {"model": MODEL, **more})


def deliver(machine: Machine, *images: dict[str, Any], **more: Any) -> Any:
    return machine.post("embeddings", {"model": "clip", "images": list(images), **more})


@pytest.mark.django_db
def test_a_worker_that_may_not_is_refused(machine: Machine) -> None:
    for answer in (lease(machine), deliver(machine)):
        assert (answer.status_code, answer.json()["code"]) == (403, "embedding_not_allowed")


@pytest.mark.django_db
def test_where_there_are_no_embeddings_the_embedder_is_told(embedder: Machine) -> None:
    for answer in (lease(embedder), deliver(embedder)):
        assert (answer.status_code, answer.json()["code"]) == (404, "no_embeddings_here")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("model.name", {"model": MODEL | {"name": "a b"}}),
        ("model.name", {"model": MODEL | {"name": "clip\n"}}),
        ("model.dimensions", {"model": MODEL | {"dimensions": 15}}),
        ("model.dimensions", {"model": MODEL | {"dimensions": 2001}}),
        ("model.thresholds.image", {"model": MODEL | {"thresholds": {"image": [0.9, 0.5], "text": [0, 1]}}}),
        ("model.thresholds.text", {"model": MODEL | {"thresholds": {"image": [0, 1], "text": [0]}}}),
        ("model.thresholds.text.1", {"model": MODEL | {"thresholds": {"image": [0, 1], "text": [0, 2]}}}),
        ("model.digest", {"model": MODEL | {"digest": "x"}}),
        ("limit", {"limit": 33}),
        ("wait_s", {"wait_s": 26}),
        ("pools", {"pools": []}),
    ],
)
def test_what_is_wrong_is_named(embedder: Machine, field: str, changed: dict[str, Any]) -> None:
    answer = lease(embedder, **changed)
    assert answer.status_code == 422, answer.content
    assert any(name.startswith(field) for name in answer.json()["errors"]), answer.json()


@pytest.mark.django_db
@pytest.mark.parametrize("item", [{}, {"vector": VECTOR, "error": "why"}, {"vector": "A" * 11_000}])
def test_an_item_has_a_vector_or_an_error(embedder: Machine, item: dict[str, str]) -> None:
    answer = deliver(embedder, {"asset_id": str(uuid.uuid4()), **item})
    assert answer.status_code == 422
    assert any(name.startswith("images.0") for name in answer.json()["errors"]), answer.json()


class TestWithPgvector:
    pytestmark = needs_postgresql

    def test_lease_look_and_deliver(self, embedder: Machine, result: Asset) -> None:
        leased = lease(embedder).json()
        url = f"/api/v1/worker/embeddings/images/{result.pk}"
        asked = {"asset_id": str(result.pk), "url": url}
        assert leased == {"images": [asked], "texts": [], "lease_seconds": 60}
        thumbnail = embedder.http.get(url)
        assert (thumbnail.status_code, thumbnail["Content-Type"]) == (200, "image/webp")
        assert thumbnail.getvalue()[8:12] == b"WEBP"
        told = deliver(embedder, {"asset_id": str(result.pk), "vector": VECTOR})
        assert told.json() == {"accepted": [str(result.pk)], "duplicate": [], "rejected": []}
        assert embedder.http.get(url).status_code == 404, "it is done"
        assert lease(embedder).status_code == 204

    def test_nobody_else_sees_the_thumbnail(self, embedder: Machine, result: Asset) -> None:
        url = lease(embedder).json()["images"][0]["url"]
        other = may_embed(Machine(make_worker()))
        assert other.http.get(url).status_code == 404
        Embedding.objects.update(leased_until="2020-01-01T00:00Z")
        assert embedder.http.get(url).status_code == 404

    def test_a_text_comes_first_and_its_vector_answers_the_search(
        self, embedder: Machine, owner: User, result: Asset
    ) -> None:
        lease(embedder)
        deliver(embedder, {"asset_id": str(result.pk), "vector": VECTOR})
        assert by_meaning(owner_id=owner.pk, text="狐 at night", alike=50).state == State.WAITING
        leased = lease(embedder).json()
        [text] = leased["texts"]
        assert (text["text"], leased["images"]) == ("狐 at night", [])
        told = deliver(embedder, texts=[{"id": text["id"], "vector": VECTOR}]).json()
        assert told["accepted"] == [text["id"]]
        found = by_meaning(owner_id=owner.pk, text="狐 at night", alike=50)
        assert list(found.asset_ids) == [result.pk]

    def test_what_cannot_be_embedded_is_tried_three_times(self, embedder: Machine, result: Asset) -> None:
        for _ in range(3):
            assert lease(embedder).status_code == 200
            told = deliver(embedder, {"asset_id": str(result.pk), "error": "it cannot be decoded"})
            assert told.json()["accepted"] == [str(result.pk)]
        assert lease(embedder).status_code == 204

    def test_another_model_is_named(self, embedder: Machine, result: Asset) -> None:
        lease(embedder)
        answer = lease(embedder, model=MODEL | {"name": "siglip"})
        assert (answer.status_code, answer.json()["code"]) == (409, "other_embedding_model")
        assert "clip with 16 dimensions" in answer.json()["detail"]

    def test_thresholds_follow_the_embedder(self, embedder: Machine, result: Asset) -> None:
        lease(embedder)
        changed = {"image": [0.1, 0.2], "text": [0.3, 0.4]}
        lease(embedder, model=MODEL | {"thresholds": changed})
        found = model.current()
        assert found is not None
        assert found.thresholds == changed

    def test_the_vectors_are_indexed_for_their_dimensions(self, embedder: Machine, result: Asset) -> None:
        lease(embedder)
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [model.INDEX])
            assert "halfvec(16)) halfvec_cosine_ops" in cursor.fetchone()[0]
