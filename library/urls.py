from __future__ import annotations

from django.urls import path

from library import views

app_name = "library"
urlpatterns = [
    path("", views.home, name="home"),
    path("trash/", views.trash, name="trash"),
    path("discard", views.discard, name="discard"),
    path("restore", views.restore, name="restore"),
    path("<str:media>/<uuid:asset_id>/", views.asset, name="asset"),
]
