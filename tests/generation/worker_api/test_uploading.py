from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.exceptions import RequestDataTooBig
from django.test import RequestFactory
from PIL import Image as Picture

from generation.http.bodies import capped_body
from generation.models import Image, Upload
from tests.factories import fresh, make_job, mp4, png
from tests.generation.worker_api.conftest import Machine


def files_in(settings: LazySettings) -> list[Path]:
    root = Path(settings.MEDIA_ROOT)
    return [path for path in root.rglob("*") if path.is_file()]


def huge_png(edge: int = 50_000) -> bytes:
    """A small file whose header speaks of edge × edge pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def gif() -> bytes:
    out = io.BytesIO()
    Picture.new("P", (8, 8)).save(out, "GIF")
    return out.getvalue()


@pytest.fixture
def lease(machine: Machine, owner: User) -> dict[str, Any]:
    make_job(owner, quantity=3)
    leased: dict[str, Any] = machine.lease().json()
    return leased


def test_an_upload_is_measured_and_named_by_the_server(machine: Machine, lease: dict[str, Any]) -> None:
    """pitfall 20: no path comes from the worker."""
    content = png(64, 48)

    answer = machine.upload(lease, 1, content)

    assert answer.status_code == 200
    stored = Upload.objects.get()
    assert answer.json() == {
        "upload_id": str(stored.pk),
        "sha256": hashlib.sha256(content).hexdigest(),
        "byte_size": len(content),
        "valid": True,
        "error": None,
        "content_type": "image/png",
        "width": 64,
        "height": 48,
        "duration": None,
    }
    with stored.file.open() as kept:
        assert kept.read() == content


def test_the_same_bytes_again_are_the_same_upload(
    machine: Machine, lease: dict[str, Any], settings: LazySettings
) -> None:
    """pitfall 14, pitfall 15"""
    first = machine.upload(lease, 0, png()).json()
    files = files_in(settings)

    assert machine.upload(lease, 0, png()).json() == first
    assert files_in(settings) == files
    assert Upload.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "content_type", "code"),
    [
        (png()[:-20], "image/png", "broken_media"),
        (png()[: len(png()) // 2], "image/png", "broken_media"),
        (mp4(), "image/png", "wrong_format"),
        (huge_png(), "image/png", "too_large"),
        (gif(), "image/png", "wrong_format"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            "image/png",
            "wrong_format",
        ),
        (b"", "image/png", "wrong_format"),
    ],
    ids=["a little cut", "cut in half", "MP4 renamed PNG", "50,000 x 50,000", "GIF", "SVG", "empty"],
)
def test_broken_media_is_refused_and_not_kept(
    machine: Machine,
    lease: dict[str, Any],
    settings: LazySettings,
    content: bytes,
    content_type: str,
    code: str,
) -> None:
    """pitfall 21: what a file is comes from its bytes."""
    answer = machine.upload(lease, 0, content, content_type).json()

    assert (answer["valid"], answer["error"]["code"]) == (False, code)
    assert files_in(settings) == []

    report = {"image_index": 0, "status": "completed", "upload_id": answer["upload_id"]}
    receipt = machine.report(lease, report, status="processing").json()
    assert [(r["image_index"], r["code"]) for r in receipt["rejected"]] == [(0, code)]
    assert not Image.objects.exclude(status="queued").exists()


@pytest.mark.parametrize(
    "content", [png(), mp4()[:-200], mp4()[:200]], ids=["PNG renamed MP4", "cut", "header only"]
)
def test_a_broken_video_is_refused(
    machine: Machine, owner: User, settings: LazySettings, content: bytes
) -> None:
    job = make_job(owner, "video_fast")
    leased = machine.lease().json()

    answer = machine.upload(leased, 0, content, "video/mp4").json()

    assert answer["valid"] is False
    assert files_in(settings) == []
    assert fresh(job).slots[0].status == "queued"


def test_a_slot_that_is_not_there_is_not_found(machine: Machine, lease: dict[str, Any]) -> None:
    response = machine.upload(lease, 3, png())

    assert (response.status_code, response.json()["code"]) == (404, "unknown_slot")
    assert not Upload.objects.exists()


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/octet-stream", ""])
def test_another_content_type_is_refused_before_reading(
    machine: Machine, lease: dict[str, Any], content_type: str
) -> None:
    assert machine.upload(lease, 0, png(), content_type).status_code == 415
    assert not Upload.objects.exists()


@pytest.mark.parametrize("token", ["", "x", "0" * 31])
def test_a_malformed_lease_token_is_named(machine: Machine, lease: dict[str, Any], token: str) -> None:
    response = machine.upload(lease, 0, png(), HTTP_X_LEASE_TOKEN=token)

    assert (response.status_code, list(response.json()["errors"])) == (422, ["X-Lease-Token"])
    assert not Upload.objects.exists()


def test_a_body_over_the_limit_is_refused(
    machine: Machine, lease: dict[str, Any], settings: LazySettings
) -> None:
    settings.MAX_UPLOAD_BYTES = 1000

    response = machine.upload(lease, 0, png(400, 400) + b"\0" * 1000)

    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert not Upload.objects.exists()
    assert files_in(settings) == []


@pytest.mark.parametrize("claimed", ["", "10", "-5", "x"])
def test_a_body_that_hides_its_length_is_still_capped(claimed: str) -> None:
    request = RequestFactory().put("/", b"x" * 2000, content_type="image/png")
    request.META["CONTENT_LENGTH"] = claimed

    with pytest.raises(RequestDataTooBig), capped_body(request, limit=1000):
        pass


def test_an_exact_fit_is_taken(machine: Machine, lease: dict[str, Any], settings: LazySettings) -> None:
    settings.MAX_UPLOAD_BYTES = len(png())

    assert machine.upload(lease, 0, png()).status_code == 200


def test_a_full_disk_asks_the_worker_to_come_back(
    machine: Machine, lease: dict[str, Any], settings: LazySettings
) -> None:
    """pitfall 10: nothing half-stored, and nothing lost: the worker sends the same again."""
    kept = settings.STORAGES
    settings.STORAGES = kept | {"default": {"BACKEND": "tests.generation.storages.FullDisk"}}

    refused = machine.upload(lease, 0, png())

    assert (refused.status_code, refused.json()["code"]) == (503, "disk_full")
    assert refused.headers["Retry-After"] == "10"
    assert files_in(settings) == []
    settings.STORAGES = kept
    assert machine.upload(lease, 0, png()).json()["valid"]


def test_a_lease_cannot_fill_the_disk_with_one_slot(machine: Machine, lease: dict[str, Any]) -> None:
    for shade in range(8):
        assert machine.upload(lease, 0, png(8, 8, shade)).status_code == 200

    refused = machine.upload(lease, 0, png(8, 8, 9))

    assert (refused.status_code, refused.json()["code"]) == (422, "too_many_uploads")
    assert machine.upload(lease, 0, png(8, 8, 0)).status_code == 200
    assert machine.upload(lease, 1, png(8, 8, 9)).status_code == 200
    assert Upload.objects.filter(slot=0).count() == 8
