"""What people have beside their jobs: projects, and tokens for their scripts."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format

from generation.access import tokens as access_tokens
from generation.access.projects import project_named
from generation.admin.base import ReadOnlyAdmin, RecordsChanges, operator_of
from generation.core.limits import NAME_LENGTH
from generation.core.text import fold
from generation.http.form_fields import PlainLineField
from generation.models import PersonalToken, Project, UserQuota
from generation.models.token import AccessToken


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]
    name = PlainLineField(max_length=NAME_LENGTH)

    class Meta:
        model = Project
        fields = ["name"]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        named = project_named(self.instance.owner_id, name)
        if named and named != self.instance:
            raise forms.ValidationError("Its owner already has a project of that name.")
        self.instance.folded_name = fold(name)
        return name


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin):
    form = ProjectForm
    list_display = ["name", "owner", "is_default", "created_at"]
    list_filter = ["is_default", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["owner__username"]
    folded_field = "folded_name"
    search_help_text = "An id, words of the name, or the owner's name"
    ordering = ["-id"]
    exclude = ["folded_name"]
    editable = ["name"]


@admin.register(UserQuota)
class UserQuotaAdmin(RecordsChanges):
    list_display = ["owner", "active_jobs", "storage_bytes"]
    list_select_related = ["owner"]
    search_fields = ["owner__username"]
    ordering = ["owner_id"]
    raw_id_fields = ["owner"]


class TokenAdmin(ReadOnlyAdmin):
    """Tokens are shown by how they begin; the rest is known to their holder alone."""

    exclude = ["digest"]
    list_filter = ["revoked_at", "created_at"]
    ordering = ["-id"]
    actions = ["revoke"]

    @admin.display(description="last used", ordering="last_used_at")
    def last_used(self, token: AccessToken) -> str:
        """By the day: later uses of a day are not written."""
        if token.last_used_at is None:
            return "never"
        return f"{date_format(timezone.localtime(token.last_used_at))} from {token.last_used_from}"

    @admin.action(description="Revoke selected tokens", permissions=["change"])
    @transaction.atomic
    def revoke(self, request: HttpRequest, tokens: QuerySet[AccessToken]) -> None:
        revoked = access_tokens.revoke(tokens, actor=operator_of(request))
        self.record(request, revoked, "Revoked.")
        level = messages.SUCCESS if revoked else messages.WARNING
        self.message_user(request, f"{len(revoked)} revoked.", level)


@admin.register(PersonalToken)
class PersonalTokenAdmin(TokenAdmin):
    list_display = ["hint", "name", "owner", "scopes", "created_at", "expires_at", "last_used", "revoked_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username", "hint"]
