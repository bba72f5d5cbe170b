"""Private media, each file at an address that never changes what it holds."""

from __future__ import annotations

from django.urls import path

from generation.assets import delivery

app_name = "media"
urlpatterns = [
    path("reference/<uuid:reference_id>/file", delivery.reference_file, name="reference-file"),
    path("reference/<uuid:reference_id>/thumbnail", delivery.reference_thumbnail, name="reference-thumbnail"),
    path("<str:media>/<uuid:asset_id>/file", delivery.file, name="file"),
    # The name is for people who save from the address bar; the id alone decides.
    path("<str:media>/<uuid:asset_id>/file/<str:name>", delivery.file),
    path("<str:media>/<uuid:asset_id>/thumbnail", delivery.thumbnail, name="thumbnail"),
    path("<str:media>/<uuid:asset_id>/preview", delivery.preview, name="preview"),
]
