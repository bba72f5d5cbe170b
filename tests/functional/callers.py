"""Who calls an installation by raw HTTP: people with a session, and machines with a worker's token."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import httpx
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User

from tests.factories import mp4, png

LATER_S = 60


def session_of(user: User) -> str:
    """The key of a new session in which the user is signed in."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return str(store.session_key)


class Machine:
    """A worker as far as the server can tell."""

    def __init__(self, address: str, token: str) -> None:
        self.token = token
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(
            base_url=f"{address}/api/v1/worker/", headers=headers, timeout=LATER_S, trust_env=False
        )

    def ask_for_work(self, **more: Any) -> dict[str, Any] | None:
        answer = self.http.post("lease", json={"engines": ["sdxl", "wan"], **more})
        assert answer.status_code in (200, 204), answer.text
        return answer.json() if answer.status_code == 200 else None

    def lease(self) -> dict[str, Any]:
        """The next job; there must be one."""
        job = self.ask_for_work(wait_s=20)
        assert job is not None, "there was no job to lease"
        return job

    def heartbeat(
        self, job: dict[str, Any], progress: int = 0, stage: str = "", slot: int | None = None
    ) -> httpx.Response:
        body = {"lease_token": job["lease_token"], "progress": progress, "stage": stage, "slot": slot}
        return self.http.post(f"jobs/{job['job_id']}/heartbeat", json=body)

    def preview(self, job: dict[str, Any], slot: int, content: bytes) -> httpx.Response:
        """Show a PNG of how the slot looks so far."""
        headers = {"X-Lease-Token": job["lease_token"], "Content-Type": "image/png"}
        return self.http.put(f"jobs/{job['job_id']}/previews/{slot}", content=content, headers=headers)

    def upload(self, job: dict[str, Any], slot: int, content: bytes | None = None) -> str:
        """The upload_id of real bytes for the slot."""
        is_video = job["parameters"]["media"] == "video"
        content = content or (mp4() if is_video else png(shade=40 * slot))
        headers = {
            "X-Lease-Token": job["lease_token"],
            "Content-Type": "video/mp4" if is_video else "image/png",
        }
        answer = self.http.put(f"jobs/{job['job_id']}/uploads/{slot}", content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["upload_id"])

    def report(
        self, job: dict[str, Any], *assets: dict[str, Any], status: str = "processing", **more: Any
    ) -> httpx.Response:
        body = {"job_id": job["job_id"], "lease_token": job["lease_token"], "status": status}
        return self.http.post("job-callback", json={**body, "assets": list(assets), **more})

    def deliver(
        self, job: dict[str, Any], *slots: int, status: str = "processing", **more: Any
    ) -> httpx.Response:
        """Upload and report these slots."""
        answer = self.report(job, *(self.delivered(job, slot) for slot in slots), status=status, **more)
        assert answer.status_code == 200, answer.text
        return answer

    def delivered(self, job: dict[str, Any], slot: int) -> dict[str, Any]:
        """What to report of a slot, its bytes uploaded."""
        return {"image_index": index(job, slot), "status": "completed", "upload_id": self.upload(job, slot)}

    def finish(self, **more: Any) -> dict[str, Any]:
        """Lease the next job and deliver all of it."""
        job = self.lease()
        self.deliver(job, *(slot["slot"] for slot in job["slots"]), status="completed", **more)
        return job


def index(job: dict[str, Any], slot: int) -> int | None:
    found: int | None = next(each["image_index"] for each in job["slots"] if each["slot"] == slot)
    return found


def failure(job: dict[str, Any], slot: int, message: str = "The GPU ran out of memory.") -> dict[str, Any]:
    """What to report of a slot that will not come."""
    error = {"code": "out_of_memory", "message": message, "retryable": False}
    return {"image_index": index(job, slot), "status": "failed", "error": error}


class Person:
    """Somebody signed in who uses plain forms, as a browser without scripts does, and REST."""

    def __init__(self, address: str, user: User) -> None:
        self.user = user
        self.session = session_of(user)
        cookies = {settings.SESSION_COOKIE_NAME: self.session}
        self.http = httpx.Client(base_url=address, cookies=cookies, timeout=LATER_S, trust_env=False)

    def page(self, path: str) -> str:
        answer = self.http.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return answer.text

    def post(self, path: str, fields: dict[str, str]) -> httpx.Response:
        """Send a form of the Workspace's page."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.page("/"))
        assert token
        return self.http.post(path, data={"csrfmiddlewaretoken": token.group(1), **fields})

    def compose(self, prompt: str, **fields: str) -> None:
        """Press Make."""
        chosen = {"media": "image", "quality": "fast", "quantity": "1", "prompt": prompt, **fields}
        answer = self.post("/workspace/submit", chosen)
        assert answer.status_code == 302, answer.text

    def submit(self, job_type: str = "sdxl_image_fast", prompt: str = "a lighthouse", **more: Any) -> str:
        """Submit over REST; the job's id."""
        self.page("/")  # for the CSRF cookie
        headers = {"X-CSRFToken": self.http.cookies["csrftoken"]}
        body = {"job_type": job_type, "prompt": prompt, **more}
        answer = self.http.post("/api/v1/jobs", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])
