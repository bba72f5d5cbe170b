from __future__ import annotations

from django.urls import path

from generation.worker_api.embeddings import EmbeddingsImageView, EmbeddingsLeaseView, EmbeddingsView
from generation.worker_api.enrolment import EnrolView, RenewView
from generation.worker_api.lease import LeaseView
from generation.worker_api.references import ReferenceView
from generation.worker_api.views import (
    BenchmarkView,
    CallbackView,
    HeartbeatView,
    PreviewView,
    ReleaseView,
    UploadView,
)

app_name = "worker_api"

urlpatterns = [
    path("enrol", EnrolView.as_view(), name="enrol"),
    path("token", RenewView.as_view(), name="token"),
    path("lease", LeaseView.as_view(), name="lease"),
    path("jobs/<uuid:job_id>/heartbeat", HeartbeatView.as_view(), name="heartbeat"),
    path("jobs/<uuid:job_id>/uploads/<int:slot>", UploadView.as_view(), name="upload"),
    path("jobs/<uuid:job_id>/previews/<int:slot>", PreviewView.as_view(), name="preview"),
    path("jobs/<uuid:job_id>/references/<str:type>", ReferenceView.as_view(), name="reference"),
    path("jobs/<uuid:job_id>/release", ReleaseView.as_view(), name="release"),
    path("job-callback", CallbackView.as_view(), name="callback"),
    path("embeddings", EmbeddingsView.as_view(), name="embeddings"),
    path("embeddings/lease", EmbeddingsLeaseView.as_view(), name="lease-embeddings"),
    path("embeddings/images/<uuid:asset_id>", EmbeddingsImageView.as_view(), name="embeddings-image"),
    path("benchmark", BenchmarkView.as_view(), name="benchmark"),
]
