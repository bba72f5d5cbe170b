"""What the grid's script asks for: how many there are where, the tiles of a part, the ids of a range."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.changes import library_hours
from generation.models import Asset, Collection, Image, Tag
from library.presenters import Tile
from library.spans import CHUNK, EPOCH, parts
from tests import acting
from tests.library.conftest import made, many, shown

PARTS, IDS, HOME = "/library/parts", "/library/ids", "/library/"
FRAGMENT = {"X-Fragment": "1"}


def counted(client: Client, **query: str) -> list[list[int]]:
    answer = client.get(PARTS, query).json()
    assert answer["complete"] is True
    return list(answer["parts"])


def spread(owner: User, count: int, *, minutes: int) -> list[Asset]:
    """Saved so many minutes apart, the newest first."""
    rows = many(owner, count)
    for number, row in enumerate(rows):
        row.saved_at = datetime(2026, 3, 2, tzinfo=UTC) - timedelta(minutes=minutes * number)
    Image.objects.bulk_update(rows, ["saved_at"])
    library_hours.recount(owner.pk)
    return list(rows)


def ids(assets: list[Asset]) -> list[str]:
    return [str(asset.pk) for asset in assets]


@pytest.mark.parametrize("minutes", [0, 30], ids=["in one hour", "over days"])
def test_the_parts_hold_all_tiles_in_order(reader: Client, owner: User, minutes: int) -> None:
    """Pitfall 26. What an hour has beyond one answer is asked for by the number or the key before it."""
    rows = spread(owner, 250, minutes=minutes)
    found: list[str] = []
    before = ""
    for hour, count in counted(reader):
        for skip in range(0, count, CHUNK):
            span: dict[str, Any] = {"from_hour": hour, "to_hour": before, "take": CHUNK} | (
                {"skip": skip} if skip else {}
            )
            tiles = shown(reader.get(HOME, span, headers=FRAGMENT).content.decode())
            if skip:
                key = Tile(next(row for row in rows if str(row.pk) == found[-1])).key
                after = reader.get(HOME, span | {"skip": "", "after": key}, headers=FRAGMENT)
                assert shown(after.content.decode()) == tiles
            found += tiles
        before = str(hour)

    assert found == ids(rows)


def test_a_part_is_of_one_month_of_the_reader() -> None:
    """At 23:30 UTC it is the next month in Tokyo; an hour with many stays whole."""
    last = datetime(2026, 3, 31, 14, tzinfo=UTC)
    hours = [(last + timedelta(hours=1), 3), (last, 90), (last - timedelta(hours=1), 4000), (EPOCH, 1)]
    number = int((last - EPOCH) / timedelta(hours=1))

    assert parts(hours, ZoneInfo("Asia/Tokyo")) == [[number + 1, 3], [number, 90], [number - 1, 4000], [0, 1]]
    assert parts(hours, UTC) == [[number, 93], [number - 1, 4000], [0, 1]]


def test_a_filter_and_the_trash_have_parts_of_their_own(reader: Client, owner: User) -> None:
    one, two, three = made(owner, quantity=3)
    made(owner, job_type="video_fast")
    acting.discard(owner_id=owner.pk, assets=[one.pk])

    assert sum(count for _, count in counted(reader)) == 3
    assert sum(count for _, count in counted(reader, media="image")) == 2
    assert sum(count for _, count in counted(reader, trash="1")) == 1
    newest, oldest = sorted((two, three), key=lambda asset: (asset.saved_at, asset.pk), reverse=True)
    ends = {"from": Tile(oldest).key, "to": Tile(newest).key}
    assert reader.get(IDS, ends).json() == {"ids": ids([newest, oldest]), "complete": True}
    assert reader.get(IDS, ends | {"media": "video"}).json()["ids"] == []


def test_a_stranger_counts_nothing_and_gets_no_ids(stranger: Client, owner: User) -> None:
    [asset] = made(owner, quantity=1)
    key = Tile(asset).key

    assert counted(stranger) == []
    assert stranger.get(IDS, {"from": key, "to": key}).json()["ids"] == []


@pytest.mark.parametrize("count", [1, 24])
def test_counting_costs_as_many_queries_for_24_as_for_one(
    reader: Client, owner: User, django_assert_num_queries: Any, count: int
) -> None:
    many(owner, count)
    for query, queries in (({}, 3), ({"media": "image"}, 4), ({"trash": "1"}, 3)):
        with django_assert_num_queries(queries):  # session, user, projects, hours
            reader.get(PARTS, query)


@pytest.mark.parametrize(
    "span",
    [
        {"from_hour": "x"},
        {"from_hour": "99999999999"},
        {"to_hour": "-1"},
        {"skip": "1e3"},
        {"take": "²"},
        {"after": "\0"},
        {"after": "99999999999999999999-" + "0" * 32},
    ],
)
def test_an_invented_span_is_404(reader: Client, span: dict[str, str]) -> None:
    assert reader.get(HOME, span).status_code == 404
    assert reader.get("/library/trash/", span).status_code == 404
    assert reader.get(IDS, {"from": span.get("after", ""), "to": "nonsense"}).status_code == 422


@pytest.mark.parametrize("kind", ["collection", "tag"])
def test_a_search_in_a_collection_has_parts_and_ranges_too(reader: Client, owner: User, kind: str) -> None:
    """The spans of the grid have names of their own: `since` is the filter's."""
    boat, *foxes = [made(owner, prompt)[0] for prompt in ("a boat", "a fox", "a red fox", "a fox at sea")]
    put = {"asset": ids([boat, *foxes[:2]]), f"add_{kind}": "Sea"}
    reader.post(f"/library/add-{kind if kind == 'tag' else 'to-collection'}", put)
    group = {kind: str((Tag if kind == "tag" else Collection).objects.get().pk)}
    day = f"{boat.saved_at:%Y-%m-%d}"

    for query, expected in (
        (group, [foxes[1], foxes[0], boat]),
        (group | {"q": "fox"}, [foxes[1], foxes[0]]),
        ({"q": "fox", "since": day, "zone": "UTC"}, foxes[::-1]),
    ):
        [[hour, count]] = counted(reader, **query)
        assert count == len(expected)
        span = query | {"from_hour": str(hour), "to_hour": str(hour + 1)}
        assert shown(reader.get(HOME, span, headers=FRAGMENT).content.decode()) == ids(expected)
        skipping = span | {"skip": "1", "take": "1"}
        assert shown(reader.get(HOME, skipping, headers=FRAGMENT).content.decode()) == ids(expected[1:2])
        ends = {"from": Tile(expected[0]).key, "to": Tile(expected[-1]).key}
        assert reader.get(IDS, query | ends).json() == {"ids": ids(expected), "complete": True}


def test_what_cannot_be_searched_for_has_no_parts(reader: Client, owner: User) -> None:
    key = Tile(made(owner)[0]).key
    bad = " ".join(f"word{number}" for number in range(500))
    assert counted(reader, q=bad) == []
    assert reader.get(IDS, {"q": bad, "from": key, "to": key}).status_code == 422
