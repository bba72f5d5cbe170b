"""Temporary failures of the service (database unavailable, disk full), answered alike by pages and APIs."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

# In the error messages of SQLite and PostgreSQL.
NO_SPACE = ("disk is full", "No space left on device")
# SQLite has one writer at a time; another one, perhaps a program of somebody's, did not end in time.
LOCKED = ("database is locked", "database table is locked")
# SQLite raises these as OperationalError too, though waiting does not help.
DEFECTS = ("no such table", "no such column", "syntax error")


@dataclass(frozen=True, slots=True)
class ServiceError:
    """What to answer with 503: `code` for programs and the log, `message` for people, `retry_after` in s."""

    code: str
    event: str
    message: str
    retry_after: int

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


DATABASE_UNAVAILABLE = ServiceError(
    "unavailable", "database.away", "The database does not answer. Try again.", 5
)
DATABASE_BUSY = ServiceError(
    "busy", "database.busy", "The server is busy: its database is in use. Nothing was changed. Try again.", 2
)
DISK_FULL = ServiceError(
    "disk_full", "disk.full", "The server's disk is full. Nothing was kept; try again later.", 10
)


def service_error_of(error: BaseException | None) -> ServiceError | None:
    """The service error behind an exception; None for a defect of the program."""
    match error:
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return DISK_FULL
        case OperationalError() if any(words in str(error) for words in DEFECTS):
            return None
        case OperationalError() if any(words in str(error) for words in LOCKED):
            return DATABASE_BUSY
        case OperationalError() | InterfaceError():
            return DISK_FULL if any(words in str(error) for words in NO_SPACE) else DATABASE_UNAVAILABLE
    return None
