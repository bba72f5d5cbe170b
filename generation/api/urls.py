from __future__ import annotations

from django.urls import path, re_path

from generation.api.views import (
    account,
    assets,
    imports,
    jobs,
    models,
    operations,
    organising,
    projects,
    queue,
    references,
)
from generation.api.views.not_found import NotFoundView
from generation.assets.groupings import KINDS

app_name = "api"
OPERATION = "operations/<uuid:operation_id>"

urlpatterns = [
    path("jobs", jobs.Jobs.as_view(), name="jobs"),
    path("jobs/cancel", jobs.CancelAll.as_view(), name="cancel-all"),
    path("jobs/<uuid:job_id>", jobs.JobDetail.as_view(), name="job"),
    path("jobs/<uuid:job_id>/cancel", jobs.CancelJob.as_view(), name="cancel"),
    path("jobs/<uuid:job_id>/retry", jobs.RetryJob.as_view(), name="retry"),
    path("jobs/<uuid:job_id>/move", jobs.MoveJob.as_view(), name="move-job"),
    path("jobs/<uuid:job_id>/run-again", jobs.RunAgain.as_view(), name="run-again"),
    path("assets", assets.Library.as_view(), name="assets"),
    path("assets/trash", assets.Trash.as_view(), name="trash"),
    path("assets/save", assets.Save.as_view(), name="save"),
    path("assets/discard", assets.Discard.as_view(), name="discard"),
    path("assets/restore", assets.Restore.as_view(), name="restore"),
    path("assets/rate", assets.Rate.as_view(), name="rate"),
    path("assets/favourite", assets.Favourite.as_view(), name="favourite"),
    path("assets/move", assets.Move.as_view(), name="move-assets"),
    path("assets/delete", assets.Delete.as_view(), name="delete"),
    path("assets/<uuid:asset_id>", assets.AssetDetail.as_view(), name="asset"),
    path("images/<uuid:asset_id>", assets.ImageDetail.as_view(), name="image"),
    path("images/<uuid:asset_id>/file", assets.ImageFile.as_view(), name="image-file"),
    path("images/<uuid:asset_id>/thumbnail", assets.ImageThumbnail.as_view(), name="image-thumbnail"),
    path("videos/<uuid:asset_id>", assets.VideoDetail.as_view(), name="video"),
    path("videos/<uuid:asset_id>/file", assets.VideoFile.as_view(), name="video-file"),
    path("videos/<uuid:asset_id>/thumbnail", assets.VideoThumbnail.as_view(), name="video-thumbnail"),
    path("imports", imports.Imports.as_view(), name="imports"),
    path("imports/<uuid:import_id>", imports.Import.as_view(), name="import"),
    path("references", references.References.as_view(), name="references"),
    path("references/<uuid:reference_id>", references.ReferenceDetail.as_view(), name="reference"),
    path("references/<uuid:reference_id>/file", references.ReferenceFile.as_view(), name="reference-file"),
    path(
        "references/<uuid:reference_id>/thumbnail",
        references.ReferenceThumbnail.as_view(),
        name="reference-thumbnail",
    ),
    path("queue/pause", queue.PauseQueue.as_view(), name="queue-pause"),
    path("queue/resume", queue.ResumeQueue.as_view(), name="queue-resume"),
    path("changes", account.Changes.as_view(), name="changes"),
    path("job-types", account.JobTypes.as_view(), name="job-types"),
    path("models", models.Models.as_view(), name="models"),
    path("models/<str:name>/picture", models.ModelPicture.as_view(), name="model-picture"),
    path("projects", account.Projects.as_view(), name="projects"),
    path("projects/<uuid:project_id>", projects.ProjectDetail.as_view(), name="project"),
    path("projects/<uuid:project_id>/merge", projects.MergeProject.as_view(), name="project-merge"),
    path("projects/<uuid:project_id>/delete", projects.DeleteProject.as_view(), name="project-delete"),
    *(
        path(
            f"{kind.plural}{below}",
            organising.grouping_view(view, kind, calls),
            name=f"{kind.plural}-{number}",
        )
        for kind in KINDS.values()
        for number, (below, (view, calls)) in enumerate(organising.GROUPING_VIEWS.items())
    ),
    path("operations", operations.Operations.as_view(), name="operations"),
    path(OPERATION, operations.OperationDetail.as_view(), name="operation"),
    path(
        "operations/<uuid:operation_id>/cancel", operations.CancelOperation.as_view(), name="operation-cancel"
    ),
    path("operations/<uuid:operation_id>/undo", operations.UndoOperation.as_view(), name="operation-undo"),
    path("me", account.WhoAmI.as_view(), name="me"),
    re_path(r"", NotFoundView.as_view()),
]
