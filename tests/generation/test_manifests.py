"""C2PA manifests in accepted files, as C2PA's own reader sees them; nothing of a job depends on them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage

from generation.core.errors import TooManyDecodes
from generation.jobs.report_rules import AssetReport
from generation.media import manifests
from generation.media import measure as measuring
from generation.media.decoders import Decoder, DecoderDied, DecoderPool
from generation.media.formats import BrokenMedia
from generation.media.manifests import measured_with_manifest
from generation.media.measure import measure
from generation.media.signing import SigningIdentity, load_identity, signing_identity
from generation.media.stripped import StrippedFile
from generation.models import Asset, Job, Worker
from ourvidz_worker.engines import mp4 as worker_mp4
from ourvidz_worker.engines import png as worker_png
from ourvidz_worker.engines import xmp
from tests.certificates import Chain, Key, ec_key, made_chain
from tests.factories import call_back, lease_next, make_job, png, upload
from tests.generation.pictures import encoded, plain
from tests.generation.test_stripped import frames
from tests.generation.video_kinds import video

pytestmark = pytest.mark.any_database
PIXELS = np.full((48, 64, 3), 90, np.uint8)
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ALGORITHMIC = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return made_chain(tmp_path / "certificates")


@pytest.fixture
def signing_pool(
    chain: Chain, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DecoderPool]:
    """As after a start with a certificate."""
    settings.SIGNING_CERTIFICATE, settings.SIGNING_KEY = str(chain.certificate), str(chain.key)
    signing_identity.cache_clear()
    pool = DecoderPool(
        decoders=1,
        memory_bytes=settings.DECODE_MEMORY_BYTES,
        seconds=settings.DECODE_SECONDS,
        adds_manifests=True,
    )
    for module in (manifests, measuring):
        monkeypatch.setattr(module, "pool", lambda: pool)
    yield pool
    pool.stop()
    signing_identity.cache_clear()


def read(content: bytes, content_type: str, chain: Chain) -> tuple[str, dict[str, Any]]:
    """What C2PA's reader says of it, when it trusts the authority: its state, and the manifest."""
    context = c2pa.Context.from_dict(
        {"verify": {"remote_manifest_fetch": False}, "trust": {"trust_anchors": chain.authority}}
    )
    reader = c2pa.Reader(content_type, io.BytesIO(content), context=context)
    said = json.loads(reader.json())
    return str(reader.get_validation_state()), said["manifests"][said["active_manifest"]]


def claimed(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    [actions] = [each["data"]["actions"] for each in manifest["assertions"] if "actions" in each["label"]]
    return [(each["action"], each["digitalSourceType"]) for each in actions]


def stored(content: bytes, media: str) -> bytes:
    with measured_with_manifest(io.BytesIO(content), media=media, caller="test") as (_, kept):
        kept.seek(0)
        return kept.read()


def film(*, trained: bool = True) -> bytes:
    return worker_mp4.mp4([PIXELS] * 8, width=64, height=48, fps=16, comment="a fox", trained=trained)


FILES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "png": ("image/png", lambda: worker_png.png(PIXELS, parameters="a fox"), TRAINED),
    "sketched png": ("image/png", lambda: worker_png.png(PIXELS, trained=False), ALGORITHMIC),
    "png without a word": ("image/png", png, TRAINED),
    "png that speaks of another": (
        "image/png",
        lambda: worker_png.png(PIXELS, parameters=f"a picture of {ALGORITHMIC} "),
        TRAINED,
    ),
    "jpeg": ("image/jpeg", lambda: xmp.marked(encoded(plain(), "JPEG"), "image/jpeg"), TRAINED),
    "webp": ("image/webp", lambda: xmp.marked(encoded(plain(), "WEBP"), "image/webp"), TRAINED),
    "webp without a word": ("image/webp", lambda: encoded(plain(), "WEBP"), TRAINED),
    "mp4": ("video/mp4", film, TRAINED),
    "sketched mp4": ("video/mp4", lambda: film(trained=False), ALGORITHMIC),
    "mp4 with sound": ("video/mp4", lambda: video(sound="aac"), TRAINED),
    "mp4 in fragments": ("video/mp4", lambda: video(flags="frag_keyframe+empty_moov"), TRAINED),
}


@pytest.mark.usefixtures("signing_pool")
@pytest.mark.parametrize("name", FILES)
def test_a_file_gets_a_manifest_that_readers_trust(name: str, chain: Chain) -> None:
    content_type, make, source_type = FILES[name]
    media, before = content_type.partition("/")[0], make()
    after = stored(before, media)
    state, manifest = read(after, content_type, chain)
    assert state == "Trusted"
    assert claimed(manifest) == [("c2pa.created", source_type)]
    assert "thumbnail" not in manifest
    assert "a fox" not in json.dumps(manifest)
    assert frames(after, content_type) == frames(before, content_type)
    assert measure(io.BytesIO(after), media=media) == measure(io.BytesIO(before), media=media)
    assert len(after) < len(before) + 30_000


@pytest.mark.usefixtures("signing_pool")
def test_one_changed_byte_is_noticed(chain: Chain) -> None:
    after = bytearray(stored(worker_png.png(PIXELS), "image"))
    at = after.index(b"IDAT") + 30
    after[at] ^= 1
    assert read(bytes(after), "image/png", chain)[0] == "Invalid"


@pytest.mark.usefixtures("signing_pool")
def test_a_shared_file_without_parameters_has_no_manifest_and_keeps_its_source_type() -> None:
    """What is stripped is another file: the claim would not hold of it."""
    after = stored(worker_png.png(PIXELS, parameters="a fox"), "image")
    stripped = StrippedFile(io.BytesIO(after), "image/png").read()
    assert b"c2pa" in after
    assert b"c2pa" not in stripped.lower()
    assert TRAINED.encode() in stripped


@pytest.mark.usefixtures("signing_pool")
@pytest.mark.parametrize("content", [video("webm", "libvpx"), video("webm", "libvpx", sound="libopus")])
def test_a_webm_can_have_none_and_is_kept_as_it_came(content: bytes) -> None:
    assert stored(content, "video") == content


@pytest.mark.usefixtures("signing_pool")
def test_the_manifest_of_another_program_stays() -> None:
    once = stored(worker_png.png(PIXELS), "image")
    assert stored(once, "image") == once


@pytest.mark.usefixtures("signing_pool")
@pytest.mark.parametrize(
    ("content", "media"),
    [
        (b"", "image"),
        (b"GIF89a", "image"),
        (png()[:-20], "image"),
        (film()[:-2000], "video"),
        (film(), "image"),
    ],
)
def test_what_is_broken_is_refused_as_ever(content: bytes, media: str) -> None:
    with pytest.raises(BrokenMedia) as before:
        measure(io.BytesIO(content), media=media)
    with pytest.raises(BrokenMedia) as after:
        stored(content, media)
    assert (after.value.code, after.value.message) == (before.value.code, before.value.message)


def test_without_a_certificate_nothing_is_claimed() -> None:
    content = worker_png.png(PIXELS)
    assert stored(content, "image") == content


def test_an_expired_certificate_signs_nothing(
    tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = made_chain(tmp_path / "old", days=-1)
    settings.SIGNING_CERTIFICATE, settings.SIGNING_KEY = str(old.certificate), str(old.key)
    monkeypatch.setattr(manifests, "signing_identity", lambda: load_identity(old.certificate, old.key))
    content = worker_png.png(PIXELS)
    assert stored(content, "image") == content


KEYS: dict[str, Callable[[], Key]] = {
    "P-256": ec_key,
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.usefixtures("signing_pool")
@pytest.mark.parametrize("name", KEYS)
def test_every_kind_of_key_signs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = made_chain(tmp_path / "other", KEYS[name]())
    monkeypatch.setattr(manifests, "signing_identity", lambda: load_identity(chain.certificate, chain.key))
    after = stored(worker_png.png(PIXELS), "image")
    assert read(after, "image/png", chain)[0] == "Trusted"


# What a job has of it


def delivered(job: Job, content: bytes) -> Asset:
    sent = upload(job, 0, content)
    assert sent.sha256 == hashlib.sha256(content).hexdigest()  # what the worker compares
    report = AssetReport(image_index=None, status="completed", upload_id=sent.pk)
    assert call_back(job, report).accepted == [None]
    return Asset.objects.get(job=job)


@pytest.mark.usefixtures("signing_pool")
def test_the_row_knows_both_what_came_and_what_is_kept(owner: User, worker: Worker) -> None:
    make_job(owner, "video_fast")
    asset = delivered(lease_next(worker), film())
    with default_storage.open(asset.file.name) as file:
        kept = file.read()
    assert asset.sha256 == hashlib.sha256(kept).hexdigest()
    assert asset.byte_size == len(kept) > len(film())
    assert asset.received_sha256 == asset.sent_sha256 == hashlib.sha256(film()).hexdigest()


@pytest.mark.usefixtures("signing_pool")
def test_a_replayed_upload_and_callback_are_duplicates(owner: User, worker: Worker) -> None:
    """Pitfall 15: each manifest is another one, and what came is what counts."""
    make_job(owner, "video_fast")
    job = lease_next(worker)
    asset = delivered(job, film())
    again = upload_again(job, film())
    report = AssetReport(image_index=None, status="completed", upload_id=again)
    receipt = call_back(job, report)
    assert (receipt.accepted, receipt.duplicate, receipt.rejected) == ([], [None], [])
    after = Asset.objects.get(job=job)
    assert (after.sha256, after.file.name) == (asset.sha256, asset.file.name)


def upload_again(job: Job, content: bytes) -> Any:
    """As a worker does that got no answer: by the row, since the lease has ended."""
    digest = hashlib.sha256(content).hexdigest()
    return job.uploads.get(sha256=digest).pk


@pytest.mark.usefixtures("signing_pool")
def test_the_same_bytes_again_are_the_same_upload(owner: User, worker: Worker) -> None:
    make_job(owner, "video_fast")
    job = lease_next(worker)
    first, second = upload(job, 0, film()), upload(job, 0, film())
    assert first.pk == second.pk
    assert first.stored_sha256 not in ("", first.sha256)


def test_without_a_manifest_one_digest_is_enough(owner: User, worker: Worker) -> None:
    make_job(owner, "video_fast")
    asset = delivered(lease_next(worker), film())
    assert (asset.received_sha256, asset.sent_sha256) == ("", asset.sha256)


# The process that is not trusted


@pytest.mark.parametrize("data", [b"", b"anything", b"\x84\x6aSignature1" + bytes(70_000)])
def test_nothing_but_a_claim_is_signed(data: bytes, chain: Chain) -> None:
    identity = load_identity(chain.certificate, chain.key)
    with pytest.raises(ValueError, match=r"\d"):
        identity.sign_claim(data)


def test_a_process_that_asks_twice_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """One signature for a file: it could claim anything of others."""
    decoder = Decoder(memory_bytes=2**28, seconds=5)
    asked = iter([({"to_sign": True}, b"one"), ({"to_sign": True}, b"two")])
    monkeypatch.setattr(decoder, "_answer", lambda: next(asked))
    signed: list[bytes] = []

    def sign(data: bytes) -> bytes:
        signed.append(data)
        return b"s"

    answer, _ = decoder.ask({"manifest": {}}, [], sign)
    decoder.stop()
    assert signed == [b"one"]
    assert "manifest" not in answer  # so nothing is kept of it


def test_a_process_that_wants_no_claim_signed_is_ended(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    identity: SigningIdentity = load_identity(chain.certificate, chain.key)
    decoder = Decoder(memory_bytes=2**28, seconds=5)
    monkeypatch.setattr(decoder, "_answer", lambda: ({"to_sign": True}, b"a cheque"))
    with pytest.raises(DecoderDied):
        decoder.ask({"manifest": {}}, [], identity.sign_claim)
    assert not decoder.is_running


@pytest.mark.usefixtures("signing_pool")
def test_a_process_that_dies_costs_the_manifest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    content = worker_png.png(PIXELS)
    # Not prepared for manifests, it may open none of the files that it needs, and ends.
    pool = DecoderPool(decoders=1, memory_bytes=2**28, seconds=10)
    monkeypatch.setattr(manifests, "pool", lambda: pool)
    assert stored(content, "image") == content
    pool.stop()


def test_a_busy_server_keeps_nothing_unsigned(signing_pool: DecoderPool) -> None:
    """The worker sends it again."""
    content = io.BytesIO(worker_png.png(PIXELS))
    others = signing_pool._turns.turn("others", wait=1)
    with (
        others,
        pytest.raises(TooManyDecodes),
        measured_with_manifest(content, media="image", caller="test", wait=0.1),
    ):
        pass
