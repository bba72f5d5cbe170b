"""Models: what workers say of them, and what operators add: title, picture, who may use them and for what."""

from __future__ import annotations

import base64
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.files.uploadedfile import UploadedFile
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from generation.access.models import set_default_for, set_picture
from generation.admin.base import SearchById
from generation.catalog.job_types import JOB_TYPES
from generation.core.errors import DomainError
from generation.core.limits import MODEL_TITLE_LENGTH
from generation.http.form_fields import PlainLineField
from generation.models import Model, ModelOffer
from generation.models.model import ModelQuerySet
from generation.queue.advertised import delete_model
from generation.queue.snapshot import Snapshot

MAX_PICTURE_BYTES = 900 * 1024  # a form has at most MAX_BODY_BYTES
# All else is its workers', who may say it anew between the reading of the row and its writing.
SAID_HERE = ("title", "picture", "picture_version", "is_hidden", "default_for")
NEW_LINE = mark_safe("<br>")


class ModelForm(forms.ModelForm):  # type: ignore[type-arg]
    title = PlainLineField(
        required=False, max_length=MODEL_TITLE_LENGTH, help_text="Empty: as its worker calls it."
    )
    new_picture = forms.FileField(
        required=False,
        help_text="An example of what it makes: PNG, JPEG or WebP of at most"
        f" {filesizeformat(MAX_PICTURE_BYTES)}. A small copy is kept.",
    )
    without_picture = forms.BooleanField(required=False, label="Remove the picture")
    default_for = forms.MultipleChoiceField(
        required=False,
        choices=[(job_type.name, job_type.title) for job_type in JOB_TYPES.values()],
        widget=forms.CheckboxSelectMultiple,
        help_text="Jobs of these types use it where no model is named, if it can do what is asked.",
    )

    class Meta:
        model = Model
        fields = ["title", "is_hidden", "default_for", "groups"]

    def clean_default_for(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["default_for"]
        if strange := [JOB_TYPES[name].title for name in chosen if name not in self.instance.made_types]:
            raise forms.ValidationError(f"It does not make {', '.join(strange)}.")
        return chosen

    def clean_new_picture(self) -> UploadedFile[Any] | None:
        """Decoded here, so that what is no picture is said beside its field and changes nothing."""
        picture: UploadedFile[Any] | None = self.cleaned_data["new_picture"]
        if picture is None:
            return None
        if picture.size is None or picture.size > MAX_PICTURE_BYTES:
            raise forms.ValidationError(f"At most {filesizeformat(MAX_PICTURE_BYTES)}.")
        try:
            set_picture(self.instance, cast("Any", picture.file))
        except DomainError as refused:
            raise forms.ValidationError(refused.message) from None
        return picture

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("without_picture") and not given.get("new_picture"):
            set_picture(self.instance, None)
        return given


class Offers(admin.TabularInline):  # type: ignore[type-arg]
    model = ModelOffer
    verbose_name_plural = "workers that have it"
    fields = readonly_fields = ("worker", "digest", "offer_digest", "pools", "seen_at")
    ordering = ["worker__name"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Model)
class ModelAdmin(SearchById):
    form = ModelForm
    list_display = ["name", "shown_title", "state", "made_of", "makes", "is_hidden", "used_by", "licence"]
    list_filter = ["is_hidden", "engine"]
    search_fields = ["name", "title", "advertised_title", "licence_name"]
    ordering = ["name"]
    fields = (
        *("name", "shown_title", "state", "made_of", "makes", "engine", "licence", "offer", "sizes"),
        *("title", "picture_shown", "new_picture", "without_picture", "is_hidden", "default_for", "groups"),
    )
    readonly_fields = (
        *("name", "shown_title", "state", "made_of", "makes", "engine", "licence", "offer", "sizes"),
        "picture_shown",
    )
    filter_horizontal = ["groups"]
    inlines = [Offers]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        """With all that the columns say, in a number of queries that does not grow with the models."""
        models = cast("ModelQuerySet", super().get_queryset(request))
        online = Q(name__in=Snapshot().served_models)
        return (
            models.annotate(online=ExpressionWrapper(online, BooleanField()))
            .with_offers()
            .prefetch_related("groups")
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Models come from workers."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """One that a worker has would come again, without what its operator said."""
        return super().has_delete_permission(request, obj) and obj is not None and not obj.offers.all()

    @admin.display(description="title")
    def shown_title(self, model: Model) -> str:
        return model.shown_title

    @admin.display(description="state")
    def state(self, model: Model) -> str:
        offers = model.offers.all()
        if not offers:
            return f"no worker has it any more; last seen {naturaltime(model.last_seen_at)}"
        if getattr(model, "online", False):
            return "online"
        return f"its worker is away; last seen {naturaltime(model.seen_at)}"

    @admin.display(description="digest")
    def made_of(self, model: Model) -> str:
        """What each worker's is made of, where they differ."""
        if not model.digests_differ:
            return model.digest[:12] or "not said"
        told = sorted((offer.worker.name, offer.digest[:12] or "not said") for offer in model.offers.all())
        return format_html("<strong>differs</strong><br>{}", format_html_join(NEW_LINE, "{}: {}", told))

    @admin.display(description="job types")
    def makes(self, model: Model) -> str:
        return ", ".join(model.made_types) or "none"

    @admin.display(description="for")
    def used_by(self, model: Model) -> str:
        return ", ".join(group.name for group in model.groups.all()) or "everybody"

    @admin.display(description="licence")
    def licence(self, model: Model) -> str:
        if not model.licence_url:
            return model.licence_name or "not said"
        named = model.licence_name or model.licence_url
        return format_html('<a href="{}" rel="noreferrer">{}</a>', model.licence_url, named)

    @admin.display(description="picture")
    def picture_shown(self, model: Model) -> str:
        if not model.picture_version:
            return "none"
        picture = base64.b64encode(bytes(model.picture)).decode()
        return format_html('<img alt="" width="256" src="data:image/webp;base64,{}">', picture)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: FBT001 # Django's
        obj.save(update_fields=SAID_HERE)
        for other, job_types in set_default_for(obj).items():
            self.message_user(request, f"The model {other} is no longer used for {', '.join(job_types)}.")

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        delete_model(obj)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if request.method == "GET":
            for model in Model.objects.with_offers():
                self._warn_of_differences(request, model)
        return super().changelist_view(request, extra_context)

    def _warn_of_differences(self, request: HttpRequest, model: Model) -> None:
        """Of offers too: a job is checked against one of them, and a worker with another may refuse it."""
        for differ, words in ((model.digests_differ, "is not"), (model.offers_differ, "does not offer")):
            if differ:
                told = f"The model {model.name} {words} the same on {_workers(model)}."
                self.message_user(request, f"{told} Give one of them another name.", messages.WARNING)


def _workers(model: Model) -> str:
    return ", ".join(sorted(offer.worker.name for offer in model.offers.all()))
