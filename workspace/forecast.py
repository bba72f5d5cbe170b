"""What is said before Make: how many jobs it makes, where they would stand, how long each kind takes."""

from __future__ import annotations

from typing import Any

from django import forms

from generation.access import quotas
from generation.access.models import served_model
from generation.catalog.job_types import JOB_TYPES, ReferenceType
from generation.catalog.prompts import expand
from generation.catalog.submission import InvalidSubmission
from generation.core.limits import MODEL_LENGTH
from generation.queue import estimates
from generation.queue.snapshot import Snapshot
from workspace.estimates import duration, forecast_in_words
from workspace.forms import DEADLINES


class ForecastForm(forms.Form):
    """What the composer would submit, as far as it decides that. Without a prompt it is one job."""

    job_type = forms.ChoiceField(choices=[(name, job_type.title) for name, job_type in JOB_TYPES.items()])
    quantity = forms.IntegerField()
    references = forms.MultipleChoiceField(choices=ReferenceType.choices, required=False)
    prompt = forms.CharField(required=False, strip=False)
    one_per_line = forms.BooleanField(required=False)
    model = forms.CharField(required=False, max_length=MODEL_LENGTH)
    within = forms.TypedChoiceField(
        choices=[*DEADLINES.items()], coerce=int, empty_value=None, required=False
    )

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if self.errors:
            return given
        job_type = JOB_TYPES[given["job_type"]]
        if given["quantity"] not in job_type.quantities:
            self.add_error("quantity", "This job type does not make as many.")
        elif wrong := job_type.references_error(given["references"]):
            self.add_error("references", wrong)
        return given


def forecast(owner_id: int, form: ForecastForm) -> dict[str, object]:
    """Of a valid form, for the page's script. What would be refused has its reason as the `text`.

    Of a model that the owner may not use nothing is told: as if none was named.
    """
    given = form.cleaned_data
    job_type, references = JOB_TYPES[given["job_type"]], sorted(set(given["references"]))
    usable = served_model(owner_id, given["model"])
    model = usable.name if usable else ""
    snapshot = Snapshot([job_type.pool(references, model)])
    takes = run_times_in_words(snapshot, model)
    answer: dict[str, object] = {"ok": True, "served": True, "takes": takes}
    jobs = 1
    try:
        jobs = len(expand(given["prompt"], one_per_line=given["one_per_line"]))
        quotas.check(owner_id, more=jobs)
    except (InvalidSubmission, quotas.OverLimit) as refused:
        return answer | {"refused": True, "make": make_in_words(jobs), "text": _reason(refused)}
    expected = estimates.forecast(
        owner_id=owner_id,
        job_type=job_type,
        quantity=given["quantity"],
        references=references,
        model=model,
        jobs=jobs,
        snapshot=snapshot,
    )
    words = {
        "make": make_in_words(jobs),
        "text": forecast_in_words(expected, jobs, within=given["within"] or 0),
    }
    return answer | words | {"served": expected.served, "refused": False}


def _reason(refused: InvalidSubmission | quotas.OverLimit) -> str:
    return refused.errors["prompt"] if isinstance(refused, InvalidSubmission) else refused.message


def make_in_words(jobs: int) -> str:
    """What the button says."""
    return f"Make {jobs} jobs" if jobs > 1 else "Make"


def run_times_in_words(snapshot: Snapshot, model: str = "") -> dict[str, dict[int, str]]:
    """How long each job type takes, by quantity, with this model where it makes it."""
    return {
        name: {quantity: f"about {duration(seconds)}" for quantity, seconds in times.items()}
        for name, times in estimates.typical_seconds(snapshot, model).items()
    }
