"""What the viewer asks for when it goes beyond the tiles on the page."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from library.presenters import Tile
from tests import acting
from tests.library.conftest import made, many, shown


def beside(reader: Client, query: str) -> list[str]:
    return shown(reader.get(f"/library/neighbours?{query}").content.decode())


def test_both_directions_lead_through_the_whole_and_end(reader: Client, owner: User) -> None:
    """All were saved at one moment: the ids alone part them."""
    images = many(owner, 60)
    ids, keys = [str(image.pk) for image in images], [Tile(image).key for image in images]
    assert beside(reader, f"older={keys[10]}") == ids[11:35]
    assert beside(reader, f"older={keys[50]}") == ids[51:]
    assert beside(reader, f"older={keys[-1]}") == []
    assert beside(reader, f"newer={keys[30]}") == ids[6:30][::-1]
    assert beside(reader, f"newer={keys[0]}") == []
    assert beside(reader, "older=") == ids[:24]
    assert beside(reader, "newer=") == ids[:-25:-1]
    assert "data-neighbours" in reader.get("/library/").content.decode()


def test_the_filter_holds_and_what_has_left_still_has_its_place(reader: Client, owner: User) -> None:
    first, second, third, other = [made(owner, prompt)[0] for prompt in ("a fox", "a fox", "a fox", "a boat")]
    at = Tile(second).key
    acting.discard(owner_id=owner.pk, assets=[second.pk])
    assert beside(reader, f"q=fox&older={at}") == [str(first.pk)]
    assert beside(reader, f"q=fox&newer={at}") == [str(third.pk)]
    assert beside(reader, f"newer={at}") == [str(third.pk), str(other.pk)]
    assert beside(reader, "trash=1&older=") == [str(second.pk)]


def test_nothing_of_others_and_no_other_key(reader: Client, stranger: Client, owner: User) -> None:
    key = Tile(made(owner)[0]).key
    assert beside(stranger, "older=") == []
    hexes = key.partition("-")[2]
    for bad in (
        "x",
        "\0",
        key + "0",
        f"{'9' * 20}-{hexes}",
        f"{'0' * 20}-{hexes}",
        "٣" * 20 + f"-{hexes}",
        "\ud800",
    ):
        for side in ("older", "newer"):
            answer = reader.get("/library/neighbours", {side: bad.encode("utf-8", "surrogatepass")})
            assert answer.status_code == 404, bad
    assert reader.get("/library/neighbours", {"older": "", "q": "-"}).status_code == 404


@pytest.mark.parametrize("count", [1, 24])
def test_its_queries_do_not_grow(
    reader: Client, owner: User, count: int, django_assert_max_num_queries: object
) -> None:
    many(owner, count)
    with django_assert_max_num_queries(4):  # type: ignore[operator] # session, user, project's filter, tiles
        assert len(beside(reader, "older=")) == count
