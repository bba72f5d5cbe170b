"""Everything that the form offers, made by the bundled worker, kept in the Library."""

from __future__ import annotations

import io
import re

import av
from PIL import Image as Picture

from generation.catalog.job_types import JOB_TYPES
from tests.functional import ledger
from tests.functional.callers import Person
from tests.functional.installation import Installation
from tests.functional.programs import eventually

MADE = [
    (f"{name} {quantity}", job_type, quantity)
    for name, job_type in JOB_TYPES.items()
    for quantity in (job_type.quantities if name == "sdxl_image_fast" else job_type.quantities[:1])
]


def test_all_ten_go_from_the_form_to_the_library(live: Installation) -> None:
    """With SDXL as 1, 3 and 6."""
    person = live.person()
    for prompt, job_type, quantity in MADE:
        person.compose(
            prompt,
            media=job_type.media,
            quality=job_type.quality,
            quantity=str(quantity),
            engine=job_type.engine if job_type.media == "image" else "",
            **({"enhance": "on"} if job_type.enhanced else {}),
        )
    for _ in range(2):
        live.worker()
    jobs = {job.prompt: job for job in person.user.jobs.all()}
    assert [(name, jobs[name].type, jobs[name].quantity) for name, *_ in MADE] == MADE
    for prompt, _, quantity in MADE:
        job_id = str(jobs[prompt].pk)
        eventually(lambda job_id=job_id: ledger.job(job_id).finished_at, prompt, seconds=300)  # type: ignore[misc] # a default
        ledger.assert_whole(job_id, quantity)

    library = person.page("/library/")
    for prompt, job_type, _ in MADE:
        job = ledger.job(str(jobs[prompt].pk))
        assert bool(job.enhanced_prompt) == job_type.enhanced
        for asset in job.slots:
            assert f'id="tile-{job_type.media}-{asset.pk}"' in library
            check_file(person, library, job_type.media, str(asset.pk), (job.width, job.height))
    assert library.count("data-tile ") == sum(quantity for *_, quantity in MADE)


def check_file(person: Person, library: str, media: str, asset_id: str, size: tuple[int, int]) -> None:
    """What the tile's download brings is what was asked for."""
    link = re.search(rf'href="(/media/{media}/{asset_id}/file\?download=1)" download="([^"]+)"', library)
    assert link, f"no download of {asset_id}"
    answer = person.http.get(link.group(1))
    assert link.group(2) in answer.headers["Content-Disposition"]
    if media == "image":
        assert answer.headers["Content-Type"] == "image/png"
        with Picture.open(io.BytesIO(answer.content)) as picture:
            assert (picture.format, picture.size) == ("PNG", size)
        return
    assert answer.headers["Content-Type"] == "video/mp4"
    with av.open(io.BytesIO(answer.content), "r") as film:
        stream = film.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height) == size
        assert stream.average_rate == 16
        assert len(list(film.decode(stream))) == 81
