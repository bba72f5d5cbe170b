from __future__ import annotations

from django.urls import path

from downloads import views

app_name = "downloads"
urlpatterns = [
    path("", views.create, name="create"),
    path("library.jsonl", views.export, name="export"),
    path("<uuid:archive_id>/", views.archive, name="archive"),
    path("<uuid:archive_id>/more", views.more_parts, name="more-parts"),
    path("<uuid:archive_id>/<int:number>.zip", views.part, name="part"),
]
