from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django import forms

from generation.access.models import served_model
from generation.access.projects import DEFAULT_NAME, owned_projects
from generation.catalog.job_types import SDXL_SIZES, WAN_SIZES, JobType, Media
from generation.catalog.models import ServedModel
from generation.catalog.prompts import expand_lines
from generation.catalog.submission import MAX_SEED, InvalidSubmission, Submission
from generation.core.limits import MODEL_LENGTH, NAME_LENGTH
from generation.http.form_fields import PlainLineField, PlainTextField
from generation.queue.reordering import Place
from workspace import job_type_choice, model_settings
from workspace.model_settings import Control, PostedSettings
from workspace.references import ReferencesField

if TYPE_CHECKING:
    from django.contrib.auth.models import User

DEFAULTS = {"media": "image", "quality": "fast", "quantity": "1"}
# The form field that shows an error of the submission, if its name differs.
FIELD_OF_ERROR = {"job_type": None, "deadline_at": "within"}
DEADLINES = {600: "10 minutes", 1800: "30 minutes", 3600: "1 hour", 10_800: "3 hours", 28_800: "8 hours"}
DEADLINES |= {86_400: "24 hours"}


class NamesSelect(forms.Select):
    """A choice of names that users gave: the direction of writing of each follows its text."""

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(*args, **kwargs)
        option["attrs"]["dir"] = "auto"
        return option


class SettingsWidget(forms.Widget):
    """Reads `settings:steps` and its like; the template draws them."""

    def value_from_datadict(self, data: Mapping[str, Any], files: object, name: str) -> PostedSettings:
        return model_settings.posted(data)


class ComposerForm(forms.Form):
    """The composer. A valid form has `submissions`, one for each prompt."""

    prompt = PlainTextField(required=False, strip=False)
    one_per_line = forms.BooleanField(required=False)
    media = forms.ChoiceField(choices=Media.choices)  # type: ignore[assignment] # a form's own media, unused here
    quality = forms.ChoiceField(choices=job_type_choice.QUALITIES)
    quantity = forms.TypedChoiceField(
        choices=((1, "×1"), (3, "×3"), (6, "×6")),
        coerce=int,
        empty_value=None,
        required=False,
        error_messages={"invalid_choice": "Make 1, 3 or 6 at a time."},
    )
    aspect = forms.ChoiceField(
        choices=(("", "Aspect ratio"), *((name, name) for name in SDXL_SIZES)),
        required=False,
        error_messages={"invalid_choice": "There is no such aspect ratio."},
        widget=forms.Select(attrs={"class": "select chip", "aria-label": "Aspect ratio"}),
    )
    negative_prompt = PlainTextField(
        required=False,
        strip=False,
        label="Negative prompt",
        widget=forms.Textarea(
            attrs={"class": "input", "rows": 2, "placeholder": "blurry, text, extra fingers"}
        ),
    )
    seed = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_SEED,
        label="Seed",
        help_text=f"Each next picture has the next one; 0 follows {MAX_SEED:,}.",
        error_messages={
            "invalid": f"A seed is a whole number from 0 to {MAX_SEED:,}.",
            "min_value": f"A seed is a whole number from 0 to {MAX_SEED:,}.",
            "max_value": f"A seed is a whole number from 0 to {MAX_SEED:,}.",
        },
        widget=forms.TextInput(
            attrs={"class": "input", "inputmode": "numeric", "placeholder": "random", "autocomplete": "off"}
        ),
    )
    engine = forms.ChoiceField(
        choices=job_type_choice.ENGINES,
        required=False,
        label="Engine",
        widget=forms.Select(attrs={"class": "select"}),
    )
    enhance = forms.BooleanField(required=False)
    project = forms.UUIDField(
        required=False,
        label="Project",
        error_messages={"invalid": "You have no such project."},
        widget=NamesSelect(attrs={"class": "select"}),
    )
    new_project = PlainLineField(
        required=False,
        max_length=NAME_LENGTH,
        label="or a new project",
        widget=forms.TextInput(attrs={"class": "input", "placeholder": "its name", "autocomplete": "off"}),
    )
    review = forms.BooleanField(required=False)
    within = forms.TypedChoiceField(
        choices=[("", "at any time"), *((each, f"within {words}") for each, words in DEADLINES.items())],
        coerce=lambda seconds: timedelta(seconds=int(seconds)),
        empty_value=None,
        required=False,
        label="Only if it is done",
        help_text="What still waits then is cancelled.",
        widget=forms.Select(attrs={"class": "select"}),
    )
    references = ReferencesField(required=False)
    model = forms.CharField(required=False, max_length=MODEL_LENGTH, label="Model")
    settings = forms.Field(required=False, widget=SettingsWidget)
    key = forms.CharField(required=False, max_length=64)

    submissions: list[Submission]

    def __init__(self, owner: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner = owner
        projects = owned_projects(owner.pk).filter(is_default=False)
        choices = [("", DEFAULT_NAME), *((str(project.pk), project.name) for project in projects)]
        self.fields["project"].widget.choices = choices

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            self._clean_submission(self.cleaned_data)
        return self.cleaned_data

    def _clean_submission(self, given: dict[str, Any]) -> None:
        traits = {name: given[name] for name in ("media", "quality", "engine", "enhance")}
        job_type = job_type_choice.choose(**traits)
        if job_type is None:
            self.add_error(*job_type_choice.refusal(media=given["media"], enhance=given["enhance"]))
            return
        names = ("negative_prompt", "quantity", "seed", "aspect", "review", "references")
        common = {name: given[name] for name in names} | {"deadline": given["within"]}
        model = served_model(self.owner.pk, given["model"])
        common |= {"model": given["model"], "settings": self._settings(job_type, model)}
        if self.errors:
            return
        try:
            self.submissions = [
                Submission(
                    job_type=job_type.name,
                    project_id=given["project"],
                    prompt=prompt,
                    typed_prompt=typed,
                    **common,
                )
                for prompt, typed in _prompts(given["prompt"], one_per_line=given["one_per_line"])
            ]
            _check(self.submissions, model)
        except InvalidSubmission as refused:
            self.add_errors(refused.errors)

    def _settings(self, job_type: JobType, model: ServedModel | None) -> dict[str, Any]:
        """What was chosen of the model's offer. Settings that are shown are of one model."""
        sent: PostedSettings = self.cleaned_data["settings"]
        if model is None or not sent.texts:
            return {}
        if sent.of == model.name:
            return model_settings.chosen(model.offer_for(job_type), sent)
        before = served_model(self.owner.pk, sent.of)
        if before and model_settings.chosen(before.offer, sent):
            self.add_error(
                "settings",
                f"What was set is of {before.title}. These are the settings of {model.title}: look at them, "
                "then press Make again.",
            )
        return {}

    def add_errors(self, errors: dict[str, str]) -> None:
        """Show the domain's errors on their fields."""
        for name, message in errors.items():
            field, _, setting = name.partition(".")
            words = f"{model_settings.label(setting)}: {message}" if setting else message
            self.add_error(FIELD_OF_ERROR.get(field, field), words)

    @property
    def job_type(self) -> JobType | None:
        """What is chosen, as far as it leads to a job type."""
        names = ("media", "quality", "engine")
        traits = {name: self[name].value() or "" for name in names}
        return job_type_choice.choose(**traits, enhance=bool(self["enhance"].value()))

    @cached_property
    def served_model(self) -> ServedModel | None:
        """The chosen model, if its owner may use it."""
        return served_model(self.owner.pk, str(self["model"].value() or ""))

    @property
    def setting_controls(self) -> list[Control]:
        """Those of the chosen model; of what was set for another model nothing is in them."""
        model, value = self.served_model, self["settings"].value()
        if model is None:
            return []
        if isinstance(value, PostedSettings) and value.of != model.name:
            value = None
        job_type = self.job_type
        return model_settings.controls(model.offer_for(job_type) if job_type else model.offer, value)

    @property
    def has_more_than_video_uses(self) -> bool:
        """Whether the script will say what the other kind leaves out, so that it keeps a line for that."""
        media, quantity, aspect = (self[name].value() for name in ("media", "quantity", "aspect"))
        is_only_of_images = str(quantity) not in ("1", "", "None") or (aspect or "1:1") not in WAN_SIZES
        return bool(self["references"].value()) or (media == Media.IMAGE and is_only_of_images)

    @property
    def has_details(self) -> bool:
        """Whether a field under "More" is set or refused, so that it must be seen without a script."""
        names = (
            "one_per_line",
            "negative_prompt",
            "seed",
            "engine",
            "enhance",
            "project",
            "new_project",
            "review",
            "references",
            "within",
            "model",
        )
        return any(self[name].value() not in (None, "", False, []) or self[name].errors for name in names)


def _prompts(text: str, *, one_per_line: bool) -> Iterator[tuple[str, str | None]]:
    """Each prompt; with those that one line stands for, what was typed: any of their jobs may go."""
    for line, prompts in expand_lines(text, one_per_line=one_per_line) or [("", [""])]:
        typed = line.strip() if len(prompts) > 1 else None
        for prompt in prompts:
            yield prompt, typed


def _check(submissions: list[Submission], model: ServedModel | None) -> None:
    """Raises InvalidSubmission, which says of several prompts which one it is about."""
    for number, submission in enumerate(submissions, 1):
        try:
            submission.check(model)
        except InvalidSubmission as refused:
            if len(submissions) > 1 and (wrong := refused.errors.get("prompt")):
                refused.errors["prompt"] = f"Prompt {number} of {len(submissions)}: {wrong}"
            raise


class MoveForm(forms.Form):
    """Where a waiting job is to be moved: to a place, or before another job."""

    to = forms.TypedChoiceField(
        choices=[(place, place) for place in Place], coerce=Place, empty_value=None, required=False
    )
    before = forms.UUIDField(required=False)

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if bool(given.get("to")) == bool(given.get("before")):
            raise forms.ValidationError("Name either a place or another job.")
        return given

    @property
    def place(self) -> Place | uuid.UUID:
        """Of a valid form, for `move`."""
        given = self.cleaned_data
        place: Place | uuid.UUID = given["to"] or given["before"]
        return place


def new_form_key() -> str:
    """An idempotency key for each rendered form, so that a form sent twice makes one job."""
    return uuid.uuid4().hex


def is_form_key(text: str) -> bool:
    """Whether it is as `new_form_key` makes them."""
    return len(text) == 32 and text.isascii() and text.isalnum()
