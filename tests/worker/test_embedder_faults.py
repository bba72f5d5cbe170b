"""What an embedder does when the server, an image or it itself fails."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ourvidz_worker.embeddings import client as embedding_client
from ourvidz_worker.embeddings import guarded
from ourvidz_worker.embeddings.messages import parse_lease
from ourvidz_worker.errors import EngineBroken, MalformedLease, TokenRefused
from tests.worker.embedding import ScriptedEmbedder, embedding, lease, outcomes, picture
from tests.worker.protocol_server import ProtocolServer
from tests.worker.test_runner import wait_for


def bomb() -> bytes:
    """A file of a few hundred bytes that claims over 64 million pixels."""
    file = io.BytesIO()
    Image.new("1", (9000, 9000)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the image cannot be read (UnidentifiedImageError)"),
        (b"<html>", "the image cannot be read (UnidentifiedImageError)"),
        (picture(kind="PNG")[:60], "the image cannot be read (OSError)"),
        (picture(kind="GIF"), "the image cannot be read (UnidentifiedImageError)"),
        (bomb(), "the image cannot be read (over 64000000 pixels)"),
        (b"\x89PNG\r\n\x1a\n" + bytes(embedding_client.MAX_IMAGE_BYTES), "the image is too large"),
    ],
    ids=["empty", "page", "cut off", "GIF", "bomb", "too large"],
)
def test_an_image_that_cannot_be_read_stops_no_other(
    server: ProtocolServer, content: bytes, reason: str
) -> None:
    """Pitfalls 40, 45"""
    lease(server, {"a1": picture(), "bad": content, "a2": picture(7)})
    with embedding(server):
        wait_for(lambda: len(outcomes(server)) == 3)
    found = outcomes(server)
    assert found["bad"] == reason
    assert found["a1"].shape == found["a2"].shape == (74,)


def test_many_bad_images_are_no_fault_of_the_embedder(server: ProtocolServer) -> None:
    lease(server, {f"a{n}": b"no image" for n in range(8)})
    lease(server, {"good": picture()})
    with embedding(server):
        wait_for(lambda: "good" in outcomes(server))


def test_an_image_that_is_not_leased_any_more_is_left_out(server: ProtocolServer) -> None:
    lease(server, {"a1": picture(), "gone": picture()})
    del server.images["gone"]
    with embedding(server):
        wait_for(lambda: outcomes(server))
    assert set(outcomes(server)) == {"a1"}


def test_an_image_that_the_server_fails_to_give_is_its_error(
    server: ProtocolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_client, "IMAGE_PATIENCE_S", 0.1)
    server.script("GET /images/broken", 500)
    lease(server, {"broken": picture(), "a1": picture()})
    with embedding(server):
        wait_for(lambda: len(outcomes(server)) == 2)
    assert outcomes(server)["broken"] == "the server fails to give the image"


def test_a_text_with_half_a_character_is_embedded(server: ProtocolServer) -> None:
    lease(server, t1="a lighthouse \ud83d", t2="")
    with embedding(server):
        wait_for(lambda: len(outcomes(server)) == 2)
    assert all(each.shape == (74,) for each in outcomes(server).values())


def not_of(shade: int, raising: bool = False) -> Any:
    """A script that fails the image of this shade."""

    def script(images: Sequence[Image.Image], vectors: np.ndarray) -> np.ndarray:
        for number, image in enumerate(images):
            if np.asarray(image)[0, 0, 0] == shade:
                if raising:
                    raise MemoryError("no memory for the lighthouse")
                vectors[number] = np.nan
        return vectors

    return script


@pytest.mark.parametrize(
    ("raising", "reason"), [(False, "not finite"), (True, "the embedder raised MemoryError")]
)
def test_an_item_that_the_embedder_fails_stops_no_other(
    server: ProtocolServer, raising: bool, reason: str
) -> None:
    """Pitfall 45"""
    lease(server, {f"a{n}": picture(n * 20, kind="PNG") for n in range(8)})
    embedder = ScriptedEmbedder(not_of(60, raising))
    with embedding(server, embedder):
        wait_for(lambda: outcomes(server))
    found = outcomes(server)
    assert reason in found["a3"]
    assert sum(isinstance(each, str) for each in found.values()) == 1
    assert embedder.batches == ([8, *[1] * 8] if raising else [8])


def nothing(items: Sequence[Any], vectors: np.ndarray) -> np.ndarray:
    return vectors * 0


def infinite(items: Sequence[Any], vectors: np.ndarray) -> np.ndarray:
    return vectors + np.inf


def raising(items: Sequence[Any], vectors: np.ndarray) -> np.ndarray:
    raise RuntimeError(f"CUDA error at {items[0]}")


@pytest.mark.parametrize("script", [nothing, infinite, raising])
def test_three_faults_in_a_row_end_it(
    server: ProtocolServer, script: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pitfall 46: the other 13 lose no attempt."""
    lease(server, None, **{f"t{n}": "a secret lighthouse" for n in range(16)})
    errors: list[Exception] = []
    with embedding(server, ScriptedEmbedder(script), errors=errors):
        pass
    assert [type(error) for error in errors] == [EngineBroken]
    assert "failed 3 items in a row" in str(errors[0])
    assert list(outcomes(server)) == ["t0", "t1", "t2"]
    assert "lighthouse" not in capsys.readouterr().err + str(outcomes(server))


def test_faults_that_are_not_in_a_row_do_not_end_it(server: ProtocolServer) -> None:
    for start in range(0, 4 * guarded.MAX_FAULTS, 4):
        lease(server, {f"a{start + n}": picture((60, 80, 60, 90)[n], kind="PNG") for n in range(4)})
    with embedding(server, ScriptedEmbedder(not_of(60))):
        wait_for(lambda: len(outcomes(server)) == 12)


def test_one_item_that_comes_again_and_again_does_not_end_it(server: ProtocolServer) -> None:
    """A server leases what an embedder failed by itself."""
    for _ in range(guarded.MAX_FAULTS):
        lease(server, {"poison": picture(60, kind="PNG")})
    lease(server, {"good": picture()})
    with embedding(server, ScriptedEmbedder(not_of(60))):
        wait_for(lambda: "good" in outcomes(server))


def test_it_outlives_a_server_that_is_away(server: ProtocolServer) -> None:
    """Pitfall 14"""
    for status in (503, 502, 429):
        server.script("POST /embeddings/lease", status)
    lease(server, {"a1": picture()})
    with embedding(server):
        wait_for(lambda: server.seen("/lease"))
        server.script("POST /worker/embeddings", 503)
        wait_for(lambda: len(server.seen("/worker/embeddings")) == 2)


def test_a_lease_whose_server_goes_away_is_asked_for_again(server: ProtocolServer) -> None:
    server.script("GET /images/a1", 429, **{"Retry_After": "60"})
    lease(server, {"a1": picture()})
    with embedding(server) as runner:
        wait_for(lambda: server.seen("/images/a1"))
        time.sleep(0.3)
        assert len(server.seen("/lease")) == 1, "it waits as long as it was told"
        runner.stop()
    assert not outcomes(server)


@pytest.mark.parametrize("status", [429, 503])
def test_it_comes_back_when_it_was_told_to(server: ProtocolServer, status: int) -> None:
    server.script("POST /embeddings/lease", status, Retry_After="2")
    lease(server, {"a1": picture()})
    with embedding(server):
        wait_for(lambda: server.seen("/lease"))
        asked = time.monotonic()
        wait_for(lambda: outcomes(server))
    assert time.monotonic() - asked > 1.8


def test_a_disabled_worker_waits_to_be_enabled(server: ProtocolServer) -> None:
    for _ in range(2):
        server.script("POST /embeddings/lease", 403, {"code": "worker_disabled"})
    lease(server, {"a1": picture()})
    with embedding(server):
        wait_for(lambda: outcomes(server))


NOT_HERE = {"code": "no_embeddings_here", "detail": "Needs pgvector."}
OTHER = {"code": "other_embedding_model", "detail": "It is clip."}


@pytest.mark.parametrize(
    ("call", "status", "body", "sentence"),
    [
        ("/worker/embeddings", 404, NOT_HERE, "no search by content (Needs pgvector.)"),
        ("/worker/embeddings", 404, {}, "no search by content"),
        ("/worker/embeddings", 403, {"code": "embedding_not_allowed"}, "this worker may not embed"),
        ("/worker/embeddings", 403, {}, "does not take this embedder"),
        ("/embeddings/lease", 404, NOT_HERE, "no search by content (Needs pgvector.)"),
        ("/embeddings/lease", 404, {}, "no search by content"),
        ("/embeddings/lease", 403, {"code": "embedding_not_allowed"}, "this worker may not embed"),
        ("/embeddings/lease", 409, OTHER, "another model (It is clip.)"),
        ("/embeddings/lease", 422, {"detail": "No such field."}, "No such field."),
    ],
)
def test_what_can_never_work_ends_it_with_a_sentence(
    server: ProtocolServer, call: str, status: int, body: dict[str, str], sentence: str
) -> None:
    server.script(f"POST {call}", status, body)
    errors: list[Exception] = []
    with embedding(server, errors=errors):
        pass
    assert sentence in str(errors[0])
    assert len(server.requests) == (call == "/embeddings/lease"), "it asks before it loads"


def test_embeddings_of_another_model_are_no_reason_not_to_load(server: ProtocolServer) -> None:
    """Its own name is not known before."""
    server.script("POST /worker/embeddings", 409, OTHER)
    lease(server, {"a1": picture()})
    with embedding(server):
        wait_for(lambda: outcomes(server))


def test_a_token_that_is_refused_ends_it(server: ProtocolServer) -> None:
    server.token = "another"
    errors: list[Exception] = []
    with embedding(server, errors=errors):
        pass
    assert [type(error) for error in errors] == [TokenRefused]


def test_a_server_without_embeddings_is_asked_again_for_its_patience(server: ProtocolServer) -> None:
    for call in ("/worker/embeddings", "/worker/embeddings", "/embeddings/lease", "/embeddings/lease"):
        server.script(f"POST {call}", 404, {"code": "no_embeddings_here"})
    lease(server, {"a1": picture()})
    with embedding(server, patience=60, ask_again_s=0.05):
        wait_for(lambda: outcomes(server))


def test_a_patience_that_is_over_ends_it(server: ProtocolServer) -> None:
    for _ in range(100):
        server.script("POST /worker/embeddings", 404, {"code": "no_embeddings_here"})
    errors: list[Exception] = []
    with embedding(server, errors=errors, patience=0.3, ask_again_s=0.05):
        pass
    assert "no search by content" in str(errors[0])
    assert len(server.probes) > 2


@pytest.mark.parametrize("passing", [404, 405, 301])
def test_a_proxy_whose_server_is_being_replaced_does_not_end_it(server: ProtocolServer, passing: int) -> None:
    """Once it was connected, the address is right."""
    with embedding(server):
        wait_for(lambda: server.seen("/lease"))
        server.script("POST /embeddings/lease", passing)
        lease(server, {"a1": picture()})
        wait_for(lambda: outcomes(server))


def test_what_the_server_takes_nothing_of_is_not_asked_for_without_a_pause(server: ProtocolServer) -> None:
    refused = {"rejected": [{"id": "a1", "code": "unknown", "message": "no"}]}
    for _ in range(50):
        server.script("POST /worker/embeddings", 200, {"accepted": [], "duplicate": [], **refused})
        lease(server, {"a1": picture()})
    with embedding(server):
        wait_for(lambda: server.seen("/worker/embeddings"))
        time.sleep(1)
    assert len(server.seen("/worker/embeddings")) < 5


def test_a_malformed_lease_does_not_end_it(server: ProtocolServer) -> None:
    server.jobs += [{"images": [{"asset_id": "a1"}], "lease_seconds": 60}, {"odd": True}]
    lease(server, {"a1": picture()})
    with embedding(server):
        wait_for(lambda: outcomes(server))


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"lease_seconds": "long"},
        {"lease_seconds": 60, "texts": [{"id": "t1", "text": 7}]},
        {"lease_seconds": 60, "texts": [{"id": "../t1", "text": "a"}]},
        {"lease_seconds": 60, "images": [{"asset_id": "a1", "url": "images/a1"}]},
        {"lease_seconds": 60, "images": [{"asset_id": "a1", "url": "http://[/x"}]},
        {"lease_seconds": 60, "images": 7},
    ],
)
def test_a_lease_of_nonsense_is_malformed(body: Any) -> None:
    with pytest.raises(MalformedLease):
        parse_lease(body)


def test_a_report_says_why_in_at_most_300_characters(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    lease(server, {"a1": b"x"})
    with embedding(server):
        wait_for(lambda: outcomes(server))
    assert len(outcomes(server)["a1"]) <= 300
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert "image_unusable" in {each["event"] for each in events}
