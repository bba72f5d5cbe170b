"""Plain HTTP to a server: to this machine, to a private network, through other people's."""

from __future__ import annotations

import json
import subprocess

import pytest

from ourvidz_worker.plain_http import Reach, reach_of
from tests.worker.test_cli import command, environment, run


@pytest.mark.parametrize(
    "server", ["http://1.1.1.1", "http://[2606:4700::1111]", "http://studio.example:8000"]
)
@pytest.mark.parametrize("what", ["run", "check"])
def test_a_token_is_not_sent_in_the_clear_through_other_peoples_networks(what: str, server: str) -> None:
    result = run(what, "--server", server, OURVIDZ_WORKER_TOKEN="ovw_secret")
    assert result.returncode == (2 if what == "run" else 1)
    answer = result.stderr if what == "run" else result.stdout
    assert f"{server} would send the token, prompts and results unencrypted" in answer
    assert "use https://, or say --insecure" in answer
    assert "ovw_secret" not in answer


@pytest.mark.parametrize(
    ("server", "more"),
    [("http://192.0.2.1:1", {}), ("http://studio.example:1", {"OURVIDZ_WORKER_INSECURE": "1"})],
)
def test_a_private_network_and_a_wish_get_a_warning(server: str, more: dict[str, str]) -> None:
    worker = subprocess.Popen(
        command("run", "--server", server),
        env=environment(OURVIDZ_WORKER_TOKEN="ovw_secret", **more),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert json.loads(worker.stderr.readline())["event"] == "server_unencrypted"
    finally:
        worker.kill()
        worker.communicate()


@pytest.mark.parametrize(
    ("url", "reach"),
    [
        ("https://studio.example", Reach.ENCRYPTED),
        ("http://localhost:8000", Reach.THIS_MACHINE),
        ("http://studio.localhost", Reach.THIS_MACHINE),
        ("http://127.8.0.1", Reach.THIS_MACHINE),
        ("http://[::1]", Reach.THIS_MACHINE),
        ("http://[::ffff:127.0.0.1]", Reach.THIS_MACHINE),
        ("http://10.1.2.3", Reach.PRIVATE),
        ("http://100.100.1.2", Reach.PRIVATE),
        ("http://[fd00::7]", Reach.PRIVATE),
        ("http://[fe80::7]", Reach.PRIVATE),
        ("http://[::ffff:1.1.1.1]", Reach.PUBLIC),
        ("http://no-such-container", Reach.PRIVATE),
        ("http://no-such-machine.lan", Reach.PRIVATE),
        ("http://no-such-machine.example.", Reach.PUBLIC),
    ],
)
def test_where_plain_http_goes(url: str, reach: Reach) -> None:
    assert reach_of(url) is reach
