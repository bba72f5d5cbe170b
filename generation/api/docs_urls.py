"""Mounted at /api/: the OpenAPI schema and a page to browse it."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from generation.api.documentation import BrowsableDocs

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", BrowsableDocs.as_view(), name="api-docs"),
]
