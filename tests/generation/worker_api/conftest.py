from __future__ import annotations

import uuid
from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from generation.models import Job, Worker
from tests.acting import issue_worker_token
from tests.factories import make_user, make_worker

V1 = "/api/v1/worker"


class Machine:
    """A worker as the server sees one: its token and HTTP, nothing else."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        token = issue_worker_token(worker)
        self.http = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")

    def post(self, path: str, body: Any) -> Any:
        return self.http.post(f"{V1}/{path}", body, format="json")

    def lease(self, **more: Any) -> Any:
        return self.post("lease", {"engines": self.worker.engines} | more)

    def heartbeat(self, lease: dict[str, Any], **more: Any) -> Any:
        return self.post(f"jobs/{lease['job_id']}/heartbeat", {"lease_token": lease["lease_token"]} | more)

    def release(self, lease: dict[str, Any]) -> Any:
        return self.post(f"jobs/{lease['job_id']}/release", {"lease_token": lease["lease_token"]})

    def upload(
        self,
        lease: dict[str, Any],
        slot: int,
        content: bytes,
        content_type: str = "image/png",
        **headers: Any,
    ) -> Any:
        url = f"{V1}/jobs/{lease['job_id']}/uploads/{slot}"
        sent = {"HTTP_X_LEASE_TOKEN": lease["lease_token"]} | headers
        return self.http.generic("PUT", url, cast("str", content), content_type=content_type, **sent)

    def preview(
        self,
        lease: dict[str, Any],
        slot: int,
        content: bytes,
        content_type: str = "image/webp",
        **headers: Any,
    ) -> Any:
        url = f"{V1}/jobs/{lease['job_id']}/previews/{slot}"
        sent = {"HTTP_X_LEASE_TOKEN": lease["lease_token"]} | headers
        return self.http.generic("PUT", url, cast("str", content), content_type=content_type, **sent)

    def report(
        self, lease: dict[str, Any], *assets: dict[str, Any], status: str = "completed", **more: Any
    ) -> Any:
        named = {"job_id": lease["job_id"], "lease_token": lease["lease_token"]}
        return self.post("job-callback", named | {"status": status, "assets": list(assets)} | more)

    def deliver(self, lease: dict[str, Any], slot: int, content: bytes, **more: Any) -> dict[str, Any]:
        """Upload, and what to report of it."""
        upload_id = self.upload(lease, slot, content).json()["upload_id"]
        index = next(s["image_index"] for s in lease["slots"] if s["slot"] == slot)
        return {"image_index": index, "status": "completed", "upload_id": upload_id} | more


def expire(job: Job) -> None:
    """As if the lease's time were over."""
    Job.objects.filter(pk=job.pk).update(lease_expires_at="2020-01-01T00:00Z")


def nobody_elses() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def owner(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def machine(db: None) -> Machine:
    return Machine(make_worker("m1"))


@pytest.fixture
def other(db: None) -> Machine:
    return Machine(make_worker("m2"))
