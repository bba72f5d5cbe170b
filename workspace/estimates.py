"""Estimates in words: for the card of a waiting job, and before Make."""

from __future__ import annotations

from generation.queue.estimates import QueuePosition


def duration(seconds: int) -> str:
    """A rough length of time, as people say it."""
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{round(minutes / 60)} h"


def position_in_words(position: QueuePosition) -> str:
    """For a waiting job that a live worker serves."""
    if position.position is None:
        return f"{_far_behind(position)} ahead of it, {_not_before(position)}"
    where = "next in line" if position.position == 1 else f"number {position.position} in line"
    return where if position.done_in is None else f"{where}, done in about {duration(position.done_in)}"


def forecast_in_words(position: QueuePosition, jobs: int = 1, *, within: int = 0) -> str:
    """For a job that is not submitted yet, or several, wanted `within` so many seconds, if that is not 0."""
    words = _forecast(position, jobs)
    soonest = position.done_in or position.not_before or 0
    return f"{words}: too late for your deadline" if 0 < within < soonest else words


def _forecast(position: QueuePosition, jobs: int) -> str:
    if position.paused:
        return "would wait: your queue is paused"
    if not position.served:
        return "would wait: no worker for it is running"
    if position.position is None or position.done_in is None:
        return f"{_far_behind(position)} ahead of you · {_not_before(position)}"
    ahead = f"{position.position - 1} ahead of you"
    if position.position == 1:
        ahead = "next in line" if position.starts_in else "starts at once"
    return f"{ahead} · about {duration(position.done_in)}" + (f" for all {jobs}" if jobs > 1 else "")


def _far_behind(position: QueuePosition) -> str:
    return f"more than {position.ahead}" if position.ahead else "many"


def _not_before(position: QueuePosition) -> str:
    return f"starts in {duration(position.not_before)} or later" if position.not_before else "starts later"
