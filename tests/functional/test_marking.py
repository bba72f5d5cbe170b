"""Signed results of a real server with a certificate: what it is killed around is whole, and once."""

from __future__ import annotations

import io
import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import c2pa
import httpx
import pytest
from pytest_django import DjangoDbBlocker

from generation.models import Asset, Upload
from ourvidz_worker.engines.png import png
from tests.certificates import Chain, made_chain
from tests.functional import ledger
from tests.functional.callers import Machine
from tests.functional.conftest import QUICK
from tests.functional.installation import Installation, installed
from tests.functional.test_server_that_dies import Delivery
from tests.worker.test_xmp import PIXELS

pytestmark = pytest.mark.any_database

ROUNDS = 4


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return made_chain(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def signing(tmp_path: Path, chain: Chain, django_db_blocker: DjangoDbBlocker) -> Iterator[Installation]:
    settings = {"SIGNING_CERTIFICATE": str(chain.certificate), "SIGNING_KEY": str(chain.key)}
    with (
        installed(tmp_path / "data", **QUICK | {"LEASE_SECONDS": "60"}, **settings) as fresh,
        django_db_blocker.unblock(),
        fresh.database(),
    ):
        yield fresh
        fresh.tidy()


def manifest(content: bytes, content_type: str, chain: Chain) -> dict[str, Any]:
    """Of a file that C2PA's reader trusts."""
    context = c2pa.Context.from_dict(
        {"verify": {"remote_manifest_fetch": False}, "trust": {"trust_anchors": chain.authority}}
    )
    reader = c2pa.Reader(content_type, io.BytesIO(content), context=context)
    assert reader.get_validation_state() == "Trusted"
    said = json.loads(reader.json())
    found: dict[str, Any] = said["manifests"][said["active_manifest"]]
    return found


def stored(live: Installation, asset: Asset) -> bytes:
    return (live.data / "media" / asset.file.name).read_bytes()


def test_what_the_sketch_engine_makes_is_signed_as_what_it_is(signing: Installation, chain: Chain) -> None:
    """By the worker itself, from the form's submission to the stored file."""
    person = signing.person()
    page = signing.page(person)
    jobs = {person.submit(): 1, person.submit("video_fast"): 1}
    signing.worker()
    page.converges(jobs)
    for job_id, content_type in zip(jobs, ("image/png", "video/mp4"), strict=True):
        [asset] = ledger.done(job_id)
        assert asset.content_type == content_type
        text = json.dumps(manifest(stored(signing, asset), content_type, chain))
        assert "digitalsourcetype/algorithmicMedia" in text
        assert "lighthouse" not in text


class Sending(threading.Thread):
    """An upload on its way, sent again until there is an answer."""

    def __init__(self, live: Installation, machine: Machine, job: dict[str, Any], slot: int) -> None:
        super().__init__(daemon=True)
        self.live, self.machine, self.job, self.slot = live, machine, job, slot
        self.answer: dict[str, Any] = {}
        self.start()

    def run(self) -> None:
        content = png(PIXELS + self.slot)
        headers = {"X-Lease-Token": self.job["lease_token"], "Content-Type": "image/png"}
        path = f"{self.live.address}/api/v1/worker/jobs/{self.job['job_id']}/uploads/{self.slot}"
        headers["Authorization"] = f"Bearer {self.machine.token}"
        while not self.answer:
            try:
                answer = httpx.put(path, content=content, headers=headers, timeout=30, trust_env=False)
                self.answer = answer.json() if answer.status_code == 200 else {}
            except httpx.HTTPError:
                time.sleep(0.05)


def test_killed_at_any_moment_a_signed_file_is_there_whole_and_once(
    signing: Installation, chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pitfalls 10 and 15: while it is signed, stored, and reported."""
    person = signing.person()
    job_id = person.submit(quantity=6)
    machine = signing.machine()
    job = machine.lease()
    began = time.monotonic()
    first = Sending(signing, machine, job, 0)
    first.join(60)
    usual_s = time.monotonic() - began
    cut_off = 0
    for slot in range(1, 1 + ROUNDS):
        upload = Sending(signing, machine, job, slot)
        upload.join(random.uniform(0, usual_s))
        cut_off += upload.is_alive()
        signing.restart()
        upload.join(60)
        told = {"image_index": slot, "status": "completed", "upload_id": upload.answer["upload_id"]}
        answer = Delivery(signing, machine, job, told).answered()
        assert answer["accepted"] + answer["duplicate"] == [slot]
        again = Delivery(signing, machine, job, told).answered()
        assert again["duplicate"] == [slot]
    for asset in ledger.done(job_id):
        manifest(stored(signing, asset), "image/png", chain)
        assert asset.received_sha256 not in ("", asset.sha256)
    assert len(ledger.done(job_id)) == ROUNDS
    assert Upload.objects.filter(job__pk=job_id, file="").count() == 0
    with capsys.disabled():
        print(f"\nserver killed {ROUNDS} times around a signed upload, {cut_off} times before its answer")
