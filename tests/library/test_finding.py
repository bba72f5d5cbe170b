"""The filter bar: facets, counts, what is refused, and saved searches."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from generation.assets import listing, saved_searches
from generation.core.ids import LAST_ID
from generation.models import Asset, Model, SavedSearch, SearchEntry, SearchIndexBuild
from tests.advertised import FILM, advertise, body, deliver
from tests.factories import make_job, make_worker
from tests.library.conftest import made, many, shown

SAVE = "/library/searches/save"


def html(reader: Client, **query: str) -> str:
    response = reader.get("/library/", query)
    assert response.status_code == 200
    return response.content.decode()


def words(content: str) -> str:
    """What the page says of what it found."""
    found = re.search(r'<p class="found">(.*?)</p>', content, re.DOTALL)
    return " ".join(unescape(re.sub("<[^>]+>", " ", found[1])).split()) if found else ""


def test_each_facet_narrows_the_page_and_is_a_chip_that_takes_it_back(reader: Client, owner: User) -> None:
    [square] = made(owner, "a fox", quantity=1, seed=7)
    [clip] = made(owner, "a fox runs", job_type="video_fast", seed=8)
    for query, chip in [
        ({"job_type": "video_fast"}, "WAN video fast"),
        ({"seed": "8"}, "Seed 8"),
        ({"media": "video"}, ""),
    ]:
        content = html(reader, q="fox", **query)
        assert shown(content) == [str(clip.pk)], query
        assert words(content) == f"1 result {chip} Clear".replace("  ", " ")
        if chip:
            assert f'href="?q=fox" aria-label="Without {chip}"' in content
    assert shown(html(reader, shape="square")) == [str(clip.pk), str(square.pk)]
    assert shown(html(reader, shape="portrait")) == []
    both = html(reader, seed="7", job_type="sdxl_image_fast")
    assert 'href="?seed=7"' in both
    assert 'href="?job_type=sdxl_image_fast"' in both
    assert 'data-socket="/ws/library/?job_type=sdxl_image_fast&amp;seed=7"' in both


def test_results_of_a_model_are_found_also_when_no_worker_has_it_any_more(
    reader: Client, owner: User
) -> None:
    worker = make_worker()
    made(owner, quantity=1)
    assert "f-model" not in html(reader)
    advertise(worker, body(FILM), body("film.xl", title="Film, other"))
    [asset], [other] = [deliver(worker, make_job(owner, model=name)) for name in (FILM, "film.xl")]
    advertise(worker)

    content = html(reader, model=FILM)

    assert shown(content) == [str(asset.pk)]
    assert words(content) == f"1 result {FILM} Clear"
    assert f'<option dir="auto" value="{FILM}" selected>Film XL</option>' in content
    assert '<option dir="auto" value="film.xl">Film, other</option>' in content
    assert f'data-socket="/ws/library/?model={FILM}"' in content
    assert shown(html(reader, model="film.xl")) == [str(other.pk)]
    # One that is not known any more stands in the address, so it is said.
    Model.objects.all().delete()
    assert f'value="{FILM}" selected>{FILM}</option>' in html(reader, model=FILM)


def test_days_are_those_of_the_reader(reader: Client, owner: User) -> None:
    [asset] = made(owner, quantity=1)
    Asset.objects.filter(pk=asset.pk).update(saved_at=datetime(2026, 3, 4, 23, 30, tzinfo=UTC))
    reader.cookies["timezone"] = "Europe/Paris"
    content = html(reader, since="2026-03-05", until="2026-03-05")
    assert shown(content) == [str(asset.pk)]
    assert words(content) == "1 result From 5 March 2026 To 5 March 2026 Clear"
    assert "since=2026-03-05&amp;until=2026-03-05&amp;zone=Europe%2FParis" in content
    assert shown(html(reader, until="2026-03-04")) == []
    assert shown(html(reader, until="2026-03-04", zone="UTC")) == [str(asset.pk)]
    for nonsense in ("2026-13-01", "0001-01-01", "9999-12-31", "1e3"):
        assert len(shown(reader.get("/library/", {"since": nonsense}).content.decode())) == 1


def test_the_count_is_exact_up_to_a_bound(
    reader: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(owner, 4)
    monkeypatch.setattr(listing, "MOST_COUNTED", 4)
    assert words(html(reader, q="lighthouse")).startswith("4 results")
    monkeypatch.setattr(listing, "MOST_COUNTED", 3)
    for query in ({"q": "lighthouse"}, {"media": "image"}):
        assert words(html(reader, **query)).startswith("Over 3 results")


def test_a_search_that_cannot_be_done_says_why_and_keeps_what_was_typed(reader: Client, owner: User) -> None:
    made(owner)
    content = html(reader, q="a*")
    assert "Before * there are at least 2 letters." in content
    assert 'name="q" value="a*"' in content
    assert shown(content) == []
    assert words(content) == "Clear"


def test_longer_words_are_offered_where_nothing_is_found(reader: Client, owner: User) -> None:
    [found] = made(owner, "a lighthouse", quantity=1)
    content = html(reader, q="light", media="image")
    assert shown(content) == []
    assert 'href="?q=light%2A&amp;media=image"' in content
    assert shown(html(reader, q="light*", media="image")) == [str(found.pk)]


def test_older_results_are_added_to_the_index_by_the_chores(reader: Client, owner: User) -> None:
    """After an upgrade: the page says so meanwhile."""
    [old] = made(owner, "an old fox", quantity=1)
    SearchEntry.objects.all().delete()
    SearchIndexBuild.objects.create(below=LAST_ID)
    content = html(reader, q="fox")
    assert shown(content) == []
    assert "The search index is being built" in content
    assert "being built" not in html(reader, media="image")
    call_command("maintain", "--once", verbosity=0)
    content = html(reader, q="fox")
    assert shown(content) == [str(old.pk)]
    assert "being built" not in content


def test_a_search_is_saved_renamed_and_deleted_with_an_undo(reader: Client, owner: User) -> None:
    made(owner, "a fox")

    def press(address: str, fields: dict[str, str]) -> str:
        page = {"Referer": "http://testserver/library/?q=fox"}
        return reader.post(address, fields, headers=page, follow=True).content.decode()

    assert 'name="query" value="q=fox&amp;media=image"' in html(reader, q="fox", media="image", cursor="")
    content = press(SAVE, {"name": " Red  foxes ", "query": "media=image&q=fox&cursor=x"})
    search = SavedSearch.objects.get()
    assert (search.name, search.query, search.owner) == ("Red foxes", "q=fox&media=image", owner)
    assert "Saved as “Red foxes”." in content
    assert '?q=fox&amp;media=image" aria-current="true"' in html(reader, q="fox", media="image")

    again = press(SAVE, {"name": "RED FOXES", "query": "q=owl"})
    assert "You already have a saved search of that name." in again
    press(f"/library/searches/{search.pk}/rename", {"name": "Foxes"})
    gone = press(f"/library/searches/{search.pk}/delete", {})
    assert not SavedSearch.objects.exists()
    undo = re.search(r'formaction="([^"]*searches/save[^"]*)" data-undo', gone)
    assert undo
    reader.post(unescape(undo[1]))
    assert SavedSearch.objects.get().name == "Foxes"


@pytest.mark.parametrize(
    ("name", "query"), [("", "q=fox"), ("x" * 81, "q=fox"), ("Foxes", ""), ("F", "q=a*")]
)
def test_what_cannot_be_saved_is_refused(reader: Client, name: str, query: str) -> None:
    answer = reader.post(SAVE, {"name": name, "query": query}, headers={"Accept": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["message"]
    assert not SavedSearch.objects.exists()


def test_saved_searches_are_bounded_and_nobody_elses(
    reader: Client, stranger: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_searches, "MAX_SEARCHES", 1)
    for name in ("Wombats", "Two"):
        reader.post(SAVE, {"name": name, "query": "q=fox"})
    search = SavedSearch.objects.get()
    assert "Wombats" not in stranger.get("/library/?q=fox").content.decode()
    for action in ("rename", "delete"):
        address = f"/library/searches/{search.pk}/{action}"
        assert stranger.post(address, {"name": "x"}).status_code == 404
    assert SavedSearch.objects.get().name == "Wombats"
