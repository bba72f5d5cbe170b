"""The web server is away for longer than a lease while the chores go on: no worker loses its job by that."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.functional.conftest import QUICK
from tests.functional.installation import Installation
from tests.functional.programs import eventually

AWAY_S = 2.5 * float(QUICK["LEASE_SECONDS"])
Away = Callable[[Installation], AbstractContextManager[None]]


@contextmanager
def stopped(live: Installation) -> Iterator[None]:
    live.kill_server()
    yield
    live.start()


@contextmanager
def frozen(live: Installation) -> Iterator[None]:
    """As a machine that sleeps."""
    assert live.web
    live.web.signal(signal.SIGSTOP)
    yield
    live.web.signal(signal.SIGCONT)


@pytest.mark.parametrize("away", [stopped, frozen])
def test_a_lease_outlives_an_outage_in_which_the_chores_were_done(live: Installation, away: Away) -> None:
    """Pitfalls 14 and 48. Who does not come back loses it all the same."""
    person, worker, gone, other = live.person(), live.machine(), live.machine(), live.machine()
    person.submit()
    kept = worker.lease()
    person.submit()
    lost = gone.lease()
    with away(live):
        time.sleep(AWAY_S)
        chores = live.manage("maintain", "--once")
        told, trouble = chores.communicate()
        assert "leases_reaped: 0" in told, trouble
    assert worker.heartbeat(kept).status_code == 200

    def taken_over() -> bool:
        assert worker.heartbeat(kept).status_code == 200
        job = other.ask_for_work()
        return job is not None and job["job_id"] == lost["job_id"]

    eventually(taken_over)
