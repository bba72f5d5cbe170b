"""What can go wrong with a ComfyUI, as errors of the slots that have no result for it.

Users read the message; node names, files and addresses are for the operator alone (`advice`).
"""

from __future__ import annotations

from ourvidz_worker.protocol import AssetError

AWAY = "comfy_away"


class ComfyFault(Exception):
    """A slot that has no result; `error` says why."""

    def __init__(self, error: AssetError) -> None:
        super().__init__(error.for_operator)
        self.error = error


def away(reason: str) -> ComfyFault:
    return _fault(AWAY, "The program that runs this model cannot be reached.", reason)


def restarted(reason: str) -> ComfyFault:
    return _fault("comfy_restarted", "The program that runs this model was started again.", reason)


def removed(prompt_id: str) -> ComfyFault:
    advice = f"ComfyUI knows the prompt {prompt_id} no longer: somebody deleted it or cleared the history."
    return _fault("comfy_removed", "The work on this result was removed.", advice)


def interrupted(where: str) -> ComfyFault:
    return _fault(
        "comfy_interrupted", "The work on this result was interrupted.", f"In ComfyUI, by hand, in {where}."
    )


def refused(reason: str) -> ComfyFault:
    return _fault("workflow_refused", "The workflow of this model cannot be run.", reason)


def unsupported(what: str, reason: str) -> ComfyFault:
    """A value of the job that the workflow does not take: no worker with this model does it."""
    message = f"This model does not support: {what}."
    return ComfyFault(AssetError("unsupported_parameter", message, retryable=False, advice=reason))


def failed(where: str, exception: str, message: str) -> ComfyFault:
    advice = f"{where}: {exception}: {message}"
    if is_out_of_memory(exception, message):
        return _fault("out_of_memory", "The worker has too little memory for this.", advice)
    return _fault("workflow_failed", "The workflow of this model failed.", advice)


def is_out_of_memory(exception: str, message: str) -> bool:
    return exception.rpartition(".")[2] in ("OutOfMemoryError", "MemoryError") or "out of memory" in (
        message.lower()
    )


def no_output(where: str, *, is_cached: bool) -> ComfyFault:
    why = "ComfyUI took all of it from its cache, twice" if is_cached else "it ended without an error"
    return _fault("output_missing", "The workflow of this model made nothing.", f"No file of {where}: {why}.")


def wrong_number(where: str, count: int) -> ComfyFault:
    message = f"The workflow of this model made {count} files in place of one."
    return _fault("wrong_output", message, f"{where} must save one file: set its batch size to 1.")


def wrong_kind(message: str, advice: str) -> ComfyFault:
    return _fault("wrong_output", message, advice)


def file_missing(name: str) -> ComfyFault:
    advice = f"ComfyUI made {name} and does not have it any more."
    return _fault("output_missing", "The file of this result is gone.", advice)


def too_large(limit: int) -> ComfyFault:
    message = f"The result has over {limit} bytes, which are allowed."
    return ComfyFault(AssetError("too_large", message, retryable=False))


def _fault(code: str, message: str, advice: str) -> ComfyFault:
    return ComfyFault(AssetError(code, message, retryable=True, advice=advice))
