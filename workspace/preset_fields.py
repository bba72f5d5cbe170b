"""What of the composer a preset holds: checked as for a submission, the prompt only if it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.http import QueryDict

from generation.assets.references import references_from_images
from generation.catalog.submission import InvalidSubmission
from generation.core.actors import Actor
from workspace.forms import ComposerForm
from workspace.presets import PROMPT_FIELDS, SWITCHES, TEXT_FIELDS, BadPreset

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def fields_of(owner: User, actor: Actor, posted: QueryDict, *, with_prompt: bool) -> dict[str, Any]:
    """The composer's fields as they were posted.

    Raises:
        BadPreset: one cannot be used.
    """
    data = posted.copy()
    data["new_project"] = ""
    if not (with_prompt and data.get("prompt", "").strip()):
        with_prompt, data["prompt"] = False, "-"
    form = ComposerForm(owner, data)
    if not form.is_valid():
        raise BadPreset(f"Not saved: {_first_error(form)}")
    names = [name for name in (*TEXT_FIELDS, *SWITCHES) if with_prompt or name not in PROMPT_FIELDS]
    fields = {name: form[name].value() or (False if name in SWITCHES else "") for name in names}
    if with_prompt:
        fields["prompt"] = data["prompt"]
    try:
        references = references_from_images(
            owner_id=owner.pk, actor=actor, inputs=form.cleaned_data["references"]
        )
    except InvalidSubmission as refused:
        raise BadPreset(f"Not saved: {next(iter(refused.errors.values()))}") from refused
    rows = [(f"reference:{each.reference}", each.type, _text(each.strength)) for each in references]
    return fields | {"references": rows, "settings": dict(form.submissions[0].settings)}


def _text(strength: float | None) -> str:
    return "" if strength is None else str(strength)


def _first_error(form: forms.Form) -> str:
    return next(str(messages[0]) for messages in form.errors.values())


def check_fields(fields: object) -> None:
    """Of what an operator writes. Raises ValueError with a sentence."""
    if not isinstance(fields, dict):
        raise ValueError("An object is wanted: the composer's fields by their names.")
    texts = {"prompt", *TEXT_FIELDS}
    for name, value in fields.items():
        wanted = str if name in texts else bool if name in SWITCHES else None
        if (name == "references" and value == []) or (name == "settings" and isinstance(value, dict)):
            continue
        if wanted is None:
            raise ValueError(f"There is no field “{name[:40]}” in a shared preset.")
        if not isinstance(value, wanted):
            kind = "text" if wanted is str else "true or false"
            raise ValueError(f"“{name}” is {kind}.")
