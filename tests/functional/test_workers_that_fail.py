"""Workers that die, freeze, stop and lose their server, as real processes. Open pages show how it ends."""

from __future__ import annotations

import signal

from tests.functional import ledger
from tests.functional.installation import Installation
from tests.functional.programs import eventually

PACE_S = 1.5  # a slot's least time: room to act in the middle of a job


def test_a_killed_workers_job_is_finished_by_the_next(live: Installation) -> None:
    """Pitfall 12: no lease, and the job dies with its worker. What the first one delivered is kept."""
    first = live.worker(pace=PACE_S)
    person = live.person()
    page = live.page(person)
    job = person.submit(quantity=3)
    eventually(lambda: ledger.done(job))
    first.kill()
    before = {asset.pk: asset.sha256 for asset in ledger.done(job)}

    live.worker()
    page.converges({job: 3})

    ledger.assert_whole(job, 3)
    assert ledger.attempts(job) == [("expired", len(before)), ("reported", 3 - len(before))]
    assert before.items() <= {asset.pk: asset.sha256 for asset in ledger.done(job)}.items()


def test_a_frozen_worker_that_wakes_up_overwrites_nothing(live: Installation) -> None:
    """Pitfall 16: it gets 409 for the rest, because another has taken over."""
    frozen = live.worker(pace=PACE_S)
    person = live.person()
    page = live.page(person)
    job = person.submit(quantity=6)
    eventually(lambda: ledger.done(job))
    frozen.signal(signal.SIGSTOP)
    brought = len(ledger.done(job))

    second = live.worker(pace=PACE_S)
    second.wait_for("job_leased")
    frozen.signal(signal.SIGCONT)

    assert frozen.wait_for("job_ended")["ending"] == "lease_lost"
    assert ledger.status(job) == "processing", "the second worker was not at work any more: nothing was shown"
    page.converges({job: 6})
    ledger.assert_whole(job, 6)
    assert ledger.attempts(job) == [("expired", brought), ("reported", 6 - brought)]
    makers = [ledger.came_from(asset) for asset in ledger.job(job).slots]
    assert makers == [1] * brought + [2] * (6 - brought)


def test_a_worker_told_to_stop_gives_its_job_back(live: Installation) -> None:
    worker = live.worker(pace=PACE_S)
    job = live.person().submit(quantity=3)
    eventually(lambda: ledger.done(job))

    assert worker.stop() == 0

    brought = len(ledger.done(job))
    assert ledger.status(job) == "queued"
    assert ledger.job(job).attempts_left == 3, "a release costs no attempt"
    assert ledger.attempts(job) == [("released", brought)]
    live.worker()
    eventually(lambda: ledger.status(job) == "completed")
    ledger.assert_whole(job, 3)


def test_workers_outlive_their_server(live: Installation) -> None:
    """One in the middle of a job, one that waits for work."""
    busy = live.worker(pace=PACE_S)
    person = live.person()
    page = live.page(person)
    job = person.submit(quantity=3)
    eventually(lambda: ledger.done(job))
    idle = live.worker()

    live.kill_server()
    busy.wait_for("heartbeat_failed")
    idle.wait_for("lease_failed")
    live.start()

    page.converges({job: 3})
    ledger.assert_whole(job, 3)
    assert busy.is_running
    assert idle.is_running
    later = person.submit()
    page.converges({job: 3, later: 1})
    ledger.assert_whole(later, 1)
