"""Validation of submissions, shared by the form and the API."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from generation.catalog.job_types import JOB_TYPES, JobType, ReferenceType
from generation.catalog.models import ServedModel
from generation.core.graphemes import cut
from generation.core.text import control_error, is_visible, plain_text

PROMPT_LENGTH = 4000
MAX_SEED = 2**32 - 1
LONGEST_DEADLINE = timedelta(days=30)


class InvalidSubmission(Exception):
    """`errors` has a message for each invalid field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceInput:
    """A reference image: one that was uploaded (`reference`), or one of the owner's images (`image`).

    `strength` runs from 0 to 1; None means what is usual for its type.
    """

    type: str
    strength: float | None = None
    reference: uuid.UUID | None = None
    image: uuid.UUID | None = None

    def check(self) -> str:
        """The error of this reference on its own; empty if it is valid."""
        if self.type not in ReferenceType:
            known = ", ".join(ReferenceType.values)
            return f"There is no type of reference “{cut(self.type, 40)}”, only {known}."
        if self.strength is not None and not 0 <= self.strength <= 1:
            return "A strength is a number from 0 to 1."
        if (self.reference is None) == (self.image is None):
            return "Name either an uploaded reference or an image of yours."
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One submission. Empty aspect and quantity mean the job type's default; no seed means a random one.

    Its text has plain ends of lines and spaces, wherever it was pasted from. An empty `model` leaves the
    choice to the server; `settings` are of what the named model offers.
    """

    job_type: str
    prompt: str
    negative_prompt: str = ""
    quantity: int | None = None
    seed: int | None = None
    aspect: str = ""
    project_id: uuid.UUID | None = None
    review: bool = False
    references: Sequence[ReferenceInput] = field(default_factory=tuple)
    # Until when it may wait: a moment, or for how long from its submission.
    deadline: datetime | timedelta | None = None
    model: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    # As `Job.typed_prompt`; for the history of prompts alone.
    typed_prompt: str | None = None

    def __post_init__(self) -> None:
        for name in ("prompt", "negative_prompt"):
            object.__setattr__(self, name, plain_text(getattr(self, name)))

    def digest(self) -> str:
        """SHA-256 over all that says what is made: two submissions with one key must be the same one."""
        fields = asdict(self)
        del fields["typed_prompt"]
        # As submissions of earlier releases, which may be repeated after an upgrade.
        for name in ("deadline", "model", "settings"):
            if fields[name] in (None, "", {}):
                del fields[name]
        canonical = json.dumps(fields, sort_keys=True, default=str)
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()

    def deadline_at(self) -> datetime | None:
        """The deadline of a submission that is made now. Raises InvalidSubmission if it has passed."""
        now = timezone.now()
        if isinstance(self.deadline, timedelta):
            return now + self.deadline
        if self.deadline and self.deadline <= now:
            raise InvalidSubmission({"deadline_at": "That moment has passed already."})
        return self.deadline

    def check(self, model: ServedModel | None = None) -> JobType:
        """Validate every field; returns the job type. `model` is the named one, None if there is none.

        Raises:
            InvalidSubmission: with a message for each invalid field.
        """
        job_type = JOB_TYPES.get(self.job_type)
        errors = {
            "job_type": "" if job_type else f"There is no job type “{cut(self.job_type, 60)}”.",
            "prompt": _text_error(self.prompt, required=True),
            "negative_prompt": _text_error(self.negative_prompt),
            "seed": _seed_error(self.seed),
            "deadline_at": _deadline_error(self.deadline),
            "references": _references_error(self.references),
            "model": self._model_error(model),
        }
        if job_type:
            errors |= self._errors_against(job_type, model)
        if found := {name: message for name, message in errors.items() if message}:
            raise InvalidSubmission(found)
        assert job_type is not None
        return job_type

    def _model_error(self, model: ServedModel | None) -> str:
        if self.model and model is None:
            return f"There is no model “{cut(self.model, 60)}” that you can use."
        return "Name the model that these settings are of." if self.settings and not self.model else ""

    def _errors_against(self, job_type: JobType, model: ServedModel | None) -> dict[str, str]:
        errors = {}
        if self.quantity is not None and self.quantity not in job_type.quantities:
            allowed = ", ".join(map(str, job_type.quantities))
            errors["quantity"] = f"{job_type.title} makes {allowed} at a time, not {self.quantity}."
        types = [reference.type for reference in self.references]
        well_formed = not _references_error(self.references)
        if model:
            return errors | model.errors(
                job_type,
                aspect=self.aspect,
                settings=self.settings,
                references=types if well_formed else (),
            )
        if self.aspect and self.aspect not in job_type.sizes:
            allowed = ", ".join(job_type.sizes)
            errors["aspect"] = f"{job_type.title} has the aspect ratios {allowed}."
        if well_formed:
            errors["references"] = job_type.references_error(types)
        return errors


def _text_error(text: str, *, required: bool = False) -> str:
    if required and not is_visible(text):
        return "Write a prompt first."
    if len(text) > PROMPT_LENGTH:
        return f"At most {PROMPT_LENGTH:,} characters; this has {len(text):,}."
    return control_error(text)


def _references_error(references: Sequence[ReferenceInput]) -> str:
    if found := next(filter(None, (reference.check() for reference in references)), ""):
        return found
    if len({reference.type for reference in references}) < len(references):
        return "Each type of reference can be used once."
    return ""


def _deadline_error(deadline: datetime | timedelta | None) -> str:
    """One that has passed is refused with the submission alone, which may have been made before."""
    ahead = deadline - timezone.now() if isinstance(deadline, datetime) else deadline
    if ahead is not None and ahead > LONGEST_DEADLINE:
        return f"A deadline is at most {LONGEST_DEADLINE.days} days ahead."
    return ""


def _seed_error(seed: int | None) -> str:
    if seed is not None and not 0 <= seed <= MAX_SEED:
        return f"A seed is a whole number from 0 to {MAX_SEED:,}."
    return ""
