"""`ourvidz-worker bench`: measures the real engine, saves the result and sends it to the server."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from generation.catalog.job_types import JOB_TYPES
from ourvidz_worker.cli import main
from ourvidz_worker.configuration import state_directory
from ourvidz_worker.engines import benchmark_jobs, pools
from tests.worker.protocol_server import TOKEN, ProtocolServer

QUICK = ("--job-type", "sdxl_image_fast", "--job-type", "image_fast")


@pytest.mark.parametrize("name", pools.JOB_TYPES)
def test_a_benchmark_job_has_the_servers_default_parameters(name: str) -> None:
    """The worker knows nothing of the server's table; only this test sees both."""
    parameters = benchmark_jobs.benchmark_job(name).parameters
    job_type = JOB_TYPES[name]
    expected = job_type.parameters(job_type.default_aspect)
    assert {field: getattr(parameters, field) for field in expected} == expected


def test_no_job_type_is_left_out() -> None:
    assert set(pools.JOB_TYPES) == set(JOB_TYPES)


def test_seconds_for_one_result_are_printed_saved_and_reported(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script("POST /benchmark", 204)
    assert main(["bench", "--server", server.url, "--token", TOKEN, "--json", "--runs", "2", *QUICK]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    output = json.loads(line)
    assert set(output["seconds"]) == {"sdxl_image_fast", "image_fast"}
    for each in output["job_types"]:
        assert each["runs"] == 2
        assert each["seconds"] > 0 < each["warm_up_s"]
    assert json.loads((state_directory() / "benchmark-sketch.json").read_text()) == output
    (sent,) = server.seen("/benchmark")
    assert sent.json == {name: output[name] for name in ("seconds", "version", "device")}


def test_without_a_server_it_measures_and_shows_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--no-report", "--job-type", "image_fast"]) == 0
    table = capsys.readouterr().out
    assert "image_fast" in table
    assert "seconds for one" in table


@pytest.mark.parametrize(("status", "sentence"), [(404, "takes no benchmarks"), (503, "answered 503")])
def test_a_server_that_refuses_the_benchmark_is_an_error(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str], status: int, sentence: str
) -> None:
    server.script("POST /benchmark", status)
    assert main(["bench", "--server", server.url, "--token", TOKEN, "--job-type", "image_fast"]) == 1
    assert sentence in capsys.readouterr().err


def test_an_unreachable_server_is_an_error_before_minutes_are_spent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--server", "http://127.0.0.1:9", "--token", TOKEN]) == 1
    assert "no connection to the server" in capsys.readouterr().err
    assert not (state_directory() / "benchmark-sketch.json").exists()


@pytest.mark.parametrize(
    ("flags", "status", "sentence"),
    [
        ([], 2, "--no-report needs no server"),
        (["--no-report", "--job-type", "paintings"], 2, "paintings: no such job type; there are sdxl"),
        (["--no-report", "--engine", "sdxl"], 1, "sdxl needs"),
    ],
)
def test_a_missing_requirement_is_one_line_on_stderr(
    flags: list[str],
    status: int,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OURVIDZ_SERVER", raising=False)
    assert main(["bench", *flags]) == status
    stderr = capsys.readouterr().err
    assert sentence in stderr
    assert stderr.count("\n") == 1


def test_a_disk_that_cannot_be_written_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", os.fspath(tmp_path / "file"))
    assert main(["bench", "--no-report", "--json", "--job-type", "image_fast"]) == 1
    output = capsys.readouterr()
    assert json.loads(output.out)["seconds"]
    assert "cannot be kept" in output.err
