"""What happened, as the readers of the outbox find it."""

from __future__ import annotations

from django.contrib import admin

from generation.admin.base import ReadOnlyAdmin
from generation.models import OutboxEvent


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    list_display = ["kind", "owner", "revision", "job_id", "payload", "created_at"]
    list_filter = ["kind", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["owner__username"]
    id_fields = ["pk", "job_id"]
    ordering = ["-created_at", "-id"]
