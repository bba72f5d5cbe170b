from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.core.management.base import CommandParser
from django.db import Error, close_old_connections

from downloads.archives import delete_old_archives
from generation.assets import file_deletions, operation_work
from generation.assets.previews import delete_previews
from generation.core import isolation
from generation.core.commands import StrictCommand
from generation.jobs.deadlines import cancel_late
from generation.jobs.lease import promote, reap
from generation.jobs.pausing import follow_pauses
from generation.maintenance import cleanup, embeddings, search_index
from generation.maintenance.small_thumbnails import make_small_thumbnails
from generation.maintenance.unknown_sound import measure_sound
from generation.queue import unused_models
from sharing.links import delete_ended_links
from workspace.presets import models_of_presets

log = structlog.get_logger("ourvidz.chores")
PAUSE_SECONDS = 5.0
# The queue's chores run every round, the others once an hour.
EVERY_ROUND: Mapping[str, Callable[[], int]] = {
    "leases_reaped": reap,
    "retries_promoted": promote,
    "jobs_following_a_pause": follow_pauses,
    "late_jobs_cancelled": cancel_late,
    "previews_dropped": delete_previews,
    "chunks_worked": operation_work.work_all,
    "results_indexed": search_index.index_older_results,
    "embeddings_wanted": embeddings.want_older_results,
    "small_thumbnails_made": make_small_thumbnails,
    "sounds_measured": measure_sound,
}
HOURLY: Mapping[str, Callable[[], int]] = {
    "trash_purged": cleanup.purge_trash,
    "files_deleted": file_deletions.delete_left,
    "purges_forgotten": cleanup.delete_old_tombstones,
    "uploads_dropped": cleanup.delete_old_uploads,
    "references_dropped": cleanup.delete_old_references,
    "events_dropped": cleanup.delete_old_events,
    "operations_dropped": cleanup.delete_old_operations,
    "groupings_dropped": cleanup.delete_old_groupings,
    "unsuccessful_jobs_dropped": cleanup.delete_unsuccessful_jobs,
    "models_dropped": lambda: unused_models.delete_old(models_of_presets()),
    "sessions_dropped": cleanup.delete_expired_sessions,
    "texts_dropped": embeddings.delete_old_texts,
    "archives_dropped": delete_old_archives,
    "share_links_dropped": delete_ended_links,
}
ROUNDS_IN_AN_HOUR = int(3600 / PAUSE_SECONDS)


class Command(StrictCommand):
    help = (
        "Run the chores in a loop: end expired leases, promote delayed retries, purge the trash, delete old "
        "uploads, reference images, outbox events, sessions, archives, ended share links, models that nobody "
        "has and jobs without a result, add older results to the search index and to what is embedded, make "
        "small thumbnails of results without, measure whether older videos have sound. Each is bounded, and "
        "safe to run twice at once."
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
        _pause()


def _pause() -> None:
    """Until the next round, or until there is a bulk operation to work: somebody looks at its progress."""
    for _ in range(int(PAUSE_SECONDS)):
        time.sleep(1.0)
        with contextlib.suppress(Error):
            if operation_work.owners_with_work():
                return
