from __future__ import annotations

from django.urls import path

from workspace import menus, views

app_name = "workspace"
JOB = "workspace/jobs/<uuid:job_id>"
ASSET = "workspace/assets/<str:media>/<uuid:asset_id>"
urlpatterns = [
    path("", views.home, name="home"),
    path("workspace/submit", views.submit, name="submit"),
    path("workspace/forecast", views.forecast, name="forecast"),
    path("workspace/changes", views.changes, name="changes"),
    path("workspace/cancel", views.cancel_all, name="cancel-all"),
    path("workspace/undo-cancel", views.undo_cancel, name="undo-cancel"),
    path("workspace/undo-clear", views.undo_clear, name="undo-clear"),
    path("workspace/clear", views.clear, name="clear"),
    path("workspace/restore", views.restore_many, name="restore-many"),
    path(f"{JOB}/menu", menus.job_menu, name="job-menu"),
    path(f"{ASSET}/menu", menus.asset_menu, name="asset-menu"),
    path(f"{JOB}/cancel", views.cancel, name="cancel"),
    path(f"{JOB}/retry", views.retry, name="retry"),
    path(f"{JOB}/save", views.save_job, name="save-job"),
    path(f"{JOB}/discard", views.discard_job, name="discard-job"),
    path(f"{JOB}/clear", views.clear_job, name="clear-job"),
    path(f"{ASSET}/save", views.save, name="save"),
    path(f"{ASSET}/discard", views.discard, name="discard"),
    path(f"{ASSET}/restore", views.restore, name="restore"),
]
