"""`ourvidz-worker embed` as people run it: its options, its exit codes, its signals."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ourvidz_worker.cli import _parser, main
from ourvidz_worker.configuration import Configuration, load_configuration
from tests.worker.embedding import lease, outcomes, picture
from tests.worker.protocol_server import TOKEN, ProtocolServer
from tests.worker.test_cli import command, environment, run


def embed(server: ProtocolServer, *flags: str, **more: str) -> subprocess.CompletedProcess[str]:
    return run("embed", "--server", server.url, *flags, **({"OURVIDZ_WORKER_TOKEN": TOKEN} | more))


def started(server: ProtocolServer, *flags: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command("embed", "--server", server.url, *flags),
        env=environment(OURVIDZ_WORKER_TOKEN=TOKEN),
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 20
    while not server.seen("/lease"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait(server: ProtocolServer, number: signal.Signals) -> None:
    server.hold_s = 20
    process = started(server)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=5)
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in stderr.splitlines()]
    assert events == ["ready", "stopped"]


def test_a_signal_lets_what_was_embedded_be_reported(server: ProtocolServer) -> None:
    lease(server, {f"a{n}": picture(n) for n in range(20)})
    process = started(server)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 0
    assert len(outcomes(server)) % 8 in (0, 4), stderr


def test_it_works_without_weights_or_a_gpu(server: ProtocolServer) -> None:
    lease(server, t1="red fox at night")
    server.hold_s = 20
    process = started(server)
    deadline = time.monotonic() + 20
    while not outcomes(server) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=5)
    assert outcomes(server)["t1"].shape == (74,)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (
            404,
            {"code": "no_embeddings_here", "detail": "It is off."},
            "has no search by content (It is off.)",
        ),
        (404, {}, "has no search by content (Not Found)"),
        (
            403,
            {"code": "embedding_not_allowed", "detail": "No."},
            "this worker may not embed: use the token",
        ),
        (409, {"code": "other_embedding_model", "detail": "It has clip."}, "another model (It has clip.)"),
    ],
)
def test_a_refusal_ends_with_one_sentence(
    server: ProtocolServer, status: int, body: dict[str, str], sentence: str
) -> None:
    for call in ("/worker/embeddings", "/embeddings/lease"):
        server.script(f"POST {call}", status, body)
    result = embed(server)
    assert result.returncode == 1
    assert sentence in result.stderr.splitlines()[-1]
    assert len(result.stderr.splitlines()) <= 2


def test_a_refused_token_ends_with_one_sentence(server: ProtocolServer) -> None:
    result = embed(server, OURVIDZ_WORKER_TOKEN="ovw_wrong")
    assert (result.returncode, result.stderr) == (
        2,
        "ourvidz-worker: the server refused this worker's token\n",
    )


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--token", "t"], "no server"),
        (
            ["--server", "http://localhost"],
            "no token: set OURVIDZ_WORKER_TOKEN to what `manage.py create_worker",
        ),
        (["--server", "http://8.8.8.8", "--token", "t"], "unencrypted"),
        (
            ["--server", "http://localhost", "--token", "t", "--thresholds", "image=0.9:0.7"],
            "must be like image=",
        ),
        (
            ["--server", "http://localhost", "--token", "t", "--engine", "sdxl"],
            "unrecognized arguments: --engine",
        ),
        (
            ["--server", "http://localhost", "--token", "t", "--spool", "/x"],
            "unrecognized arguments: --spool",
        ),
    ],
)
def test_a_wrong_command_says_why(flags: list[str], sentence: str) -> None:
    result = run("embed", *flags)
    assert result.returncode == 2
    assert sentence in result.stderr


def test_a_machine_that_enrols_is_no_embedder_by_that(server: ProtocolServer) -> None:
    result = embed(server, OURVIDZ_WORKER_TOKEN="", OURVIDZ_ENROLMENT_TOKEN="ove_x")
    assert result.returncode == 2
    assert "no token" in result.stderr
    assert not server.probes


def test_weights_that_are_not_there_end_it(server: ProtocolServer) -> None:
    """Without torch it says what to install, with it that there are none."""
    result = embed(server, "--embedder", "/nowhere/clip")
    assert result.returncode == 1
    assert (
        "pip install './worker[embed]'" in result.stderr or "no weights at '/nowhere/clip'" in result.stderr
    )


def test_a_port_that_is_taken_may_be_free_at_the_next_start(server: ProtocolServer) -> None:
    result = embed(server, "--health-port", server.url.rpartition(":")[2])
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)


def test_its_health_is_served(server: ProtocolServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server.hold_s = 20
    process = started(server, "--health-port", str(port))
    script = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/health').read().decode())"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=5)
    assert json.loads(answer.stdout)["status"] == "idle"


def configured(name: str, *flags: str, **variables: str) -> Configuration:
    return load_configuration(_parser().parse_args([name, *flags]), variables)


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    file.write_text('embedder = "/models/filed"\nthresholds = "text=0.2:0.3"\n')
    surroundings = {"OURVIDZ_WORKER_CONFIG": str(file)}
    assert configured("embed", **surroundings).embedder.model == "/models/filed"
    assert configured("embed", **surroundings).embedder.thresholds == {"text": (0.2, 0.3)}
    surroundings["OURVIDZ_WORKER_EMBEDDER"] = "/models/surrounding"
    assert configured("embed", **surroundings).embedder.model == "/models/surrounding"
    assert configured("embed", "--embedder", "sketch", **surroundings).embedder.model == "sketch"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("image=0.75:0.93,text=0.21:0.29", {"image": (0.75, 0.93), "text": (0.21, 0.29)}),
        ("text=-1:1", {"text": (-1.0, 1.0)}),
    ],
)
def test_thresholds_are_read(text: str, meant: dict[str, tuple[float, float]]) -> None:
    assert configured("embed", "--thresholds", text).embedder.thresholds == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.7:0.9",
        "image=0.9",
        "image=0.9:0.9",
        "image=0.9:1.1",
        "video=0.7:0.9",
        "image=nan:1",
        "image=0.7:0.9,",
    ],
)
def test_thresholds_that_are_none_are_named(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Pitfall 44"""
    assert main(["embed", "--thresholds", text]) == 2
    assert "--thresholds must be like image=0.75:0.93,text=0.21:0.29" in capsys.readouterr().err


def test_options_of_other_commands_are_unused(tmp_path: Path) -> None:
    """Pitfall 31"""
    file = tmp_path / "worker.toml"
    file.write_text('spool = "/x"\n[[models]]\nname = "paper"\nengine = "sketch"\n')
    assert configured("embed", "--config", str(file)).unused == ("--spool", "[[models]]")
    assert configured("embed", "--device", "cpu").unused == ("--device",)
    assert configured("embed", "--embedder", "/models/clip", "--device", "cpu").unused == ()
    assert configured("run", OURVIDZ_WORKER_EMBEDDER="/models/clip").unused == ("--embedder",)
    assert configured("check", "--embedder", "/models/clip", "--device", "cpu").unused == ()
    assert configured("check", "--device", "cpu").unused == ("--device",)


def test_what_is_not_used_is_said(server: ProtocolServer) -> None:
    server.script("POST /worker/embeddings", 404)
    result = embed(server, OURVIDZ_WORKER_BATCH="3", OURVIDZ_WORKER_ENGINE="sdxl")
    event = json.loads(result.stderr.splitlines()[0])
    assert (event["event"], event["options"]) == ("options_unused", "--engine, --batch")


def test_a_patience_that_was_given_is_also_for_a_server_without_embeddings() -> None:
    assert configured("embed").patience is None
    assert configured("embed", "--patience", "600").patience == 600


def test_check_says_whether_it_may_embed(server: ProtocolServer, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["check", "--server", server.url, "--token", TOKEN, "--embedder", "sketch"]
    assert main(flags) == 0
    assert f"ok       embeddings: {server.url} lets this worker embed" in capsys.readouterr().out
    server.script("POST /worker/embeddings", 403, {"code": "embedding_not_allowed", "detail": "No."})
    assert main(flags) == 1
    assert "FAIL     embeddings: this worker may not embed" in capsys.readouterr().out


def test_check_without_an_embedder_asks_for_none(server: ProtocolServer) -> None:
    main(["check", "--server", server.url, "--token", TOKEN])
    assert [request.path for request in server.probes] == ["/api/v1/worker/lease"]
