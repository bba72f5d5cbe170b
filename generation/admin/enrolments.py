"""Enrolments: make, watch and revoke the tokens with which machines make themselves workers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from generation.access.enrolments import (
    MAX_DAYS,
    MAX_TOKEN_HOURS,
    MAX_USES,
    create_enrolment,
    revoke_enrolments,
)
from generation.access.fresh_sign_in import redirect_to_confirm
from generation.admin.base import ReadOnlyAdmin, operator_of
from generation.admin.people import TokenAdmin
from generation.catalog.job_types import Engine
from generation.core.limits import NAME_LENGTH
from generation.http.form_fields import PlainLineField
from generation.models import Enrolment, Worker


class EnrolmentForm(forms.ModelForm):  # type: ignore[type-arg]
    name = PlainLineField(max_length=NAME_LENGTH, help_text="Its workers are called so, with a number.")
    engines = forms.MultipleChoiceField(
        choices=Engine.choices, widget=forms.CheckboxSelectMultiple, help_text="The queues they may serve."
    )
    max_uses = forms.IntegerField(
        min_value=1, max_value=MAX_USES, initial=1, help_text="How many machines may enrol."
    )
    days = forms.IntegerField(min_value=1, max_value=MAX_DAYS, initial=7, help_text="For how long they may.")
    token_hours = forms.IntegerField(
        min_value=1,
        max_value=MAX_TOKEN_HOURS,
        initial=24,
        help_text="How long a worker's token lives unless the machine renews it.",
    )

    class Meta:
        model = Enrolment
        fields = ["name", "engines", "max_uses", "token_hours"]


@admin.register(Enrolment)
class EnrolmentAdmin(TokenAdmin):
    list_display = ["name", "hint", "state", "used", "expires_at", "token_hours", "last_used", "revoked_at"]
    search_fields = ["name", "hint"]
    actions = ["revoke", "revoke_with_tokens"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("generation.add_enrolment")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if kwargs.get("add"):  # the one form of these that can be saved
            return super(ReadOnlyAdmin, self).render_change_form(request, context, *args, **kwargs)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's
        return super().get_form(request, obj, change, **kwargs) if obj else EnrolmentForm

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj else list(EnrolmentForm.base_fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_readonly_fields(request, obj) if obj else []

    @admin.display(description="machines")
    def used(self, enrolment: Enrolment) -> str:
        return f"{enrolment.uses} of {enrolment.max_uses}"

    @admin.display(description="state")
    def state(self, enrolment: Enrolment) -> str:
        if enrolment.revoked_at:
            return "revoked"
        if enrolment.expires_at <= timezone.now():
            return "over; its workers go on"
        return "open" if enrolment.is_open else "used up; its workers go on"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks who it is: the token would outlive a stolen session."""
        return redirect_to_confirm(request) or super().add_view(request, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Enrolment, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """The token's text goes into the answer, and nowhere else."""
        asked = form.cleaned_data
        obj.raw = create_enrolment(  # type: ignore[attr-defined] # for response_add
            actor=operator_of(request),
            name=asked["name"],
            engines=asked["engines"],
            max_uses=asked["max_uses"],
            days=asked["days"],
            token_hours=asked["token_hours"],
        )
        obj.pk = Enrolment.objects.values_list("pk", flat=True).get(name=asked["name"])

    def response_add(self, request: HttpRequest, obj: Enrolment, post_url_continue: str | None = None) -> Any:
        page = self.admin_site.each_context(request) | {"title": "Enrolment token", "opts": self.opts}
        shown = {"enrolment": obj, "token": obj.raw}  # type: ignore[attr-defined] # of save_model
        return TemplateResponse(request, "generation/enrolment_token.html", page | shown)

    @admin.action(
        description="Revoke: no machine enrols or renews its token any more", permissions=["change"]
    )
    def revoke(self, request: HttpRequest, tokens: QuerySet[Any]) -> None:
        self._revoke(request, tokens, with_tokens=False)

    @admin.action(description="Revoke, with the tokens of its workers", permissions=["change"])
    def revoke_with_tokens(self, request: HttpRequest, tokens: QuerySet[Any]) -> None:
        self._revoke(request, tokens, with_tokens=True)

    def _revoke(self, request: HttpRequest, tokens: QuerySet[Any], *, with_tokens: bool) -> None:
        chosen = list(tokens)
        revoke_enrolments(tokens, actor=operator_of(request), with_tokens=with_tokens)
        self.record(request, chosen, "Revoked, with its workers' tokens." if with_tokens else "Revoked.")
        workers = Worker.objects.filter(enrolment__in=chosen).count()
        self.message_user(request, f"{len(chosen)} revoked; {workers} workers are theirs.")
