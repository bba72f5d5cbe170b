"""The Library's pages: who sees what, in which order, how much it costs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from generation.models import Image
from library.presenters import clock
from tests import acting, factories
from tests.acting import create_project
from tests.library.conftest import EMBEDDING_QUERIES, headings, made, many, shown

HOME = "/library/"


def html(client: Client, url: str = HOME, **query: str) -> str:
    response = client.get(url, query)
    assert response.status_code == 200
    return str(response.content.decode())


def ids(assets: list[Any]) -> list[str]:
    return [str(asset.pk) for asset in assets]


# Whose


def test_an_owner_sees_what_was_saved_newest_first(reader: Client, owner: User) -> None:
    older, [video] = made(owner, quantity=3), made(owner, job_type="video_fast")

    assert shown(html(reader)) == [str(video.pk), *reversed(ids(older))]


def test_a_stranger_sees_nothing_of_it(stranger: Client, owner: User) -> None:
    [asset] = made(owner, quantity=1)

    assert shown(html(stranger)) == []
    assert stranger.get(reverse("library:asset", args=["image", asset.pk])).status_code == 404


@pytest.mark.parametrize("url", [HOME, "/library/trash/"])
def test_an_anonymous_visitor_is_sent_to_sign_in(client: Client, db: None, url: str) -> None:
    response = client.get(url)

    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/")


def test_pages_are_kept_by_no_cache(reader: Client, owner: User) -> None:
    """Pitfall 24."""
    [asset] = made(owner, quantity=1)

    for url in (HOME, "/library/trash/", reverse("library:asset", args=["image", asset.pk])):
        assert "no-store" in reader.get(url)["Cache-Control"]


def test_what_waits_for_review_is_not_in_the_library(reader: Client, owner: User) -> None:
    made(owner, review=True)

    assert shown(html(reader)) == []


def test_an_empty_library_says_how_to_fill_it(reader: Client) -> None:
    assert "Your Library is empty" in html(reader)


# Pages


def walk(client: Client, **query: str) -> list[str]:
    """Every page's ids by following "Show more", as fragments."""
    found: list[str] = []
    url = HOME
    while url:
        fragment = client.get(url, query, headers={"X-Fragment": "1"}).content.decode()
        found += shown(fragment)
        more = re.search(r'href="([^"]+)" data-more', fragment)
        url, query = more[1].replace("&amp;", "&") if more else "", {}
    return found


@pytest.mark.parametrize("days_apart", [0, 1])
def test_pages_have_no_gap_and_no_double(reader: Client, owner: User, days_apart: int) -> None:
    """Pitfall 26. Also when all were saved at the same moment."""
    assets = many(owner, 130, days_apart=days_apart)

    assert walk(reader) == ids(assets)


def test_a_page_that_is_added_to_while_somebody_reads_loses_nothing(reader: Client, owner: User) -> None:
    """Pitfall 26."""
    assets = many(owner, 70, days_apart=1)
    first = html(reader)
    made(owner, quantity=1)
    more = re.search(r'href="([^"]+)" data-more', first)
    assert more

    assert shown(first) + shown(html(reader, more[1].replace("&amp;", "&"))) == ids(assets)


def test_the_last_page_says_so(reader: Client, owner: User) -> None:
    many(owner, 3)

    assert "That is all of it." in html(reader)


def test_an_invented_cursor_is_404(reader: Client) -> None:
    assert reader.get(HOME, {"cursor": "nonsense"}).status_code == 404
    assert reader.get("/library/trash/", {"cursor": "nonsense"}).status_code == 404


def test_each_date_has_one_heading(reader: Client, owner: User) -> None:
    assets = many(owner, 3, days_apart=1)
    long_ago = datetime(2024, 11, 12, 9, tzinfo=UTC)
    Image.objects.filter(pk=assets[2].pk).update(saved_at=long_ago)
    made(owner, quantity=3)
    today = datetime.now(UTC).date()

    expected = [date_format(day, "j F Y") for day in (today, today - timedelta(days=1), long_ago)]
    assert headings(html(reader)) == expected


def test_a_page_of_60_costs_as_many_queries_as_one_of_6(
    reader: Client, owner: User, django_assert_num_queries: Any
) -> None:
    many(owner, 6)
    made(owner, job_type="video_fast")
    # session, user, revision, projects, assets, operations, saved searches, models
    queries = 8 + EMBEDDING_QUERIES
    with django_assert_num_queries(queries):
        assert len(shown(html(reader))) == 7
    many(owner, 60)
    with django_assert_num_queries(queries):
        assert len(shown(html(reader))) == 60


def test_pictures_are_lazy_and_keep_their_place(reader: Client, owner: User) -> None:
    """Pitfall 26."""
    made(owner, quantity=1)

    tile = html(reader)

    assert re.search(
        r'<img src="/media/image/[^"]+/thumbnail"[^>]*width="64" height="64" loading="lazy" decoding="async"',
        tile,
    )
    assert "--w:1.0000" in tile


# Filters


def test_kinds_can_be_told_apart(reader: Client, owner: User) -> None:
    images, [video] = made(owner, quantity=3), made(owner, job_type="video_fast")

    assert set(shown(html(reader, media="image"))) == set(ids(images))
    assert shown(html(reader, media="video")) == [str(video.pk)]
    assert len(shown(html(reader, media="nonsense"))) == 4


def test_a_project_shows_its_own(reader: Client, owner: User) -> None:
    project = create_project(owner_id=owner.pk, name="Northern light")
    [inside] = made(owner, quantity=1, project_id=project.pk)
    made(owner, quantity=1)

    assert shown(html(reader, project=str(project.pk))) == [str(inside.pk)]


def test_a_foreign_or_invented_project_is_not_in_force(reader: Client, owner: User) -> None:
    foreign = create_project(owner_id=factories.make_user().pk, name="Theirs")
    made(owner, quantity=1)

    for project in (str(foreign.pk), "nonsense"):
        content = html(reader, project=project)
        assert len(shown(content)) == 1
        assert " selected" not in content


def test_search_looks_into_prompts_whatever_the_case(reader: Client, owner: User) -> None:
    [found] = made(owner, "A Lighthouse at dusk", quantity=1)
    made(owner, "a fox", quantity=1)

    assert shown(html(reader, q="lighthouse")) == [str(found.pk)]
    assert shown(html(reader, q="  dusk ")) == [str(found.pk)]


@pytest.mark.parametrize("character", ["%", "_", "\\", "'"])
def test_search_takes_no_character_as_an_operator_of_the_database(
    reader: Client, owner: User, character: str
) -> None:
    [found] = made(owner, f"100{character} wool", quantity=1)
    made(owner, "100x wool", quantity=1)

    assert shown(html(reader, q=f"100{character}")) == [str(found.pk)]


def test_a_nul_in_the_search_is_harmless(reader: Client, owner: User) -> None:
    made(owner, quantity=1)

    assert len(shown(html(reader, q="light\0house"))) == 1


def test_filters_stay_on_the_next_page_and_in_the_socket(reader: Client, owner: User) -> None:
    many(owner, 61)
    made(owner, job_type="video_fast")

    content = html(reader, media="image", q="lighthouse")

    assert 'data-socket="/ws/library/?q=lighthouse&amp;media=image"' in content
    assert len(walk(reader, media="image", q="lighthouse")) == 61


def test_nothing_found_says_so_and_offers_everything(reader: Client, owner: User) -> None:
    made(owner, quantity=1)

    content = html(reader, q="<script>unicorn")

    assert "No prompt or title here fits “<bdi>&lt;script&gt;unicorn</bdi>”" in content
    assert "Show everything" in content


# One asset


def test_an_asset_has_a_page_of_its_own(reader: Client, owner: User) -> None:
    job = factories.make_job(owner, quantity=3, seed=0, prompt="a <b>fox</b>")
    asset = factories.complete(job)[0]

    content = html(reader, reverse("library:asset", args=["image", asset.pk]))

    assert "a &lt;b&gt;fox&lt;/b&gt;" in content
    assert "SDXL fast" in content
    assert f'href="/?from={job.pk}&amp;seed=0"' in content
    assert "1 of 3" in content
    assert f'formaction="/library/discard?asset={asset.pk}"' in content


def test_titles_and_initials_are_whole_characters(owner: User) -> None:
    scientist = "\U0001f469\u200d\U0001f52c"
    User.objects.filter(pk=owner.pk).update(username="रिया")
    [asset] = factories.complete(factories.make_job(owner, prompt=scientist * 300))
    client = Client()
    client.force_login(User.objects.get(pk=owner.pk))

    content = html(client, reverse("library:asset", args=["image", asset.pk]))

    assert f'<title dir="auto">{scientist * 59}… · OurVidz</title>' in content
    assert 'aria-hidden="true">रि</span>' in content
    for page in (html(client), html(client, "/")):
        assert [cut for cut in re.findall("(.)…", page) if cut in "\U0001f469\u200d"] == []


def test_a_video_plays_on_its_page(reader: Client, owner: User) -> None:
    [video] = made(owner, job_type="video_fast")

    content = html(reader, reverse("library:asset", args=["video", video.pk]))

    assert f'<video src="/media/video/{video.pk}/file"' in content
    assert "8 frames" in content


def test_the_viewer_gets_the_same_details_without_the_page(reader: Client, owner: User) -> None:
    [asset] = made(owner, quantity=1)
    url = reverse("library:asset", args=["image", asset.pk])

    details = reader.get(url, headers={"X-Fragment": "1"}).content.decode()

    assert details in html(reader, url)


def test_an_unfinished_asset_has_no_page(reader: Client, owner: User) -> None:
    waiting = factories.make_job(owner).slots[0]

    assert reader.get(reverse("library:asset", args=["image", waiting.pk])).status_code == 404


# The trash


def test_the_trash_shows_what_was_discarded_with_its_days_left(reader: Client, owner: User) -> None:
    """Pitfall 35."""
    first, second, _ = made(owner, quantity=3)
    acting.discard(owner_id=owner.pk, assets=[first.pk, second.pk])
    now = timezone.now()
    Image.objects.filter(pk=first.pk).update(
        trashed_at=now - timedelta(days=settings.TRASH_DAYS - 1, hours=2)
    )

    content = html(reader, "/library/trash/")

    assert shown(content) == [str(second.pk), str(first.pk)]
    assert f">{settings.TRASH_DAYS} days<" in content
    assert "last day" in content


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.06, "0:05"), (0.2, "0:01"), (59.6, "1:00"), (125, "2:05"), (None, "")]
)
def test_a_length_reads_as_a_clock(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text
