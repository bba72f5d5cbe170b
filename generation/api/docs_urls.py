"""Mounted at /api/: the OpenAPI schema and a page to browse it."""

from __future__ import annotations

from django.urls import path

from generation.api.documentation import BrowsableDocs, OpenSchema

urlpatterns = [
    path("schema/", OpenSchema.as_view(), name="schema"),
    path("docs/", BrowsableDocs.as_view(), name="api-docs"),
]
