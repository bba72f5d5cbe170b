"""Embeddings of results and of texts: asked for once, made by embedders, compared by pgvector."""

from __future__ import annotations

import base64
import itertools
import math
import random
import struct
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.assets.embeddings import model, nearest, work
from generation.assets.embeddings.nearest import State, by_meaning, similar_to
from generation.core.ids import new_id
from generation.maintenance import embeddings as chores
from generation.models import Asset, Embedding, EmbeddingModel, TextEmbedding, Worker
from tests.acting import discard
from tests.factories import complete, make_job, make_user, make_worker
from tests.generation.conftest import LogOf

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]

DIMENSIONS = 16
THRESHOLDS = {"image": [0.5, 0.9], "text": [0.2, 0.4]}


@pytest.fixture
def embedder(db: None) -> Worker:
    """A worker that may embed, where there are embeddings."""
    model.enable()
    worker = make_worker(engines=())
    Worker.objects.filter(pk=worker.pk).update(embeds=True)
    worker.refresh_from_db()
    model.adopt(name="clip", dimensions=DIMENSIONS, thresholds=THRESHOLDS)
    return worker


def encoded(*numbers: float) -> str:
    """The vector that begins with these, as an embedder sends it."""
    return base64.b64encode(
        struct.pack(f"<{DIMENSIONS}f", *numbers, *[0.0] * (DIMENSIONS - len(numbers)))
    ).decode()


def item(id_: uuid.UUID, vector: str = "", error: str = "") -> dict[str, Any]:
    return {"id": id_, "vector": vector, "error": error}


def make_results(owner: User, number: int, worker: Worker | None = None) -> list[Asset]:
    worker = worker or make_worker()
    return [complete(make_job(owner, quantity=1), worker)[0] for _ in range(number)]


def embed(embedder: Worker, vectors: dict[uuid.UUID, str]) -> work.Outcome:
    """Deliver these of what it leases now."""
    work.lease(worker=embedder, limit=32)
    images = [item(pk, vector) for pk, vector in vectors.items()]
    return work.accept(worker=embedder, name="clip", images=images, texts=[])


def as_committed() -> None:
    """No statement waits for the end of the test's own transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def at_angle(degrees: float) -> str:
    return encoded(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))


def test_a_result_is_asked_for_when_it_completes_where_there_are_embeddings(owner: User) -> None:
    [before] = make_results(owner, 1)
    assert not Embedding.objects.exists()
    model.enable()
    [after] = make_results(owner, 1)
    assert list(Embedding.objects.values_list("pk", "owner", "vector")) == [(after.pk, owner.pk, None)]
    assert chores.want_older_results() == 1
    assert set(Embedding.objects.values_list("pk", flat=True)) == {before.pk, after.pk}
    assert chores.want_older_results() == 0
    assert EmbeddingModel.objects.get().below is None


def test_older_results_are_asked_for_in_steps(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chores, "CHUNK", 2)
    make_results(owner, 5)
    model.enable()
    assert [chores.want_older_results(seconds=-1) for _ in range(4)] == [2, 2, 1, 0]
    assert Embedding.objects.count() == 5


def test_what_is_leased_is_leased_to_nobody_else_until_its_time_is_over(
    owner: User, embedder: Worker
) -> None:
    first, second, third = make_results(owner, 3)
    assert list(work.lease(worker=embedder, limit=2).images) == [third.pk, second.pk], "newest first"
    assert list(work.lease(worker=make_worker(), limit=9).images) == [first.pk]
    assert not work.lease(worker=embedder, limit=9)
    Embedding.objects.filter(pk=second.pk).update(leased_until="2020-01-01T00:00Z")
    assert list(work.lease(worker=embedder, limit=9).images) == [second.pk]


def test_a_worker_that_leaves_gets_nothing_more(owner: User, embedder: Worker) -> None:
    """It delivers what it holds."""
    first, _ = make_results(owner, 2)[::-1]
    by_meaning(owner_id=owner.pk, text="a fox", alike=0)
    assert work.lease(worker=embedder, limit=1).texts
    assert list(work.lease(worker=embedder, limit=1).images) == [first.pk]
    Worker.objects.filter(pk=embedder.pk).update(draining=True)
    embedder.refresh_from_db()
    assert not work.lease(worker=embedder, limit=9)
    assert work.leased_image(worker=embedder, asset_id=first.pk) == first
    kept = work.accept(worker=embedder, name="clip", images=[item(first.pk, encoded(1))], texts=[])
    assert kept.accepted == [first.pk]


def test_one_that_ends_its_embedder_costs_no_other_an_attempt_and_is_left_out(
    owner: User, embedder: Worker
) -> None:
    """Pitfall 45."""
    results = make_results(owner, 3)
    again = Embedding.objects.filter(vector=None)
    leased = []
    for _ in range(20):
        work_ = work.lease(worker=embedder, limit=9)
        again.update(leased_until="2020-01-01T00:00Z")  # it was killed
        leased.append(len(work_.images))
        if len(work_.images) == 1 and work_.images[0] != results[0].pk:
            work.accept(worker=embedder, name="clip", images=[item(work_.images[0], encoded(1))], texts=[])
    assert leased[0] == 3
    assert set(leased[1:]) == {0, 1}
    assert Embedding.objects.filter(vector__isnull=False).count() == 2
    assert Embedding.objects.get(vector=None).attempts == 3


def test_vectors_are_kept_at_length_one_once(owner: User, embedder: Worker) -> None:
    [result] = make_results(owner, 1)
    assert embed(embedder, {result.pk: encoded(3, 4)}).accepted == [result.pk]
    assert Embedding.objects.get().vector[:3] == pytest.approx([0.6, 0.8, 0])
    replayed = work.accept(worker=embedder, name="clip", images=[item(result.pk, encoded(1))], texts=[])
    assert (replayed.duplicate, replayed.accepted) == ([result.pk], [])
    assert Embedding.objects.get().vector[0] == pytest.approx(0.6)


@pytest.mark.parametrize(
    "vector",
    [
        encoded(math.nan),
        encoded(math.inf),
        encoded(),
        "AAAA",
        "no base64!",
        encoded(1)[:-8],
        encoded(1) + "AAAA",
    ],
)
def test_what_is_no_vector_is_refused_and_the_others_are_kept(
    owner: User, embedder: Worker, vector: str
) -> None:
    bad, good = make_results(owner, 2)
    outcome = embed(embedder, {bad.pk: vector, good.pk: encoded(1)})
    assert outcome.accepted == [good.pk]
    assert [(each["id"], each["code"]) for each in outcome.rejected] == [(bad.pk, "bad_vector")]


def test_nobody_embeds_what_was_not_asked_of_him(owner: User, embedder: Worker) -> None:
    [result] = make_results(owner, 1)
    images = [item(result.pk, encoded(1)), item(uuid.uuid4(), encoded(1))]
    outcome = work.accept(worker=embedder, name="clip", images=images, texts=[])
    assert [each["code"] for each in outcome.rejected] == ["unknown", "unknown"]
    assert Embedding.objects.get().vector is None


def test_another_model_is_refused(embedder: Worker) -> None:
    for name, dimensions in (("clip", 32), ("other", DIMENSIONS)):
        with pytest.raises(model.OtherEmbeddingModel):
            model.adopt(name=name, dimensions=dimensions, thresholds=THRESHOLDS)
    with pytest.raises(model.OtherEmbeddingModel):
        work.accept(worker=embedder, name="other", images=[], texts=[])


def test_a_disabled_installation_forgets_everything_and_takes_another_model(
    owner: User, embedder: Worker
) -> None:
    [result] = make_results(owner, 1)
    embed(embedder, {result.pk: encoded(1)})
    by_meaning(owner_id=owner.pk, text="a fox", alike=0)
    as_committed()
    model.disable()
    assert model.current() is None
    assert not Embedding.objects.exists()
    assert not TextEmbedding.objects.exists()
    with pytest.raises(model.NoEmbeddings):
        model.adopt(name="clip", dimensions=DIMENSIONS, thresholds=THRESHOLDS)
    model.enable()
    assert model.adopt(name="other", dimensions=32, thresholds=THRESHOLDS).dimensions == 32


def test_without_the_extension_there_are_no_embeddings(embedder: Worker) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION vector CASCADE")
    assert model.current() is None


@pytest.mark.parametrize("few", [True, False])
def test_the_most_alike_come_first_down_to_the_threshold(
    owner: User, embedder: Worker, monkeypatch: pytest.MonkeyPatch, few: bool
) -> None:
    """Exactly among few, and by the index among many: the same here. Never another owner's."""
    monkeypatch.setattr(nearest, "COMPARED", 20_000 if few else 0)
    results = make_results(owner, 4)
    [foreign] = make_results(make_user(), 1)
    angles = dict(zip([*results, foreign], [0, 40, 20, 70, 0], strict=True))
    embed(embedder, {asset.pk: at_angle(angle) for asset, angle in angles.items()})

    def found(alike: int) -> Sequence[uuid.UUID]:
        return similar_to(owner_id=owner.pk, asset_id=results[0].pk, alike=alike).asset_ids

    a, b, c, _ = (asset.pk for asset in results)
    assert list(found(0)) == [a, c, b], "cosine 0.5 and more"
    assert list(found(100)) == [a, c], "cosine 0.9 and more"
    assert similar_to(owner_id=owner.pk, asset_id=foreign.pk, alike=0).state == State.UNKNOWN


@pytest.mark.parametrize("few", [True, False])
def test_where_a_result_stands_depends_on_no_other(
    owner: User, embedder: Worker, monkeypatch: pytest.MonkeyPatch, few: bool
) -> None:
    """It is by how much alike it is, to the millionth: the same at each request, however it is compared."""
    monkeypatch.setattr(nearest, "COMPARED", 20_000 if few else 0)
    EmbeddingModel.objects.update(thresholds={"image": [-1, 1], "text": [-1, 1]})
    results = make_results(owner, 4)
    angles = dict(zip(results, [0, 60, 90, 180], strict=True))
    embed(embedder, {asset.pk: at_angle(angle) for asset, angle in angles.items()})

    def ranks() -> dict[uuid.UUID, int]:
        return dict(similar_to(owner_id=owner.pk, asset_id=results[0].pk, alike=0).ranks)

    a, b, c, d = (asset.pk for asset in results)
    first = ranks()
    assert list(first) == [a, b, c, d]
    assert list(first.values()) == pytest.approx([999_999, 750_000, 500_000, 0], abs=200)
    assert all(0 <= rank < 1_000_000 for rank in first.values()), "within a second"
    discard(owner_id=owner.pk, assets=[b])
    assert ranks() == {pk: rank for pk, rank in first.items() if pk != b}


def test_a_text_is_embedded_for_its_owner_when_it_is_searched_for(owner: User, embedder: Worker) -> None:
    results = make_results(owner, 2)
    embed(embedder, {results[0].pk: at_angle(0), results[1].pk: at_angle(89)})

    def search() -> nearest.Nearest:
        return by_meaning(owner_id=owner.pk, text=" a  red fox ", alike=0)

    assert search().state == State.WAITING
    assert search().state == State.WAITING, "asked for once"
    leased = work.lease(worker=embedder, limit=9)
    [text] = leased.texts
    assert (text.text, list(leased.images), leased.seconds) == ("a red fox", [], 10)
    work.accept(worker=embedder, name="clip", images=[], texts=[item(text.pk, at_angle(10))])
    assert (search().state, search().asset_ids) == (State.FOUND, [results[0].pk])


def test_a_text_that_nobody_answers_does_not_wait_for_ever(owner: User, embedder: Worker) -> None:
    def state() -> State:
        return by_meaning(owner_id=owner.pk, text="a fox", alike=50).state

    assert state() == State.WAITING
    TextEmbedding.objects.update(asked_at="2020-01-01T00:00Z")
    assert state() == State.NO_ANSWER
    assert chores.delete_old_texts() == 1
    assert state() == State.WAITING


def test_an_owner_has_a_bounded_number_of_texts_waiting(owner: User, embedder: Worker) -> None:
    """Pitfall 40."""
    states = [by_meaning(owner_id=owner.pk, text=f"fox {n}", alike=50).state for n in range(25)]
    assert states == [State.WAITING] * nearest.TEXTS_WAITING + [State.NO_ANSWER] * 5
    assert TextEmbedding.objects.count() == nearest.TEXTS_WAITING


def test_an_owner_asks_for_and_keeps_a_bounded_number_of_texts(
    owner: User, embedder: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 40. Answered ones count too; what was used last is kept."""
    monkeypatch.setattr(nearest, "TEXTS_AN_HOUR", 6)
    monkeypatch.setattr(nearest, "TEXTS_KEPT", 4)

    def search(number: int) -> State:
        state = by_meaning(owner_id=owner.pk, text=f"fox {number}", alike=50).state
        texts = work.lease(worker=embedder, limit=9).texts
        work.accept(
            worker=embedder, name="clip", images=[], texts=[item(text.pk, encoded(1)) for text in texts]
        )
        return state

    assert [search(number) for number in range(4)] == [State.WAITING] * 4
    TextEmbedding.objects.filter(text="fox 0").update(used_at="2020-01-01T00:00Z")
    assert search(0) == State.FOUND, "it is used anew"
    TextEmbedding.objects.filter(text="fox 1").update(used_at="2020-01-01T00:00Z")
    search(4)
    kept = sorted(TextEmbedding.objects.values_list("text", flat=True))
    assert kept == ["fox 0", "fox 2", "fox 3", "fox 4"]
    TextEmbedding.objects.update(asked_at=timezone.now())
    monkeypatch.setattr(nearest, "TEXTS_AN_HOUR", 4)
    assert search(5) == State.NO_ANSWER


def test_what_was_discarded_takes_nobodys_place(
    owner: User, embedder: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "MOST", 2)
    results = make_results(owner, 4)
    embed(embedder, {asset.pk: at_angle(10 * number) for number, asset in enumerate(results)})
    discard(owner_id=owner.pk, assets=[results[1].pk])
    found = similar_to(owner_id=owner.pk, asset_id=results[0].pk, alike=0).asset_ids
    assert list(found) == [results[0].pk, results[2].pk]


def test_among_many_the_order_is_that_of_likeness(
    owner: User, embedder: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL takes what the index gives for sorted; it is only nearly so."""
    monkeypatch.setattr(nearest, "COMPARED", 0)
    monkeypatch.setattr(
        nearest, "SET_LOCALLY", nearest.SET_LOCALLY.replace("'200'", "'5'")
    )  # as among many more
    [result] = make_results(owner, 1)
    embed(embedder, {result.pk: encoded(*[1.0] * DIMENSIONS)})
    make_neighbours(result, 3_000)
    with CaptureQueriesContext(connection) as context:
        found = similar_to(owner_id=owner.pk, asset_id=result.pk, alike=0).asset_ids
    assert any("ORDER BY (vector::halfvec(16) <=>" in query["sql"] for query in context.captured_queries)
    vectors = dict(Embedding.objects.filter(pk__in=found).values_list("pk", "vector"))
    asked = vectors[result.pk]
    cosines = [sum(a * b for a, b in zip(asked, vectors[pk], strict=True)) for pk in found]
    assert len(found) > 300
    assert all(one >= next_ - 5e-4 for one, next_ in itertools.pairwise(cosines))


def make_neighbours(result: Asset, number: int) -> None:
    """So many results with vectors all around the result's."""
    source = random.Random(1)
    values = {field.attname: getattr(result, field.attname) for field in Asset._meta.concrete_fields}
    rows = [Asset(**values | {"id": new_id(), "image_index": 100 + n}) for n in range(number)]
    Asset.objects.bulk_create(rows)
    vectors = []
    for row in rows:
        numbers = [1 + source.gauss(0, 0.9) for _ in range(DIMENSIONS)]
        length = math.hypot(*numbers)
        vectors.append(Embedding(asset=row, owner_id=row.owner_id, vector=[n / length for n in numbers]))
    Embedding.objects.bulk_create(vectors)
    as_committed()


def test_what_was_given_up_is_said_and_asked_for_again(
    owner: User, embedder: Worker, capsys: pytest.CaptureFixture[str], log_of: LogOf
) -> None:
    """Pitfall 46: an embedder that fails at everything does not use up the Library for ever."""
    [result] = make_results(owner, 1)

    def fail() -> None:
        work.lease(worker=embedder, limit=9)
        work.accept(worker=embedder, name="clip", images=[item(result.pk, error="NaN")], texts=[])

    for _ in range(3):
        [line] = [line for line in log_of(fail) if line["event"] == "embedding.failed"]
        assert line["reason"] == "NaN"
    assert not work.lease(worker=embedder, limit=9)
    call_command("embeddings", "status")
    call_command("embeddings", "retry")
    assert "0 made, 0 not yet, 1 given up" in (said := capsys.readouterr().out)
    assert "1 are asked for again." in said
    assert list(work.lease(worker=embedder, limit=9).images) == [result.pk]


def test_a_lost_index_is_made_again(embedder: Worker) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION vector CASCADE")
        model.enable()
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname = %s", [model.INDEX])
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
def test_an_index_that_was_not_finished_is_made_anew(embedder: Worker) -> None:
    """As one is left by `embeddings enable` that was interrupted: nothing is found by it."""
    state = "SELECT indisvalid, indexrelid FROM pg_index WHERE indexrelid = %s::regclass"
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [model.INDEX]
        )
        states = []
        for _ in range(2):
            model.enable()
            cursor.execute(state, [model.INDEX])
            states.append(cursor.fetchone())
    assert states[0][0]
    assert states[0] == states[1], "one that is whole stays"
    model.disable()


def test_thresholds_do_not_bring_back_what_was_disabled(
    embedder: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = model.required()
    as_committed()
    model.disable()
    monkeypatch.setattr(model, "required", lambda: seen)  # read before
    model.adopt(name="clip", dimensions=DIMENSIONS, thresholds={"image": [0, 1], "text": [0, 1]})
    assert model.current() is None


def test_the_embedding_goes_with_its_result(owner: User, embedder: Worker) -> None:
    [result] = make_results(owner, 1)
    embed(embedder, {result.pk: encoded(1)})
    Asset.objects.filter(pk=result.pk).delete()
    assert not Embedding.objects.exists()


def test_what_nobody_asked_for_is_found_and_asked_for(owner: User) -> None:
    [result] = make_results(owner, 1)
    model.enable()
    assert list(chores.without_embedding()) == [], "the chores are still to ask"
    EmbeddingModel.objects.update(below=None)
    assert list(chores.without_embedding()) == [result.pk]
    chores.want_one(result.pk)
    assert list(chores.without_embedding()) == []


def test_the_command(owner: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("embeddings", "status")
    call_command("embeddings", "enable")
    make_results(owner, 1)
    call_command("embeddings", "status")
    as_committed()
    call_command("embeddings", "disable")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "There are no embeddings."
    assert said[2].startswith("No embedder has called yet: 0 made, 1 not yet, 0 given up, and older results")
    assert said[3] == "There are no embeddings any more."
    with pytest.raises(CommandError):
        call_command("embeddings", "improve")
