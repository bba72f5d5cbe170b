from __future__ import annotations

from django.urls import path

from workspace import menus
from workspace.views import assets, jobs, models, page, presets, prompts, recall

app_name = "workspace"
JOB = "workspace/jobs/<uuid:job_id>"
ASSET = "workspace/assets/<str:media>/<uuid:asset_id>"
PRESET = "workspace/presets/<uuid:preset_id>"
urlpatterns = [
    path("", page.home, name="home"),
    path("workspace/submit", page.submit, name="submit"),
    path("workspace/forecast", page.forecast, name="forecast"),
    path("workspace/changes", page.changes, name="changes"),
    path("workspace/recall", recall.file, name="recall"),
    path("workspace/recall/file", recall.RecalledFile.as_view(), name="recall-file"),
    path("workspace/recall/<uuid:asset_id>", recall.asset, name="recall-asset"),
    path("workspace/cancel", jobs.cancel_all, name="cancel-all"),
    path("workspace/pause", jobs.pause, name="pause"),
    path("workspace/resume", jobs.resume, name="resume"),
    path("workspace/undo-cancel", jobs.undo_cancel, name="undo-cancel"),
    path("workspace/undo-clear", jobs.undo_clear, name="undo-clear"),
    path("workspace/undo-review", assets.undo_review, name="undo-review"),
    path("workspace/clear", jobs.clear, name="clear"),
    path("workspace/restore", assets.restore_many, name="restore-many"),
    path("workspace/prompts", prompts.prompt_list, name="prompts"),
    path("workspace/enter-sends", prompts.enter_sends, name="enter-sends"),
    path("workspace/models", models.model_list, name="models"),
    path("workspace/models/<str:name>", models.settings_of, name="model-settings"),
    path("workspace/show-settings", models.show_settings, name="show-settings"),
    path("workspace/presets", presets.preset_list, name="presets"),
    path("workspace/presets/save", presets.save, name="save-preset"),
    path(f"{PRESET}/overwrite", presets.overwrite, name="overwrite-preset"),
    path(f"{PRESET}/rename", presets.rename, name="rename-preset"),
    path(f"{PRESET}/delete", presets.delete, name="delete-preset"),
    path(f"{PRESET}/restore", presets.restore, name="restore-preset"),
    path(f"{JOB}/menu", menus.job_menu, name="job-menu"),
    path(f"{ASSET}/menu", menus.asset_menu, name="asset-menu"),
    path(f"{JOB}/cancel", jobs.cancel, name="cancel"),
    path(f"{JOB}/retry", jobs.retry, name="retry"),
    path(f"{JOB}/run-again", jobs.run_again, name="run-again"),
    path(f"{JOB}/move", jobs.move, name="move"),
    path(f"{JOB}/save", jobs.save_job, name="save-job"),
    path(f"{JOB}/discard", jobs.discard_job, name="discard-job"),
    path(f"{JOB}/clear", jobs.clear_job, name="clear-job"),
    path(f"{ASSET}/save", assets.save, name="save"),
    path(f"{ASSET}/keep", assets.keep, name="keep"),
    path(f"{ASSET}/discard", assets.discard, name="discard"),
    path(f"{ASSET}/restore", assets.restore, name="restore"),
]
