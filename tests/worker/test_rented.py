"""Machines by the hour and with several GPUs: when a worker ends, what it says, which GPU it sees."""

from __future__ import annotations

import time

import pytest

from ourvidz_worker.gpu_choice import NoSuchGpu, device, show_only
from tests.worker.protocol_server import TOKEN, ProtocolServer, job_body
from tests.worker.test_cli import run


def test_it_ends_when_nothing_came_for_so_long(server: ProtocolServer) -> None:
    """After its job, and with 0, so that nothing starts it again; rented machines then end by themselves."""
    server.jobs.append(job_body())
    server.hold_s = 0.2
    began = time.monotonic()
    done = run("run", "--server", server.url, "--token", TOKEN, "--exit-when-idle", "1.5")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began > 1.5
    assert "idle" in done.stderr
    assert server.seen("/job-callback")
    waits = [request.json["wait_s"] for request in server.seen("/lease")]
    assert max(waits) <= 1.5


@pytest.mark.parametrize("value", ["-1", "soon", "10000000"])
def test_how_long_is_a_number_of_seconds(server: ProtocolServer, value: str) -> None:
    done = run("run", "--server", server.url, "--token", TOKEN, f"--exit-when-idle={value}")
    assert (done.returncode, "must be seconds from 0 to 604800" in done.stderr) == (2, True)


def test_without_a_number_it_is_five_minutes(server: ProtocolServer) -> None:
    """The option may stand before another one."""
    done = run("run", "--exit-when-idle", "--server", server.url, "--token", "wrong")
    assert "refused this worker's token" in done.stderr


def test_a_server_that_is_away_is_no_idleness(server: ProtocolServer) -> None:
    """What waits on the disk is to be delivered first; an outage says nothing of the queue."""
    for _ in range(4):  # of which the question whether the token is right takes one
        server.script("POST /lease", 503, None, Retry_After="0")
    done = run("run", "--server", server.url, "--token", TOKEN, "--exit-when-idle", "0")
    assert done.returncode == 0
    assert done.stderr.count("lease_failed") == 3


def test_a_machine_that_may_vanish_says_so(server: ProtocolServer) -> None:
    flags = ("--server", server.url, "--token", TOKEN, "--exit-when-idle", "0")
    run("run", *flags, "--interruptible")
    assert server.seen("/lease")[-1].json["interruptible"] is True
    run("run", *flags)
    assert "interruptible" not in server.seen("/lease")[-1].json


def test_an_older_server_is_not_told(server: ProtocolServer) -> None:
    for _ in range(2):
        server.script("POST /lease", 422, {"detail": "interruptible: There is no such field."})
    server.jobs.append(job_body())
    run("run", "--server", server.url, "--token", TOKEN, "--exit-when-idle", "1", "--interruptible")
    assert ["interruptible" in request.json for request in server.seen("/lease")][:2] == [True, False]
    assert server.seen("/job-callback")


@pytest.mark.parametrize(
    ("chosen", "before", "after"),
    [
        ("cuda:1", {}, {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        ("cuda:1", {"CUDA_VISIBLE_DEVICES": "3, 5"}, {"CUDA_VISIBLE_DEVICES": "5"}),
        ("cuda:0", {"CUDA_VISIBLE_DEVICES": "GPU-8932"}, {"CUDA_VISIBLE_DEVICES": "GPU-8932"}),
        ("cuda", {}, {}),
        ("auto", {"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "2"}),
        ("cpu", {}, {}),
    ],
)
def test_one_gpu_of_several_is_all_that_the_libraries_see(
    chosen: str, before: dict[str, str], after: dict[str, str]
) -> None:
    environment = dict(before)
    show_only(device(chosen), environment)
    assert environment == after


def test_a_gpu_that_is_hidden_is_named() -> None:
    with pytest.raises(NoSuchGpu, match="CUDA_VISIBLE_DEVICES is '4', which shows 1"):
        show_only("cuda:1", {"CUDA_VISIBLE_DEVICES": "4"})


@pytest.mark.parametrize("text", ["cuda:", "cuda:x", "cuda1", "gpu", "cuda:1000", "mps:1", ""])
def test_other_devices_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cuda:N"):
        device(text)
