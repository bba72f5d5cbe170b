from __future__ import annotations

from django.urls import path

from library.views import actions, pages, searches

app_name = "library"
urlpatterns = [
    path("", pages.home, name="home"),
    path("trash/", pages.trash, name="trash"),
    path("discard", actions.discard, name="discard"),
    path("restore", actions.restore, name="restore"),
    path("favourite", actions.favourite, name="favourite"),
    path("unfavourite", actions.unfavourite, name="unfavourite"),
    path("searches/save", searches.save, name="save-search"),
    path("searches/<uuid:search_id>/rename", searches.rename, name="rename-search"),
    path("searches/<uuid:search_id>/delete", searches.delete, name="delete-search"),
    path("<str:media>/<uuid:asset_id>/", pages.asset, name="asset"),
    path("<str:media>/<uuid:asset_id>/rate", actions.rate, name="rate"),
]
