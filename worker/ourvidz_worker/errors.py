"""What can go wrong between a worker and its server."""

from __future__ import annotations


class WorkerError(Exception):
    """Anything this package raises on purpose."""


class TokenRefused(WorkerError):
    """The server does not know this token (any more): nothing will work until somebody changes it."""


class ConnectionUnusable(WorkerError):
    """No request can even be tried as this machine is set up; the message is a sentence for the operator."""


class ServerRefused(WorkerError):
    """The server answered, and repeating the request would not change the answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"the server answered {status}: {detail}")
        self.status = status


class WorkerDisabled(ServerRefused):
    """An admin has switched this worker off, and may switch it on again."""


class ServerAway(WorkerError):
    """No answer, or one that says "later". `retry_after`: seconds the server asked for, if it did; `status`
    of the answer, if there was one."""

    def __init__(self, reason: str, retry_after: float | None = None, status: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.status = status


class LeaseLost(ServerRefused):
    """The job belongs to somebody else now, or was cancelled: drop it."""

    def __init__(self, detail: str) -> None:
        super().__init__(409, detail)


class Halted(WorkerError):
    """The session was told to stop while it waited or drew."""


class EngineUnusable(WorkerError):
    """The engine cannot work as it is installed or configured; the message is a sentence for the operator."""


class EngineBroken(WorkerError):
    """The engine fails whatever it is given; a new process may not. The message is for the operator."""


class MalformedLease(WorkerError):
    """The server handed out a job that this version does not understand."""
