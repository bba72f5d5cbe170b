"""Finding similar results and what they show, on the page, its socket and over REST."""

from __future__ import annotations

import base64
import math
import re
import struct
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from generation.assets import operation_work, operations
from generation.assets.embeddings import model, work
from generation.assets.embeddings.nearest import Nearest, State, by_meaning
from generation.assets.filters import AssetFilter
from generation.assets.listing import saved
from generation.changes import feed
from generation.core.actors import SYSTEM
from generation.models import Action, Asset, Source, TextEmbedding, Worker
from library.consumers import LibraryPage
from tests.acting import discard
from tests.factories import complete, make_job, make_user, make_worker

pytestmark = pytest.mark.django_db
DIMENSIONS = 16


class Embedder:
    """A worker that embeds what it is told to, by an angle in degrees."""

    def __init__(self) -> None:
        model.enable()
        self.worker = make_worker(engines=())
        Worker.objects.filter(pk=self.worker.pk).update(embeds=True)
        thresholds = {"image": [0.5, 0.9], "text": [0.5, 0.9]}
        model.adopt(name="clip", dimensions=DIMENSIONS, thresholds=thresholds)

    def embed(self, angles: dict[uuid.UUID, float]) -> None:
        while leased := work.lease(worker=self.worker, limit=32):
            items = [{"id": pk, "vector": _vector(angles[pk]), "error": ""} for pk in leased.images]
            self._send(images=items)

    def answer(self, angle: float) -> None:
        texts = work.lease(worker=self.worker, limit=32).texts
        self._send(texts=[{"id": text.pk, "vector": _vector(angle), "error": ""} for text in texts])

    def _send(self, **items: Any) -> None:
        work.accept(worker=self.worker, name="clip", **{"images": [], "texts": [], **items})


def _vector(degrees: float) -> str:
    numbers = math.cos(math.radians(degrees)), math.sin(math.radians(degrees)), *[0.0] * (DIMENSIONS - 2)
    return base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *numbers)).decode()


def make(owner: User, prompt: str = "a fox") -> Asset:
    return complete(make_job(owner, prompt=prompt, quantity=1), make_worker())[0]


def ids(page: str) -> list[str]:
    return re.findall(r'data-tile data-media="\w+" data-id="([^"]+)"', page)


def keys(page: str) -> list[str]:
    return re.findall(r'data-key="([^"]+)"', page)


def get(client: Client, query: str) -> str:
    answer = client.get(f"/library/?{query}")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def embedder(db: None) -> Embedder:
    if connection.vendor != "postgresql":
        pytest.skip("needs pgvector")
    return Embedder()


@pytest.mark.postgres
class TestWithPgvector:
    @pytest.fixture(autouse=True)
    def _results(self, request: pytest.FixtureRequest, owner: User) -> None:
        embedder = request.getfixturevalue("embedder")
        self.near, self.same, self.far, self.between = (str(make(owner).pk) for _ in range(4))
        angles = {self.same: 0, self.near: 20, self.between: 45, self.far: 80}
        embedder.embed({uuid.UUID(pk): angle for pk, angle in angles.items()})

    def test_the_most_alike_come_first(self, reader: Client) -> None:
        page = get(reader, f"similar={self.same}")
        assert ids(page) == [self.same, self.near, self.between]
        assert "3 results, the most alike first" in page
        assert "Like one result" in page
        assert "data-ranked" in page
        assert "1970" not in re.sub(r'(data-key|min)="[^"]*"', "", page), "nobody sees where ranks are kept"
        assert ids(get(reader, f"similar={self.same}&alike=100")) == [self.same, self.near]

    def test_how_much_alike_is_kept_and_the_usual_is_in_no_address(self, reader: Client) -> None:
        page = get(reader, f"similar={self.same}&alike=30")
        assert '<option value="30" selected>30 of 100</option>' in page
        assert '<option value="" selected>Alike</option>' in get(reader, f"similar={self.same}")

    def test_pages_follow_one_another(self, reader: Client, owner: User) -> None:
        only = AssetFilter(similar_id=uuid.UUID(self.same))
        first = saved(owner_id=owner.pk, only=only).page("", 2)
        second = saved(owner_id=owner.pk, only=only).page(first.next_cursor, 2)
        assert [str(asset.pk) for asset in first.assets + second.assets] == [
            self.same,
            self.near,
            self.between,
        ]
        parts = reader.get(f"/library/parts?similar={self.same}").json()
        assert parts == {"parts": [[0, 3]], "complete": True}

    def test_other_filters_narrow_it_further(self, reader: Client, owner: User) -> None:
        Asset.objects.filter(pk__in=[self.near, self.far]).update(favourite=True)
        assert ids(get(reader, f"similar={self.same}&favourite=1")) == [self.near]
        assert ids(get(reader, f"similar={self.same}&q=fox")) == [self.same, self.near, self.between]
        assert ids(get(reader, f"similar={self.same}&q=wolf")) == []
        assert ids(get(reader, f"similar={self.same}&stacks=1")) == [self.same, self.near, self.between]

    def test_what_it_shows_in_words(self, reader: Client, embedder: Embedder) -> None:
        page = get(reader, "meaning=red+fox")
        assert '<noscript><meta http-equiv="refresh" content="1"></noscript>' in page
        assert "A worker is asked" in page
        embedder.answer(20)
        page = get(reader, "meaning=red+fox")
        assert "http-equiv" not in page
        assert ids(page) == [self.near, self.same, self.between]
        assert "Looks like: red fox" in page

    def test_words_take_the_place_of_a_result(self, reader: Client, embedder: Embedder) -> None:
        """The form still has the result when they are written."""
        get(reader, f"similar={self.same}&meaning=sea")
        embedder.answer(80)
        page = get(reader, f"similar={self.same}&meaning=sea")
        assert ids(page) == [self.far, self.between]
        assert "Like one result" not in page

    def test_it_does_not_wait_for_ever(self, reader: Client) -> None:
        get(reader, "meaning=red+fox")
        TextEmbedding.objects.update(asked_at="2020-01-01T00:00Z")
        page = get(reader, "meaning=red+fox")
        assert "http-equiv" not in page
        assert "No worker answers" in page

    def test_a_word_leads_to_what_shows_it(self, reader: Client) -> None:
        assert "?meaning=sunset" in get(reader, "q=sunset")

    def test_a_word_leads_there_with_the_other_filters(self, reader: Client) -> None:
        page = get(reader, f"q=sunset&media=image&shape=landscape&similar={self.same}&alike=30")
        assert 'href="?media=image&amp;shape=landscape&amp;meaning=sunset&amp;alike=30"' in page

    def test_the_details_lead_to_similar_ones(self, reader: Client) -> None:
        page = reader.get(f"/library/image/{self.same}/").content.decode()
        assert f"/library/?similar={self.same}" in page

    def test_nobody_finds_what_is_like_anothers(self, reader: Client, embedder: Embedder) -> None:
        theirs = make(make_user())
        embedder.embed({theirs.pk: 0})
        assert "Nothing to compare with" in get(reader, f"similar={theirs.pk}")
        assert str(theirs.pk) not in ids(get(reader, f"similar={self.same}"))

    def test_what_has_no_embedding_says_so(self, reader: Client, owner: User) -> None:
        assert "Nothing to compare with" in get(reader, f"similar={make(owner).pk}")

    def test_what_is_discarded_meanwhile_moves_nothing(self, reader: Client, owner: User) -> None:
        """Neither a page that follows, nor a range between two tiles, nor the tiles themselves."""
        http = APIClient()
        http.force_login(owner)
        path = f"/api/v1/assets?similar={self.same}&limit=1"
        first = http.get(path).json()
        before = keys(get(reader, f"similar={self.same}"))
        discard(owner_id=owner.pk, assets=[uuid.UUID(self.same)])
        second = http.get(f"{path}&cursor={first['next_cursor']}").json()
        assert [asset["id"] for asset in second["assets"]] == [self.near], "none is left out"
        assert keys(get(reader, f"similar={self.same}")) == before[1:]
        a_range = f"similar={self.same}&from={before[1]}&to={before[2]}"
        assert reader.get(f"/library/ids?{a_range}").json()["ids"] == [self.near, self.between]
        following = get(reader, f"similar={self.same}&after={before[1]}&from_hour=0&to_hour=1")
        assert ids(following) == [self.between]

    def test_equals_are_in_one_order_and_the_page_follows_within_them(
        self, owner: User, embedder: Embedder
    ) -> None:
        others = [make(owner).pk for _ in range(4)]
        embedder.embed(dict.fromkeys(others, 20))
        only = AssetFilter(similar_id=uuid.UUID(self.same))
        whole = [asset.pk for asset in saved(owner_id=owner.pk, only=only).page("", 60).assets]
        assert whole[1:6] == sorted([*others, uuid.UUID(self.near)], reverse=True)
        cursor, found = "", []
        for _ in whole:
            page = saved(owner_id=owner.pk, only=only).page(cursor, 1)
            found += [asset.pk for asset in page.assets]
            cursor = page.next_cursor
        assert found == whole

    def test_a_star_in_another_tab_moves_no_tile(self, reader: Client, owner: User) -> None:
        page = LibraryPage(
            owner.pk, AssetFilter.from_query(QueryDict(f"similar={self.same}")), in_trash=False
        )
        rendered = page.render(feed.changes(owner_id=owner.pk, after=0))
        pushed = {tile["id"]: tile for tile in rendered["assets"]}
        assert pushed[self.far]["removed"]
        assert keys(pushed[self.near]["html"]) == [keys(get(reader, f"similar={self.same}"))[1]]

    def test_a_page_without_an_answer_leaves_its_tiles_alone(self, owner: User, embedder: Embedder) -> None:
        """Pitfall 23. The text may have been forgotten since; what is in the trash has left all the same."""
        discard(owner_id=owner.pk, assets=[uuid.UUID(self.far)])
        only = AssetFilter(meaning="a harbour")
        rendered = LibraryPage(owner.pk, only, in_trash=False).render(
            feed.changes(owner_id=owner.pk, after=0)
        )
        assert only.looked_up(owner.pk).nearest == Nearest(State.WAITING)
        assert [(tile["id"], tile["removed"]) for tile in rendered["assets"]] == [(self.far, True)]

    def test_a_socket_bears_a_search_that_cannot_be_made(self, owner: User) -> None:
        only = AssetFilter(similar_id=uuid.UUID(self.same), q="-")
        rendered = LibraryPage(owner.pk, only, in_trash=False).render(
            feed.changes(owner_id=owner.pk, after=0)
        )
        assert [tile["removed"] for tile in rendered["assets"]] == [True] * 4

    def test_a_page_compares_only_what_changed(self, owner: User) -> None:
        """Every 25 s, and with each change of the owner's, for each open page otherwise."""
        page = LibraryPage(owner.pk, AssetFilter(similar_id=uuid.UUID(self.same)), in_trash=False)
        seen = feed.position(owner.pk).revision
        make_job(owner)
        changes = [feed.changes(owner_id=owner.pk, after=after) for after in (seen, seen + 1)]
        with CaptureQueriesContext(connection) as context:
            for each in changes:
                page.render(each)
        assert not [query["sql"] for query in context if "<=>" in query["sql"]]

    def test_what_came_later_is_not_discarded_with_the_rest(self, owner: User, embedder: Embedder) -> None:
        operation = operations.start(
            owner_id=owner.pk,
            actor=SYSTEM,
            action=Action.DISCARD,
            source=Source.LIBRARY,
            query=f"similar={self.same}",
            value={},
        )
        later = make(owner)
        embedder.embed({later.pk: 0})
        while operation_work.work(owner.pk, seconds=60):
            pass
        later.refresh_from_db()
        assert later.trashed_at is None
        assert Asset.objects.get(pk=self.near).trashed_at
        operation.refresh_from_db()
        assert operation.changed == 3

    def test_no_answer_yet_is_not_taken_for_nothing(self, reader: Client, owner: User) -> None:
        told = reader.get("/downloads/library.jsonl?meaning=new")
        assert told.status_code == 422
        assert b"is being asked for" in told.content
        zipped = reader.post(
            "/downloads/", {"all": "1", "meaning": "new"}, headers={"accept": "application/json"}
        )
        assert zipped.status_code == 422
        http = APIClient()
        http.force_login(owner)
        body = {"action": "favourite", "favourite": True, "filter": {"meaning": "new"}}
        assert http.post("/api/v1/operations", body, format="json").status_code == 409

    def test_an_archive_asks_for_its_text(self, reader: Client, embedder: Embedder) -> None:
        """The refusal takes nothing back, so that the next time there is an answer."""
        form = {"all": "1", "meaning": "fox"}
        refused = reader.post("/downloads/", form, headers={"accept": "application/json"})
        assert refused.status_code == 422
        assert TextEmbedding.objects.filter(text="fox").exists()
        embedder.answer(0)
        assert reader.post("/downloads/", form).status_code == 302

    def test_over_rest(self, owner: User, embedder: Embedder) -> None:
        http = APIClient()
        http.force_login(owner)
        found = http.get(f"/api/v1/assets?similar={self.same}&limit=2").json()
        assert [asset["id"] for asset in found["assets"]] == [self.same, self.near]
        more = http.get(f"/api/v1/assets?similar={self.same}&limit=2&cursor={found['next_cursor']}").json()
        assert [asset["id"] for asset in more["assets"]] == [self.between]
        waiting = http.get("/api/v1/assets?meaning=fox")
        assert (waiting.status_code, waiting["Retry-After"]) == (409, "1")
        assert waiting.json()["code"] == "embedding_pending"
        embedder.answer(80)
        assert [a["id"] for a in http.get("/api/v1/assets?meaning=fox&alike=0").json()["assets"]] == [
            *(self.far, self.between, self.near)
        ]
        for wrong in ("alike=101", "alike=-1", "similar=x"):
            assert http.get(f"/api/v1/assets?{wrong}").status_code == 422

    @pytest.mark.parametrize("more", ["q=fox", "shape=landscape", "q=fox&shape=landscape&stacks=1"])
    @pytest.mark.parametrize("state", State)
    def test_what_finds_nothing_finds_nothing_with_more_filters_either(
        self, reader: Client, owner: User, embedder: Embedder, state: State, more: str
    ) -> None:
        query = f"{self._query_of(state, owner, embedder)}&{more}"
        assert ids(get(reader, query)) == []
        assert reader.get(f"/library/parts?{query}").json() == {"parts": [], "complete": True}
        key = f"19700101000000500000-{uuid.UUID(int=0).hex}"
        answer = reader.get(f"/library/ids?{query}&from={key}&to={key}").json()
        assert answer == {"ids": [], "complete": True}
        http = APIClient()
        http.force_login(owner)
        answer = http.get(f"/api/v1/assets?{query.replace('&stacks=1', '')}")
        waits = state in (State.WAITING, State.NO_ANSWER)
        assert answer.status_code == 409 if waits else answer.json()["assets"] == []

    def _query_of(self, state: State, owner: User, embedder: Embedder) -> str:
        """A search by content that is in this state, and finds nothing."""
        if state == State.UNKNOWN:
            return f"similar={make(owner).pk}"
        if state != State.WAITING:
            by_meaning(owner_id=owner.pk, text="a harbour", alike=50)
        if state == State.FOUND:
            embedder.answer(180)
        TextEmbedding.objects.update(asked_at="2020-01-01T00:00Z")
        return "meaning=a+harbour"


@pytest.mark.parametrize("query", ["similar={}&q=-", "meaning=fox&q=-", "similar={}&q=-&stacks=1"])
def test_a_socket_bears_a_search_that_cannot_be_made(owner: User, query: str) -> None:
    result = make(owner)
    only = AssetFilter.from_query(QueryDict(query.format(result.pk)))
    assert only.error
    rendered = LibraryPage(owner.pk, only, in_trash=False).render(feed.changes(owner_id=owner.pk, after=0))
    assert all(tile["removed"] for tile in rendered["assets"])


def test_where_there_are_no_embeddings_the_feature_is_not_there(reader: Client, owner: User) -> None:
    assert connection.vendor == "sqlite" or model.current() is None
    result = make(owner)
    page = get(reader, "q=fox")
    assert "meaning" not in page
    assert "similar" not in reader.get(f"/library/image/{result.pk}/").content.decode()
    for query in ("", "&q=fox", "&shape=landscape"):
        assert ids(get(reader, f"similar={result.pk}{query}")) == [], "and an old address shows nothing wrong"
        assert ids(get(reader, f"meaning=fox{query}")) == []
    http = APIClient()
    http.force_login(owner)
    for query in (f"similar={result.pk}", "meaning=fox"):
        answer = http.get(f"/api/v1/assets?{query}")
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [query.partition("=")[0]])
