"""The admin: read everything, change only what the lifecycle allows."""

from __future__ import annotations

from django.contrib import admin

from generation.admin.assets import ImageAdmin, VideoAdmin
from generation.admin.enrolments import EnrolmentAdmin
from generation.admin.jobs import JobAdmin
from generation.admin.models import ModelAdmin
from generation.admin.outbox import OutboxEventAdmin
from generation.admin.people import PersonalTokenAdmin, ProjectAdmin, UserQuotaAdmin
from generation.admin.workers import AttemptAdmin, WorkerAdmin, WorkerTokenAdmin

__all__ = [
    "AttemptAdmin",
    "EnrolmentAdmin",
    "ImageAdmin",
    "JobAdmin",
    "ModelAdmin",
    "OutboxEventAdmin",
    "PersonalTokenAdmin",
    "ProjectAdmin",
    "UserQuotaAdmin",
    "VideoAdmin",
    "WorkerAdmin",
    "WorkerTokenAdmin",
]

admin.site.site_header = admin.site.site_title = "OurVidz"
admin.site.index_title = "Studio"
