"""The command as people run it: its words, its exit codes, its signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.worker.protocol_server import TOKEN, ProtocolServer, job_body


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ourvidz_worker", *arguments]


def environment(**more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OURVIDZ_")}
    return plain | more


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment(**more), capture_output=True, text=True, timeout=30, check=False
    )


def started(server: ProtocolServer, *arguments: str) -> subprocess.Popen[str]:
    sign = "/heartbeat" if server.jobs else "/lease"
    process = subprocess.Popen(
        command("run", "--server", server.url, *arguments),
        env=environment(OURVIDZ_WORKER_TOKEN=TOKEN),
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 20
    while not server.seen(sign):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_it_tells_its_version() -> None:
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("ourvidz-worker ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--token", "t"], "no server"),
        (["--server", "localhost:8000", "--token", "t"], "not the address of a server"),
        (["--server", "http://[::1", "--token", "t"], "not the address of a server"),
        (["--server", "http://our vidz", "--token", "t"], "not the address of a server"),
        (["--server", "http://our..vidz", "--token", "t"], "not the address of a server"),
        (["--server", "https://me:pw@localhost", "--token", "t"], "holds a user name"),
        (["--server", "http://localhost"], "no token"),
        (["--server", "http://localhost", "--token", "t "], "characters that no token has"),
        (["--server", "http://localhost", "--token", "t", "--patience", "7200"], "seconds from 0 to 3600"),
        (["--server", "http://localhost", "--token", "ü"], "characters that no token has"),
        (["--server", "http://localhost", "--token", "t", "--pace", "slow"], "pace must be seconds"),
    ],
)
def test_a_wrong_option_ends_with_one_sentence(arguments: list[str], sentence: str) -> None:
    result = run("run", *arguments)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "check", "bench"])
def test_an_option_is_taken_by_its_whole_name(command: str) -> None:
    result = run(command, "--engin", "sketch", "--server", "http://localhost:1", "--token", "t")
    assert result.returncode == 2
    assert "unrecognized arguments: --engin" in result.stderr


@pytest.mark.parametrize("command", ["run", "check", "bench"])
@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"SSL_CERT_FILE": "/nowhere/certificates"},
            "SSL_CERT_FILE is /nowhere/certificates, which cannot be used: No such file or directory",
        ),
        ({"SSL_CERT_FILE": __file__}, f"SSL_CERT_FILE is {__file__}, which cannot be used: it holds no"),
        ({"SSL_CERT_FILE": "", "SSL_CERT_DIR": "/nowhere"}, "SSL_CERT_DIR is /nowhere, which is no folder"),
        ({"ALL_PROXY": "socks5://127.0.0.1:1"}, "cannot connect with this address and the environment's"),
    ],
)
def test_an_environment_without_a_way_out_ends_with_one_sentence(
    command: str, variables: dict[str, str], sentence: str
) -> None:
    flags = ["--job-type", "image_fast"] if command == "bench" else []
    result = run(command, "--server", "https://localhost:1", "--token", "t", *flags, **variables)
    assert result.returncode == 2
    assert f"ourvidz-worker: {sentence}" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_log_on_a_full_disk_stops_no_worker(server: ProtocolServer) -> None:
    server.jobs.append(job_body())
    with Path("/dev/full").open("w") as full:
        process = subprocess.Popen(
            command("run", "--server", server.url), env=environment(OURVIDZ_WORKER_TOKEN=TOKEN), stderr=full
        )
    deadline = time.monotonic() + 20
    while not server.seen("/job-callback") and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert server.seen("/job-callback")


def test_a_refused_token_ends_with_one_sentence(server: ProtocolServer) -> None:
    result = run("run", "--server", server.url, OURVIDZ_WORKER_TOKEN="ovw_wrong")
    assert result.returncode == 2
    assert "refused this worker's token" in result.stderr
    assert "ovw_wrong" not in result.stderr


def test_a_refused_token_ends_it_before_anything_is_loaded(server: ProtocolServer) -> None:
    """Weights take minutes, and here not even the libraries to load them are imported."""
    result = run(
        *("run", "--server", server.url, "--engine", "sdxl", "--model", "/nowhere"),
        OURVIDZ_WORKER_TOKEN="ovw_wrong",
    )
    assert result.returncode == 2
    assert result.stderr == "ourvidz-worker: the server refused this worker's token\n"


def test_a_server_that_is_away_keeps_nobody_from_loading() -> None:
    result = run("run", "--server", "http://127.0.0.1:9", "--token", "t", "--engine", "sdxl")
    assert result.returncode == 1
    assert "the engine sdxl needs" in result.stderr


@pytest.mark.parametrize("status", [404, 403])
def test_an_address_without_a_worker_api_ends_with_one_sentence(server: ProtocolServer, status: int) -> None:
    """A 403 is a proxy's, unless it says that the worker is disabled."""
    server.script("POST /lease", status)
    result = run("run", OURVIDZ_WORKER_TOKEN=TOKEN, OURVIDZ_SERVER=server.url)
    assert result.returncode == 1  # it may be there a minute later
    assert "does not lease jobs" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_for_a_job(server: ProtocolServer, number: signal.Signals) -> None:
    server.hold_s = 20
    process = started(server)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=5)
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in stderr.splitlines()]
    assert events == ["ready", "stopped"]


def test_a_signal_gives_the_job_back(server: ProtocolServer) -> None:
    """pitfall 12"""
    server.jobs.append(job_body())
    process = started(server, "--pace", "30")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=5)
    assert process.returncode == 0
    assert server.seen("/release")
    assert "lighthouse" not in stderr
    assert TOKEN not in stderr


LATE_WARNING = """
import warnings
from ourvidz_worker.cli import main
main(["bench", "--no-report", "--json", "--job-type", "image_fast"])
warnings.warn("it is deprecated\\nand so on", FutureWarning)
"""


def test_what_libraries_warn_of_is_a_line_like_any_other() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE_WARNING], capture_output=True, text=True, check=True, env=environment()
    )
    (event,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (event["event"], event["kind"]) == ("library_warning", "FutureWarning")
    assert event["message"] == "it is deprecated"
    assert event["where"].startswith("<string>:")
    assert datetime.fromisoformat(event["at"]).tzinfo


def test_a_port_that_is_taken_may_be_free_at_the_next_start(server: ProtocolServer) -> None:
    result = run(
        "run",
        "--server",
        server.url,
        "--health-port",
        server.url.rpartition(":")[2],
        OURVIDZ_WORKER_TOKEN=TOKEN,
    )
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)


def test_the_unit_leaves_room_for_weights_and_restarts_after_all_but_a_wrong_option() -> None:
    unit = (Path(__file__).parents[2] / "worker/packaging/ourvidz-worker.service").read_text().splitlines()
    assert {"Restart=on-failure", "RestartPreventExitStatus=2"} <= set(unit)
    assert {"CacheDirectory=ourvidz-worker", "Environment=HF_HOME=%C/ourvidz-worker"} <= set(unit)
