"""The domain's errors. generation.http.problems maps each to its HTTP response, once."""

from __future__ import annotations


class DomainError(Exception):
    """A refusal with a stable `code` for programs and a `message` for people."""

    code = "refused"
    retry_after: int | None = None  # s, where waiting helps

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(DomainError):
    """No such thing, or not the caller's."""

    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}.")


class BadName(DomainError):
    """Empty, too long, with control characters, or taken."""

    code = "bad_name"


class JobNotFound(DomainError):
    """No such job, or not the caller's."""

    code = "job_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such job.")


class ImportNotFound(DomainError):
    """No such import, or not the caller's."""

    code = "import_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such import.")


class AlreadyImported(DomainError):
    """Another file completed the import before."""

    code = "already_imported"

    def __init__(self) -> None:
        super().__init__("This import has its file already.")


class UnknownSlot(DomainError):
    """The job has no such slot."""

    code = "unknown_slot"

    def __init__(self, slot: int) -> None:
        super().__init__(f"The job has no slot {slot}.")


class TooManyUploads(DomainError):
    """More different files came for a slot in one attempt than any worker needs."""

    code = "too_many_uploads"

    def __init__(self, limit: int) -> None:
        super().__init__(f"One attempt uploads at most {limit} different files for a slot.")


class TooManyPreviews(DomainError):
    """More previews of a job than pages show; drop this one."""

    code = "too_many_previews"

    def __init__(self) -> None:
        super().__init__("At most two previews of a job a second. Drop this one.")


class UnusablePreview(DomainError):
    """Bytes that are no picture of a preview's size; the code says what is wrong with them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooManyDecodes(DomainError):
    """Other files are being decoded, the caller's own or others'; nothing is known about this one."""

    code = "busy_with_pictures"
    retry_after = 2

    def __init__(self) -> None:
        super().__init__("Other pictures are being looked at just now. Send this one again in a moment.")


class DecoderUnavailable(DomainError):
    """No decoding process can be started or believed; the log says why."""

    code = "decoder_unavailable"
    retry_after = 5

    def __init__(self) -> None:
        super().__init__("Pictures cannot be opened at this moment. Nothing was kept; try again.")


class LeaseLost(DomainError):
    """The lease ended, or another worker holds the job now; nothing was written."""

    code = "lease_lost"

    def __init__(self) -> None:
        super().__init__("This lease has ended. Drop the job; nothing was written.")


class NotRetryable(DomainError):
    """Only a failed, partly completed or cancelled job can be retried."""

    code = "not_retryable"

    def __init__(self, status: str) -> None:
        super().__init__(f"A job that is {status} cannot be retried.")


class SlotNotRetryable(NotRetryable):
    """Only a slot of the job that failed or was cancelled can be retried alone."""

    def __init__(self) -> None:
        DomainError.__init__(self, "Only what failed or was cancelled can be tried again.")


class ReferencesGone(NotRetryable):
    """A reference image of the job was removed, long after it was last used."""

    def __init__(self) -> None:
        DomainError.__init__(self, "A reference image of this job was removed. Send it with a new job.")


class ModelNotRetryable(NotRetryable):
    """The job's model is gone, or is another than the one that the job was submitted for."""

    def __init__(self, message: str) -> None:
        DomainError.__init__(self, message)


class ImportNotRetryable(NotRetryable):
    """What brought in a file is not made again."""

    def __init__(self) -> None:
        DomainError.__init__(self, "Only a file makes an import complete: send it again.")


class TooMany(DomainError):
    """More ids than one bulk action takes."""

    code = "too_many"

    def __init__(self, limit: int) -> None:
        super().__init__(f"One call takes at most {limit}.")


class IdempotencyKeyReused(DomainError):
    """The same Idempotency-Key came with another body."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another submission.")
