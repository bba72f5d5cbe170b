"""Never two readers of one file that see different pictures: page, thumbnail and worker see one."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse
from PIL import Image as Picture
from PIL import ImageCms, ImageDraw

from generation.assets.canonical_references import UnusableReference
from generation.assets.references import leased_reference
from generation.catalog.submission import ReferenceInput
from generation.jobs.lease import lease
from generation.models import Reference, Worker
from ourvidz_worker.engines.references import decode_image
from tests.factories import complete, make_job, make_reference, png
from tests.generation.image_kinds import (
    HEIGHT,
    KINDS,
    TOLERANCE,
    WIDTH,
    difference,
    half_clear,
    scene,
    swapped_profile,
)
from tests.generation.pictures import encoded


def given_to_worker(reference: Reference, worker: Worker) -> bytes:
    """The bytes that the worker reads with a lease on a job that uses it."""
    job = make_job(reference.owner, references=[ReferenceInput(type="style", reference=reference.pk)])
    held = lease(worker=worker, engines=["sdxl"], pools=[job.pool])
    used = leased_reference(worker=worker, job_id=held.pk, type_="style")
    with used.file.open() as file:
        return bytes(file.read())


def served(client: Client, name: str, reference: Reference) -> bytes:
    """The bytes that the owner's page is given."""
    client.force_login(reference.owner)
    response: Any = client.get(reverse(f"media:{name}", args=[reference.pk]))
    return b"".join(response)


@pytest.mark.parametrize("name", KINDS)
def test_page_thumbnail_and_worker_see_the_same_picture(
    owner: User, worker: Worker, client: Client, name: str
) -> None:
    """Pitfall 42"""
    kind = KINDS[name]
    kept = make_reference(owner, kind.made())
    for_worker = given_to_worker(kept, worker)
    on_page = served(client, "reference-file", kept)
    assert for_worker == on_page
    seen = decode_image(for_worker)  # as a released worker reads it
    small = Picture.open(io.BytesIO(served(client, "reference-thumbnail", kept)))
    assert (kept.width, kept.height) == seen.size == small.size == kind.expected().size
    assert difference(seen, kind.expected()) < TOLERANCE
    assert difference(small, kind.expected()) < TOLERANCE
    with Picture.open(io.BytesIO(on_page)) as picture:
        assert picture.mode == "RGB"


def test_a_colour_profile_is_applied_and_gone(owner: User) -> None:
    """Pitfall 42: a photo in Display P3 looked pale to some readers; the profile here swaps red and blue."""
    sent = encoded(scene(), "PNG", icc_profile=swapped_profile())
    kept = make_reference(owner, sent)
    with kept.file.open() as file, Picture.open(file) as picture:
        expected = ImageCms.profileToProfile(
            scene(), ImageCms.ImageCmsProfile(io.BytesIO(swapped_profile())), ImageCms.createProfile("sRGB")
        )
        assert "icc_profile" not in picture.info
        assert difference(picture, scene()) > TOLERANCE
        assert difference(picture, expected) < 1


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 200])
def test_a_broken_profile_does_no_harm(owner: User, profile: bytes) -> None:
    kept = make_reference(owner, encoded(scene(), "PNG", icc_profile=profile))
    with kept.file.open() as file, Picture.open(file) as picture:
        assert difference(picture, scene()) == 0


SECRET = b"48.858370 2.294481"


def photo(kind: str) -> bytes:
    """With where it was taken in EXIF, in XMP and in a comment."""
    exif = Picture.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[29] = SECRET.decode()
    more: dict[str, object] = {"exif": exif}
    if kind != "PNG":
        more["xmp"] = b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    if kind == "JPEG":
        more["comment"] = SECRET
    return encoded(scene(), kind, **more)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_where_a_photo_was_taken_stays_with_its_owner(owner: User, worker: Worker, kind: str) -> None:
    content = photo(kind)
    assert SECRET in content
    assert SECRET not in given_to_worker(make_reference(owner, content), worker)


@pytest.mark.parametrize("content", [photo("JPEG"), encoded(half_clear("RGBA"), "PNG")])
def test_what_an_older_version_kept_is_made_canonical_once(
    owner: User, worker: Worker, content: bytes, django_capture_on_commit_callbacks: Any
) -> None:
    """It kept the bytes as they came."""
    old = make_reference(owner, content)
    old.file.save("references-1/old.jpg", ContentFile(content), save=False)
    Reference.objects.filter(pk=old.pk).update(
        file=old.file.name, canonical_sha256="", byte_size=len(content)
    )
    before = Reference.objects.get(pk=old.pk)
    with django_capture_on_commit_callbacks(execute=True):
        first = given_to_worker(before, worker)
    now = Reference.objects.get(pk=old.pk)
    assert SECRET not in first
    assert decode_image(first).size == (now.width, now.height)
    assert now.canonical_sha256
    assert now.sha256 == before.sha256, "the same upload is still found"
    assert make_reference(owner, content).pk == old.pk
    assert not before.file.storage.exists(before.file.name)
    assert given_to_worker(now, worker) == first


def test_an_image_of_the_owners_is_given_without_what_its_maker_wrote_into_it(
    owner: User, worker: Worker
) -> None:
    [image] = complete(make_job(owner), worker)
    job = make_job(owner, references=[ReferenceInput(type="style", image=image.pk)])
    held = lease(worker=worker, engines=["sdxl"], pools=[job.pool])
    used = leased_reference(worker=worker, job_id=held.pk, type_="style")
    assert used.canonical_sha256
    assert used.sha256 == image.sha256


def test_what_cannot_be_decoded_any_more_is_refused_to_the_worker_in_words(
    owner: User, worker: Worker
) -> None:
    """pitfall 19: never another picture, never none."""
    old = make_reference(owner, png())
    old.file.save("references-1/old.png", ContentFile(png()[:-20]), save=False)
    Reference.objects.filter(pk=old.pk).update(file=old.file.name, canonical_sha256="")
    with pytest.raises(UnusableReference, match="cut off at byte"):
        given_to_worker(Reference.objects.get(pk=old.pk), worker)


def test_a_png_too_large_for_workers_becomes_a_jpeg(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.assets.canonical_references.MAX_CANONICAL_BYTES", 40_000)
    noise = Picture.effect_noise((4 * WIDTH, HEIGHT), 60).convert("RGB")
    ImageDraw.Draw(noise).rectangle((0, 0, 20, 20), fill="red")
    kept = make_reference(owner, encoded(noise, "PNG"))
    assert kept.content_type == "image/jpeg"
    assert kept.byte_size <= 40_000
