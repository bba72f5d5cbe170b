"""`ourvidz-worker check`: one line for each thing, and an exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from ourvidz_worker.cli import main
from tests.worker.protocol_server import TOKEN, ProtocolServer


def checked(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, dict[str, str]]:
    """The exit code, and each line by what it is about."""
    status = main(["check", *flags])
    lines = capsys.readouterr().out.splitlines()
    return status, {line[9:].partition(":")[0]: line for line in lines}


def test_all_is_well(server: ProtocolServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = checked(capsys, "--server", server.url, "--token", TOKEN, "--spool", str(tmp_path))
    assert status == 0
    assert all(line.startswith("ok ") for line in lines.values())
    assert set(lines) == {"server", "spool", "video encoder"}
    assert len(server.probes) == 1
    assert not server.requests, "it must take no job, and tell nothing of itself"


def test_each_thing_missing_has_its_line(
    server: ProtocolServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ourvidz_worker.engines.GPU_PACKAGES", ("a_package_that_is_not_there",))
    (tmp_path / "file").touch()
    flags = ["--server", server.url, "--token", "ovw_wrong", "--spool", str(tmp_path / "file")]
    status, lines = checked(capsys, *flags, "--engine", "sdxl")
    assert status == 1
    assert "refuses this token" in lines["server"]
    assert "cannot be written" in lines["spool"]
    assert "pip install './worker[gpu]'" in lines["libraries"]
    assert "ovw_wrong" not in "".join(lines.values())


def test_an_option_of_another_engine_is_reported_as_ignored(
    server: ProtocolServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--server", server.url, "--token", TOKEN, "--spool", str(tmp_path), "--batch", "2"]
    assert "--batch: ignored by the engine sketch" in checked(capsys, *flags)[1]["options"]


def test_without_a_token_it_says_which_variable(capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = checked(capsys, "--server", "http://localhost")
    assert status == 1
    assert "OURVIDZ_WORKER_TOKEN" in lines["server"]


def test_each_model_of_a_file_has_its_lines(
    server: ProtocolServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ourvidz_worker.engines.GPU_PACKAGES", ("a_package_that_is_not_there",))
    (tmp_path / "film.safetensors").touch()
    file = tmp_path / "worker.toml"
    file.write_text(
        '[[models]]\nname = "paper"\nengine = "sketch"\n'
        '[[models]]\nname = "film-xl"\nengine = "sdxl"\nweights = "film.safetensors"\n'
    )
    flags = ["--server", server.url, "--token", TOKEN, "--spool", str(tmp_path), "--config", str(file)]
    status, lines = checked(capsys, *flags, "--batch", "2")
    assert status == 1
    assert lines["paper"] == "ok       paper: engine: sketch"
    assert "pip install './worker[gpu]'" in lines["libraries"]
    assert "options" not in lines, "the engine sdxl uses it"


def test_a_mistake_in_the_file_is_what_check_says_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "worker.toml"
    file.write_text('[[models]]\nname = "paper"\nengine = "sketch"\noffer = {steps = [12, 4]}\n')
    assert main(["check", "--config", str(file)]) == 2
    assert f"{file}: models[0].offer.steps must be [lowest, highest]" in capsys.readouterr().err
