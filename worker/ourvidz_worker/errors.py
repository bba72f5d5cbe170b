"""The exceptions of this package."""

from __future__ import annotations


class WorkerError(Exception):
    """The base class of this package's exceptions."""


class TokenRefused(WorkerError):
    """The server does not know this token, or not any more: every request will fail."""


class ConnectionUnusable(WorkerError):
    """This machine's proxy or certificates prevent every request; the message is for the operator."""


class ServerRefused(WorkerError):
    """The server refused the request, and would refuse it again. `code`: the problem's, if it has one."""

    def __init__(self, status: int, detail: str, code: str = "") -> None:
        super().__init__(f"the server answered {status}: {detail}")
        self.status = status
        self.detail = detail
        self.code = code


class WorkerDisabled(ServerRefused):
    """An admin has disabled this worker, and may enable it again."""


class ServerUnavailable(WorkerError):
    """There was no response, or one that allows a retry: with its `status`, and `retry_after` in seconds."""

    def __init__(self, reason: str, retry_after: float | None = None, status: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.status = status


class LeaseLost(ServerRefused):
    """The job was cancelled or is leased to another worker: this one must drop it."""

    def __init__(self, detail: str) -> None:
        super().__init__(409, detail)


class Halted(WorkerError):
    """The session was stopped while it waited or generated."""


class EngineUnusable(WorkerError):
    """The engine cannot work as it is installed or configured; the message is for the operator."""


class EngineBroken(WorkerError):
    """The engine fails every job; a new process may not. The message is for the operator."""


class MalformedLease(WorkerError):
    """The server leased a job that this version does not understand."""
