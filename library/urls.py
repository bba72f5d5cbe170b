from __future__ import annotations

from django.urls import path

from library import views

app_name = "library"
urlpatterns = [
    path("", views.home, name="home"),
    path("trash/", views.trash, name="trash"),
    path("discard", views.discard, name="discard"),
    path("restore", views.restore, name="restore"),
    path("favourite", views.favourite, name="favourite"),
    path("unfavourite", views.unfavourite, name="unfavourite"),
    path("<str:media>/<uuid:asset_id>/", views.asset, name="asset"),
    path("<str:media>/<uuid:asset_id>/rate", views.rate, name="rate"),
]
