"""Going through the results that lack something an older version did not make or measure, newest first."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import structlog

from generation.core import isolation
from generation.core.errors import DecoderUnavailable, TooManyDecodes
from generation.core.service_errors import service_error_of
from generation.models import Asset
from generation.models.asset import AssetQuerySet

log = structlog.get_logger("ourvidz.chores")
AGAIN_SECONDS = 24 * 3600.0
ROUND_SECONDS = 5.0
MOST_PASSED_OVER = 100


class OlderResults:
    """One bounded round after another. What cannot be read is passed over, and tried again a day later.

    Nothing is written of that: a folder may be missing that is mounted tomorrow, and a slow machine may take
    a sound file for one that never ends. Where the next round goes on is known to this process alone, so that
    another one, or the next, tries once more; a round goes past MOST_PASSED_OVER of them, or ROUND_SECONDS.
    """

    def __init__(self, lacking: Callable[[], AssetQuerySet[Asset]], *, file: str, event: str) -> None:
        """`file` is the field that is read, `event` what the log calls one that cannot be."""
        self._lacking, self._file, self._event = lacking, file, event
        self.start_over()

    def start_over(self) -> None:
        """Go on with the newest."""
        self._below: uuid.UUID | None = None
        self._passed_over_at = 0.0

    def work(self, act: Callable[[Asset], int], limit: int) -> int:
        """The sum of `act` of the next ones, up to `limit`; it must be a transaction of its own."""
        done, end = 0, time.monotonic() + ROUND_SECONDS
        for asset in self._next(limit + MOST_PASSED_OVER):
            if done >= limit or time.monotonic() >= end:
                break
            try:
                done += act(asset)
            except Exception as error:  # noqa: BLE001 # raised again where it is not of the row
                if self._ends_the_round(asset, error):
                    break
        return done

    def _ends_the_round(self, asset: Asset, error: Exception) -> bool:
        """Whether others have to be waited for; what is wrong with this one alone is passed over."""
        if isinstance(error, TooManyDecodes):
            return True  # others' files come first; the next round goes on here
        if isinstance(error, OSError) and service_error_of(error):
            log.warning("chore.disk_full", error=type(error).__name__)
            return True  # the other chores make room
        if not isolation.concerns_the_row(error):
            raise error
        self._pass_over(asset, error)
        return isinstance(error, DecoderUnavailable)

    def _next(self, limit: int) -> list[Asset]:
        lacking = self._lacking().only(self._file).order_by("-id")
        found = list((lacking.filter(pk__lt=self._below) if self._below else lacking)[:limit])
        if not found and self._below and time.monotonic() >= self._passed_over_at + AGAIN_SECONDS:
            self.start_over()
        return found

    def _pass_over(self, asset: Asset, error: Exception) -> None:
        log.warning(self._event, asset=str(asset.pk), error=type(error).__name__)
        self._below, self._passed_over_at = asset.pk, time.monotonic()
