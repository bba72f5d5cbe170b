from __future__ import annotations

from django.urls import path

from library.views import actions, pages, parts

app_name = "library"
urlpatterns = [
    path("", pages.home, name="home"),
    path("trash/", pages.trash, name="trash"),
    path("parts", parts.parts, name="parts"),
    path("ids", parts.ids, name="ids"),
    path("discard", actions.discard, name="discard"),
    path("restore", actions.restore, name="restore"),
    path("favourite", actions.favourite, name="favourite"),
    path("unfavourite", actions.unfavourite, name="unfavourite"),
    path("<str:media>/<uuid:asset_id>/", pages.asset, name="asset"),
    path("<str:media>/<uuid:asset_id>/rate", actions.rate, name="rate"),
]
