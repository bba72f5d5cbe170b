"""What a refusal of the embeddings' calls means: whether to ask again, and what to tell the operator."""

from __future__ import annotations

from ourvidz_worker.errors import ServerRefused, WorkerDisabled, WorkerError

NO_EMBEDDINGS_CODE, NOT_ALLOWED_CODE = "no_embeddings_here", "embedding_not_allowed"


class EmbeddingRefused(WorkerError):
    """The server lets this embedder do nothing as things are; the message is for the operator."""


def has_no_embeddings(refused: ServerRefused) -> bool:
    """Whether the server has no search by content, or is older than it."""
    return refused.code == NO_EMBEDDINGS_CODE or refused.status == 404


def final_reason(refused: ServerRefused, *, connected: bool) -> str:
    """Why asking again is of no use; empty where it may be.

    Once `connected`, the address is right: a 404 without a code then comes from a proxy whose server is being
    replaced.
    """
    if isinstance(refused, WorkerDisabled):
        return ""
    if refused.code == NO_EMBEDDINGS_CODE or (has_no_embeddings(refused) and not connected):
        return f"the server has no search by content ({refused.detail})"
    if refused.code == NOT_ALLOWED_CODE:
        return (
            "this worker may not embed: use the token of one that was made with "
            "`manage.py create_worker NAME --embeds`, or allow it in the admin"
        )
    if refused.status == 409:
        return f"the server's embeddings are of another model ({refused.detail})"
    if refused.status in (403, 422) or not connected:
        return f"the server does not take this embedder: {refused}"
    return ""
