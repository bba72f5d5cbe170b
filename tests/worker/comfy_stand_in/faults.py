"""What a test can have go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Faults:
    """All off.

    `step_s`: how long each of a sampler's steps takes. `redirect_to`: where every request is sent.
    `prompt_answers_lost`: so many prompts are queued without an answer. `raises`: exception and message, by
    node class. `outputs`: what an output node says that it made, in place of what it did, by node class.
    """

    has_jobs: bool = True
    has_metadata_previews: bool = True
    interrupts_anything: bool = False
    forgets_cached_outputs: bool = False
    loses_files: bool = False
    refuses_sockets: bool = False
    cuts_sockets_after: int = 0
    answers_nonsense: bool = False
    redirect_to: str = ""
    prompt_answers_lost: int = 0
    step_s: float = 0.0
    raises: dict[str, tuple[str, str]] = field(default_factory=dict)
    outputs: dict[str, dict[str, object]] = field(default_factory=dict)
