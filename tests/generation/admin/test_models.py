"""What operators see and say of models."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from generation.models import Model, Worker
from tests.advertised import FILM, OFFER, advertise, body
from tests.factories import make_user, make_worker, png

LIST = reverse("admin:generation_model_changelist")
INLINES = {f"offers-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL")}


@pytest.fixture
def staff_user(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff_user", password="a good long password"))
    return client


@pytest.fixture
def model(db: None) -> Model:
    return advertise(make_worker("m1"), body())


def save(staff_user: Client, model: Model, **fields: Any) -> str:
    """Save the form of the model; the page that comes then."""
    url = reverse("admin:generation_model_change", args=[model.pk])
    response = staff_user.post(url, {"title": "", **INLINES, **fields}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_an_operator_names_a_model_and_says_who_may_use_it(staff_user: Client, model: Model) -> None:
    artists = Group.objects.create(name="artists")
    save(staff_user, model, title="Our film", is_hidden="on", groups=[artists.pk])
    model.refresh_from_db()
    assert (model.title, model.is_hidden, list(model.groups.all())) == ("Our film", True, [artists])
    assert (model.name, model.advertised_title) == (FILM, "Film XL")
    assert "Our film" in staff_user.get(LIST).content.decode()


def test_one_model_is_the_default_of_a_job_type(staff_user: Client, model: Model) -> None:
    other = advertise(make_worker("m2"), body("sharp"))
    save(staff_user, model, default_for=["sdxl_image_fast"])
    assert f"The model {FILM} is no longer used for sdxl_image_fast" in save(
        staff_user, other, default_for=["sdxl_image_fast"]
    )
    assert list(Model.objects.order_by("name").values_list("default_for", flat=True)) == [
        [],
        ["sdxl_image_fast"],
    ]
    assert "It does not make WAN video fast." in save(staff_user, other, default_for=["video_fast"])


def test_a_picture_is_decoded_made_small_and_shown_to_those_who_may_use_it(
    staff_user: Client, model: Model
) -> None:
    user, address = Client(), f"/api/v1/models/{FILM}/picture"
    user.force_login(make_user("ada"))
    assert user.get(address).status_code == 404
    sent = png(1200, 800) + b"<script>alert(1)</script>"
    save(staff_user, model, new_picture=SimpleUploadedFile("x.html", sent, "text/html"))

    answer = user.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/webp")
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.content[8:12] == b"WEBP"
    assert b"script" not in answer.content
    assert user.get("/api/v1/models").json()["models"][0]["picture"] == address
    assert Client().get(address).status_code == 401
    Model.objects.update(is_hidden=True)
    assert user.get(address).status_code == 404
    assert (
        "data:image/webp;base64,"
        in staff_user.get(reverse("admin:generation_model_change", args=[model.pk])).content.decode()
    )

    save(staff_user, model, without_picture="on")
    model.refresh_from_db()
    assert (bytes(model.picture), model.picture_version) == (b"", "")


def test_what_is_no_picture_changes_nothing(staff_user: Client, model: Model) -> None:
    save(staff_user, model, new_picture=SimpleUploadedFile("x.png", png(), "image/png"))
    before = Model.objects.get().picture_version
    told = save(
        staff_user, model, title="New", new_picture=SimpleUploadedFile("x.png", b"no picture", "image/png")
    )
    assert "errorlist" in told
    assert Model.objects.get().picture_version == before
    assert Model.objects.get().title == ""


@pytest.mark.parametrize("digest", ["", "a" * 64])
def test_other_offers_under_one_name_are_warned_of(staff_user: Client, db: None, digest: str) -> None:
    """A job that was checked against the one may be refused by the other."""
    first, second = make_worker("m1"), make_worker("m2")
    advertise(first, body(digest=digest))
    advertise(second, body(digest=digest, title="Film", job_types=["sdxl_image_high"]))
    assert "does not offer the same" not in staff_user.get(LIST).content.decode()
    fewer = {name: each for name, each in OFFER.items() if name != "loras"}
    advertise(second, body(digest=digest, offer=fewer))
    assert f"The model {FILM} does not offer the same on m1, m2." in staff_user.get(LIST).content.decode()
    Worker.objects.filter(name="m2").update(enabled=False)
    assert "does not offer the same" not in staff_user.get(LIST).content.decode()


def test_other_digests_under_one_name_are_warned_of(staff_user: Client, model: Model) -> None:
    second = make_worker("m2")
    advertise(second, body())
    assert "is not the same on" not in staff_user.get(LIST).content.decode()
    advertise(second, body(digest="b" * 64))
    told = staff_user.get(LIST).content.decode()
    assert f"The model {FILM} is not the same on m1, m2." in told
    assert "m1: aaaaaaaaaaaa<br>m2: bbbbbbbbbbbb" in told
    Worker.objects.filter(pk=second.pk).update(enabled=False)
    assert "is not the same on" not in staff_user.get(LIST).content.decode()


def test_a_model_can_be_deleted_once_no_worker_has_it(staff_user: Client, model: Model) -> None:
    url = reverse("admin:generation_model_delete", args=[model.pk])
    assert staff_user.post(url, {"post": "yes"}).status_code == 403
    advertise(Worker.objects.get(), body("other"))
    assert "no worker has it any more" in staff_user.get(LIST).content.decode()
    staff_user.post(url, {"post": "yes"})
    assert not Model.objects.filter(name=FILM).exists()


def test_the_list_costs_the_same_for_many(staff_user: Client, model: Model) -> None:
    counts = []
    for number in range(2):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert "online" in staff_user.get(LIST).content.decode()
        counts.append(len(asked))
        advertise(make_worker(), *[body(f"m{number}-{each}") for each in range(6)])
    assert counts[0] == counts[1]


def test_a_deleted_model_comes_again_with_a_worker_that_was_disabled(
    staff_user: Client, model: Model
) -> None:
    """It is offered for deletion, as the worker may be gone; the worker's list has not changed meanwhile."""
    worker = Worker.objects.get()
    Worker.objects.update(enabled=False)
    staff_user.post(reverse("admin:generation_model_delete", args=[model.pk]), {"post": "yes"})
    assert not Model.objects.exists()
    Worker.objects.update(enabled=True)
    worker.refresh_from_db()
    assert advertise(worker, body()).name == FILM


def test_what_a_worker_says_while_an_operator_saves_stays(staff_user: Client, model: Model) -> None:
    """Its list comes once; `save_model` is where the form's record has been read already."""
    worker = Worker.objects.get()
    read, read_worker = Model.objects.get(), Worker.objects.get()
    advertise(worker, body(title="Film XXL", digest="c" * 64), body("sharp"))
    request = RequestFactory().post("/")
    read.title, read_worker.draining = "Ours", True
    site.get_model_admin(Model).save_model(request, read, None, True)
    site.get_model_admin(Worker).save_model(request, read_worker, None, True)
    model.refresh_from_db()
    worker.refresh_from_db()
    assert (model.title, model.advertised_title, model.digest) == ("Ours", "Film XXL", "c" * 64)
    assert (worker.draining, sorted(worker.advertised)) == (True, [FILM, "sharp"])


@pytest.mark.parametrize("all_at_once", [True, False])
def test_a_model_of_a_deleted_group_is_not_for_everybody(
    staff_user: Client, model: Model, all_at_once: bool
) -> None:
    groups = [Group.objects.create(name=name) for name in ("artists", "editors")]
    free = advertise(make_worker("m2"), body("free"))
    model.groups.set(groups)
    if all_at_once:
        chosen = {
            "action": "delete_selected",
            "_selected_action": [each.pk for each in groups],
            "post": "yes",
        }
        staff_user.post(reverse("admin:auth_group_changelist"), chosen)
    else:
        staff_user.post(reverse("admin:auth_group_delete", args=[groups[0].pk]), {"post": "yes"})
        assert not Model.objects.get(name=FILM).is_hidden, "another group is left"
        staff_user.post(reverse("admin:auth_group_delete", args=[groups[1].pk]), {"post": "yes"})
    assert not Group.objects.exists()
    assert list(Model.objects.usable_by(make_user("ada").pk)) == [free]
    assert Model.objects.get(name=FILM).is_hidden
