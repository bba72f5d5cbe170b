"""Presets that operators share with everybody."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from generation.admin.base import RecordsChanges
from generation.core.limits import NAME_LENGTH
from generation.core.text import fold
from generation.http.form_fields import PlainLineField
from workspace.models import Preset
from workspace.preset_fields import check_fields


class PresetForm(forms.ModelForm):  # type: ignore[type-arg]
    name = PlainLineField(max_length=NAME_LENGTH)

    class Meta:
        model = Preset
        fields = ["name", "owner", "is_shared", "fields"]

    def clean_fields(self) -> Any:
        try:
            check_fields(self.cleaned_data["fields"])
        except ValueError as refused:
            raise forms.ValidationError(str(refused)) from None
        return self.cleaned_data["fields"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        self.instance.folded_name = fold(given.get("name", ""))
        if not given.get("owner") and not given.get("is_shared"):
            self.add_error("is_shared", "A preset without an owner is shared.")
        named = Preset.objects.filter(owner=given.get("owner"), folded_name=self.instance.folded_name)
        if given.get("owner") and named.filter(deleted_at=None).exclude(pk=self.instance.pk).exists():
            self.add_error("name", "Its owner already has a preset of that name.")
        return given


@admin.register(Preset)
class PresetAdmin(RecordsChanges):
    form = PresetForm
    list_display = ["name", "owner", "is_shared", "created_at"]
    list_filter = ["is_shared", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username"]
    ordering = ["folded_name", "id"]
    raw_id_fields = ["owner"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Preset]:
        return Preset.objects.filter(deleted_at=None)
