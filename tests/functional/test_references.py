"""Reference images, from the upload to the bundled worker and back."""

from __future__ import annotations

import io
import uuid
from typing import Any

import httpx
from PIL import Image as Picture

from generation.models import JobReference
from tests.functional import ledger
from tests.functional.callers import Person
from tests.functional.installation import Installation
from tests.functional.programs import eventually


def photo(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Picture.new("RGB", (640, 480), colour).save(out, "JPEG")
    return out.getvalue()


def uploaded(person: Person, content: bytes) -> str:
    """The id of a picture sent as the composer sends it."""
    answer = put(person, content)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def put(person: Person, content: bytes) -> httpx.Response:
    person.page("/")  # for the CSRF cookie
    headers = {"Content-Type": "image/jpeg", "X-CSRFToken": person.http.cookies["csrftoken"]}
    return person.http.put("/api/v1/references", content=content, headers=headers)


def ended(job_id: str) -> Any:
    eventually(lambda: ledger.job(job_id).finished_at, job_id, seconds=300)
    return ledger.job(job_id)


def test_a_job_uses_its_references_or_waits(live: Installation) -> None:
    """Pitfalls 19 and 31: only a worker that can use them gets it, and what comes back depends on them."""
    person, plain = live.person(), live.machine()
    red, blue = (uploaded(person, photo(colour)) for colour in ((200, 30, 30), (20, 40, 200)))
    asked: dict[str, Any] = {"seed": 7, "prompt": "a harbour"}
    by_red, by_blue = (
        person.submit(references=[{"type": "style", "strength": 1, "reference": picture}], **asked)
        for picture in (red, blue)
    )
    film = person.submit("video_fast", references=[{"type": "start_frame", "reference": red}], **asked)
    assert plain.ask_for_work() is None
    waiting = person.http.get(f"/api/v1/jobs/{by_red}").json()
    assert waiting["place"]["served"] is False
    assert "no running worker can use its style reference" in person.page("/")

    live.worker()
    [first], [second], [clip] = (ended(job_id).slots for job_id in (by_red, by_blue, film))
    assert [asset.status for asset in (first, second, clip)] == ["completed"] * 3
    assert first.sha256 != second.sha256, "another reference image, another result"
    details = person.page(f"/library/image/{first.pk}/")
    assert f"/media/reference/{red}/thumbnail" in details
    kept = person.http.get(f"/media/reference/{red}/file").content
    with Picture.open(io.BytesIO(kept)) as picture:
        pixel: Any = picture.getpixel((5, 5))
        assert picture.size == (640, 480)
        assert max(abs(one - other) for one, other in zip(pixel, (200, 30, 30), strict=True)) < 6
    assert live.person().http.get(f"/media/reference/{red}/file").status_code == 404


def test_a_result_is_gone_by_in_its_turn(live: Installation) -> None:
    """An image of the Library is copied: purging it takes nothing from the job."""
    person, machine = live.person(), live.machine()
    person.submit()
    first = machine.finish()["slots"][0]["asset_id"]
    job_id = person.submit("video_fast", references=[{"type": "start_frame", "image": first}])
    job = machine.ask_for_work(pools=["video_fast+start_frame"])
    assert job is not None
    assert job["job_id"] == job_id
    [used] = job["references"]
    assert (used["type"], used["strength"]) == ("start_frame", 1.0)
    file = person.http.get(f"/api/v1/images/{first}/file").content
    given = machine.http.get(used["url"]).content
    with Picture.open(io.BytesIO(file)) as image, Picture.open(io.BytesIO(given)) as picture:
        assert picture.tobytes() == image.convert("RGB").tobytes()
    machine.deliver(job, 0, status="completed")
    assert machine.http.get(used["url"]).status_code == 404, "the lease is over"
    assert JobReference.objects.get(job=uuid.UUID(job_id)).reference.byte_size == len(given)


def test_what_is_no_picture_is_refused_by_the_real_server(live: Installation) -> None:
    person = live.person()
    refused = put(person, b"<svg onload=alert(1)>")
    assert (refused.status_code, refused.json()["code"]) == (422, "unusable_picture")
    assert put(person, b"x" * (21 * 2**20)).status_code == 413
    anonymous = httpx.put(f"{live.address}/api/v1/references", content=photo((1, 2, 3)), trust_env=False)
    assert anonymous.status_code == 401
