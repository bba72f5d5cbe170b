"""Pages write moments in UTC for everybody, and a script says them in the reader's zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client

from generation.models import Image, Job, PersonalToken
from tests.acting import issue_personal_token
from tests.factories import make_user
from tests.library.conftest import made

LATE = datetime(2024, 11, 12, 23, 30, tzinfo=UTC)  # the 13th in Auckland, and still the 12th in New York
FRESH = re.compile(r'(value="|key=)[0-9A-Za-z-]{32,64}')  # CSRF tokens, keys of submissions, a token's id
MOMENT = '<time datetime="2024-11-12T23:30:00+00:00">12 Nov 2024, 23:30 UTC</time>'
PAGES = {
    "/workspace/jobs/{job}/menu": MOMENT,
    "/library/": '<time datetime="2024-11-12">12 November 2024</time>',
    "/library/trash/": '<time datetime="2024-11-12">12 November 2024</time>',
    "/library/image/{}/": MOMENT,
    "/account/": '<time datetime="2024-11-12T23:30:00+00:00" data-date>12 Nov 2024</time>',
}


@pytest.fixture
def owner(db: None) -> User:
    """With a saved and a discarded image and a token, all of that evening."""
    owner = make_user()
    made(owner, quantity=3)
    issue_personal_token(owner_id=owner.pk, name="script")
    image = Image.objects.filter(owner=owner)[0]
    Image.objects.filter(owner=owner).update(saved_at=LATE, completed_at=LATE)
    Image.objects.filter(owner=owner).exclude(pk=image.pk).update(trashed_at=LATE)
    Job.objects.update(created_at=LATE)
    PersonalToken.objects.update(created_at=LATE)
    return owner


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_the_same_in_every_zone(owner: User, settings: LazySettings, path: str) -> None:
    client = Client()
    client.force_login(owner)
    image = Image.objects.get(owner=owner, trashed_at=None)
    address = path.format(image.pk, job=image.job_id)
    answers = set()
    for zone in ("UTC", "Pacific/Auckland", "America/New_York"):
        settings.TIME_ZONE = zone
        answers.add(FRESH.sub("", client.get(address).content.decode()))
    assert len(answers) == 1
    assert PAGES[path] in answers.pop()


@pytest.mark.parametrize(
    ("cookie", "day", "heading"),
    [
        ("Pacific/Auckland", "2024-11-13", "13 November 2024"),
        ("America/New_York", "2024-11-12", "12 November 2024"),
        ("UTC", "2024-11-12", "12 November 2024"),
        ("Asia/Calcutta", "2024-11-13", "13 November 2024"),  # as Chromium calls it
    ],
)
@pytest.mark.parametrize("path", ["/library/", "/library/trash/"])
def test_a_day_of_the_library_is_one_of_the_readers(
    owner: User, path: str, cookie: str, day: str, heading: str
) -> None:
    """A browser in Tokyo saw yesterday."""
    client = Client()
    client.force_login(owner)
    client.cookies["timezone"] = cookie
    assert f'<time datetime="{day}">{heading}</time>' in client.get(path).content.decode()


@pytest.mark.parametrize(
    "cookie", ["", "Mars/Olympus", "../../../etc/passwd", "America", "/etc/localtime", "a\0b"]
)
def test_a_zone_that_nobody_knows_is_utc(owner: User, cookie: str) -> None:
    client = Client()
    client.force_login(owner)
    client.cookies["timezone"] = cookie
    assert PAGES["/library/"] in client.get("/library/").content.decode()


def test_a_tile_is_the_same_in_every_zone(owner: User) -> None:
    """Sockets share its HTML, whoever reads it."""
    client = Client()
    client.force_login(owner)
    tiles = set()
    for zone in ("UTC", "Pacific/Auckland", "America/New_York"):
        client.cookies["timezone"] = zone
        html = client.get("/library/").content.decode()
        tiles.add(html[html.index("<li ") : html.index("</li>")])
    assert len(tiles) == 1
