"""Discarding and restoring from the Library, as plain forms and from the page's script."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.models import Image
from tests.library.conftest import made, shown

DISCARD, RESTORE = "/library/discard", "/library/restore"
JSON = {"Accept": "application/json"}


def in_library(client: Client) -> set[str]:
    return set(shown(client.get("/library/").content.decode()))


def in_trash(client: Client) -> set[str]:
    return set(shown(client.get("/library/trash/").content.decode()))


@pytest.mark.parametrize(
    "names", [("asset", "asset"), ("image", "video")], ids=["now", "of earlier releases"]
)
def test_a_selection_moves_to_the_trash_and_back(reader: Client, owner: User, names: tuple[str, str]) -> None:
    """Pitfall 27."""
    of_image, of_video = names

    def fields(images: list[str]) -> dict[str, list[str]]:
        given: dict[str, list[str]] = {of_image: [], of_video: []}
        for name, ids in ((of_image, images), (of_video, [video])):
            given[name] = [*given[name], *ids]
        return given

    one, two, three = (str(asset.pk) for asset in made(owner, quantity=3))
    [video] = (str(asset.pk) for asset in made(owner, job_type="video_fast"))

    reader.post(DISCARD, fields([one, two]))
    assert (in_library(reader), in_trash(reader)) == ({three}, {one, two, video})

    reader.post(RESTORE, fields([one]))
    assert (in_library(reader), in_trash(reader)) == ({one, three, video}, {two})


def test_a_plain_form_comes_back_to_where_it_was_with_an_undo(reader: Client, owner: User) -> None:
    [asset] = made(owner, quantity=1)

    response = reader.post(
        f"{DISCARD}?image={asset.pk}", headers={"Referer": "http://testserver/library/?q=light"}, follow=True
    )

    assert response.redirect_chain == [("http://testserver/library/?q=light", 302)]
    content = response.content.decode()
    assert "Moved to the trash." in content
    assert f'formaction="{RESTORE}?asset={asset.pk}"' in content

    reader.post(f"{RESTORE}?image={asset.pk}")
    assert in_library(reader) == {str(asset.pk)}


def test_a_redirect_never_leaves_the_site(reader: Client, owner: User) -> None:
    response = reader.post(DISCARD, headers={"Referer": "https://evil.example/"})

    assert response["Location"] == "/library/"


def test_the_script_gets_a_message_and_an_undo_that_takes_it_back(reader: Client, owner: User) -> None:
    pictures = made(owner, quantity=3)
    selected = {"image": [str(asset.pk) for asset in pictures]}

    answer = reader.post(DISCARD, selected, headers=JSON).json()

    assert answer["ok"] is True
    assert answer["message"] == "Moved 3 to the trash."
    undone = reader.post(answer["undo"]["url"], answer["undo"]["fields"], headers=JSON).json()
    assert undone["message"] == "Restored 3."
    assert len(in_library(reader)) == 3


def test_discarding_again_changes_nothing(reader: Client, owner: User) -> None:
    [asset] = made(owner, quantity=1)
    reader.post(f"{DISCARD}?image={asset.pk}")
    before = Image.objects.get(pk=asset.pk)

    answer = reader.post(f"{DISCARD}?image={asset.pk}", headers=JSON).json()

    assert answer == {"ok": True, "message": "Nothing was moved."}
    assert Image.objects.get(pk=asset.pk).trashed_at == before.trashed_at


def test_a_foreign_id_does_nothing(reader: Client, stranger: Client, owner: User) -> None:
    [asset] = made(owner, quantity=1)

    answer = stranger.post(DISCARD, {"image": str(asset.pk)}, headers=JSON).json()

    assert "undo" not in answer
    assert in_library(reader) == {str(asset.pk)}


@pytest.mark.parametrize(
    "given", [{}, {"image": "nonsense"}, {"image": "00000000-0000-0000-0000-000000000000"}]
)
def test_nonsense_does_nothing(reader: Client, given: dict[str, Any]) -> None:
    assert reader.post(DISCARD, given, headers=JSON).json()["message"] == "Nothing was moved."


def test_more_than_one_call_takes_is_refused_in_words(reader: Client, owner: User) -> None:
    from uuid import uuid4

    answer = reader.post(DISCARD, {"image": [str(uuid4()) for _ in range(501)]}, headers=JSON)

    assert answer.status_code == 422
    assert "500" in answer.json()["message"]


@pytest.mark.parametrize("url", [DISCARD, RESTORE])
def test_moving_needs_a_post_and_somebody_signed_in(reader: Client, client: Client, url: str) -> None:
    assert reader.get(url).status_code == 405
    assert client.post(url)["Location"].startswith("/sign-in/")


def test_moving_needs_the_csrf_token(owner: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)

    assert browser.post(DISCARD).status_code == 403
