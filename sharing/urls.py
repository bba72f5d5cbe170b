from __future__ import annotations

from django.urls import path

from sharing import views

app_name = "sharing"
urlpatterns = [
    path("sharing/", views.index, name="index"),
    path("sharing/new", views.create, name="create"),
    path("sharing/<uuid:link_id>/revoke", views.revoke, name="revoke"),
    path("sharing/<uuid:link_id>/restore", views.restore, name="restore"),
    path("s/<str:token>/", views.share, name="public"),
    path("s/<str:token>/<uuid:asset_id>/", views.share_asset, name="public-asset"),
    path("s/<str:token>/<uuid:asset_id>/file", views.share_file, name="public-file"),
    path("s/<str:token>/<uuid:asset_id>/thumbnail", views.share_thumbnail, name="public-thumbnail"),
]
