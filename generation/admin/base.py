"""Base classes: read-only records, and how operators' actions are recorded."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

from generation.access.principals import Principal, operator_principal
from generation.core import audit_log
from generation.core.text import search_key

MAX_COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """A paginator that counts up to a limit, so that a long table opens as fast as a short one."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[:MAX_COUNTED].count()


def uuid_of(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None


def operator_of(request: HttpRequest) -> Principal:
    """The operator: the signed-in staff user."""
    return operator_principal(cast("User", request.user))


class RecordsChanges(admin.ModelAdmin):  # type: ignore[type-arg]
    """Records operators' changes in the record's history (Django does so for forms) and the audit log."""

    class Media:
        css = {"all": ["generation/admin.css"]}

    def record(self, request: HttpRequest, rows: Iterable[models.Model], message: str) -> None:
        """Add an action to the rows' history; the domain function has written to the audit log."""
        LogEntry.objects.log_actions(cast("int", request.user.pk), list(rows), CHANGE, message)

    def audit(self, request: HttpRequest, event: str, row: models.Model) -> None:
        """Write to the audit log, for changes that no domain function makes."""
        name = str(self.opts.model_name)
        audit_log.after_commit(f"{name}.{event}", actor=operator_of(request), **{name: str(row.pk)})

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> LogEntry:
        self.audit(request, "added", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> LogEntry:
        self.audit(request, "changed", obj)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for row in queryset:
            self.audit(request, "deleted", row)
        return super().log_deletions(request, queryset)


class SearchById(RecordsChanges):
    """A complete id in the search box is looked up by index; anything else searches `search_fields`.

    Each word is looked for in `folded_field` too, whatever its case and accents.
    """

    id_fields: Sequence[str] = ["pk"]
    folded_field = ""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        wanted = uuid_of(search_term)
        if wanted is None and self.folded_field:
            return self._with_words(queryset, search_term), LOOKUP_SEP in self.folded_field
        if wanted is None:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(reduce(or_, (Q(**{name: wanted}) for name in self.id_fields))), False

    def _with_words(self, queryset: QuerySet[Any], search_term: str) -> QuerySet[Any]:
        for word in search_term.replace("\0", "").split():
            lookups = [Q(**{f"{name}__icontains": word}) for name in self.search_fields]
            folded = Q(**{f"{self.folded_field}__contains": search_key(word)})
            queryset = queryset.filter(reduce(or_, lookups, folded))
        return queryset


class ReadOnlyAdmin(SearchById):
    """Read-only: only domain functions change these rows. Actions need the change permission."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    editable: Sequence[str] = []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Without save buttons if there is no editable field."""
        if not self.editable:
            context |= {"show_save": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        kept = {*self.editable, *(self.exclude or ())}
        return [field.name for field in self.opts.fields if field.name not in kept]
