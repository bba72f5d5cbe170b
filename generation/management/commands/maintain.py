from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.core.management.base import CommandParser
from django.db import Error, close_old_connections

from generation.assets.previews import delete_previews
from generation.core import isolation
from generation.core.commands import StrictCommand
from generation.jobs.lease import promote, reap
from generation.maintenance import cleanup
from generation.maintenance.small_thumbnails import make_small_thumbnails

log = structlog.get_logger("ourvidz.chores")
PAUSE_SECONDS = 5.0
# The queue's chores run every round, the others once an hour.
EVERY_ROUND: Mapping[str, Callable[[], int]] = {
    "leases_reaped": reap,
    "retries_promoted": promote,
    "previews_dropped": delete_previews,
    "small_thumbnails_made": make_small_thumbnails,
}
HOURLY: Mapping[str, Callable[[], int]] = {
    "trash_purged": cleanup.purge_trash,
    "purges_forgotten": cleanup.delete_old_tombstones,
    "uploads_dropped": cleanup.delete_old_uploads,
    "references_dropped": cleanup.delete_old_references,
    "events_dropped": cleanup.delete_old_events,
    "unsuccessful_jobs_dropped": cleanup.delete_unsuccessful_jobs,
    "sessions_dropped": cleanup.delete_expired_sessions,
}
ROUNDS_IN_AN_HOUR = int(3600 / PAUSE_SECONDS)


class Command(StrictCommand):
    help = (
        "Run the chores in a loop: end expired leases, promote delayed retries, purge the trash, delete old "
        "uploads, reference images, outbox events, sessions and jobs without a result. Each is "
        "bounded, and safe to run twice at once."
    )

    # The checks would import every page for a process that serves none.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="One round of everything instead of a loop.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        if once:
            for name, count in {**run_chores(EVERY_ROUND), **run_chores(HOURLY)}.items():
                self.stdout.write(f"{name}: {count}")
        else:
            _loop()


def run_chores(some: Mapping[str, Callable[[], int]]) -> dict[str, int]:
    """What each did; one that fails is logged, and the others run nevertheless."""
    counts = {}
    for name, chore in some.items():
        try:
            counts[name] = chore()
        except Exception as error:
            if not isolation.concerns_the_row(error):
                raise
            isolation.log_failure("chore.failed", error, chore=name)
    return counts


def _loop() -> None:
    number = 0
    while True:
        try:
            counts = run_chores(EVERY_ROUND) | (run_chores(HOURLY) if number % ROUNDS_IN_AN_HOUR == 0 else {})
        except Error as error:  # whichever: without chores no lease is reaped and nothing is deleted
            log.warning("chores.database_away", error=type(error).__name__)
        else:
            number += 1
            if any(counts.values()):
                log.info("chores.done", **{name: count for name, count in counts.items() if count})
        close_old_connections()
        time.sleep(PAUSE_SECONDS)
