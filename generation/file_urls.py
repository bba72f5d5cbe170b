"""Private media, each file at an address that never changes what it holds."""

from __future__ import annotations

from django.urls import path

from generation import files

app_name = "media"
urlpatterns = [
    path("reference/<uuid:reference_id>/file", files.reference_file, name="reference-file"),
    path("reference/<uuid:reference_id>/thumbnail", files.reference_thumbnail, name="reference-thumbnail"),
    path("<str:media>/<uuid:asset_id>/file", files.file, name="file"),
    # The name is for people who save from the address bar; the id alone decides.
    path("<str:media>/<uuid:asset_id>/file/<str:name>", files.file),
    path("<str:media>/<uuid:asset_id>/thumbnail", files.thumbnail, name="thumbnail"),
    path("<str:media>/<uuid:asset_id>/preview", files.preview, name="preview"),
]
