"""The rows of a database at generation 0005: jobs and assets in every state, and one of everything else."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.migrations.state import StateApps

from tests.upgrade.database import ALIAS

T0 = datetime(2026, 3, 1, 12, 0, 0, 0, tzinfo=UTC)  # SQLite leaves the microseconds out of this one
PROMPT = "a lighthouse at dusk, “Ünïcode” 灯台 🗼 it's 100 %\nsecond line"
HIGHEST_SEED = 2**63 - 1
LATER = {"failed": "engine_error", "cancelled": "", "queued": ""}


class OldRows:
    """Writes them through the models that the migrations up to 0005 describe."""

    def __init__(self, apps: StateApps, *, revision: int = 0) -> None:
        self.apps = apps
        self.revision = revision
        self.moment = T0

    def create(self, model: str, app: str = "generation", /, **values: object) -> Any:
        return self.apps.get_model(app, model)._default_manager.using(ALIAS).create(**values)

    def tick(self) -> datetime:
        """Each moment is unlike the last one in its microseconds."""
        self.moment += timedelta(seconds=1, microseconds=333_333)
        return self.moment

    def next_revision(self) -> int:
        self.revision += 1
        return self.revision

    def fill(self) -> None:
        self.people()
        self.waiting()
        self.running()
        self.ended()
        self.tombstones()
        self.create("OwnerCounter", owner=self.owner, revision=self.revision, horizon=3)

    def submit(self) -> None:
        """One more batch of three, in a database that is filled."""
        self.owner = self.apps.get_model("auth", "User").objects.using(ALIAS).get()
        self.project = self.apps.get_model("generation", "Project").objects.using(ALIAS).get(is_default=True)
        self.assets(self.job("sdxl_image_fast", 3, "queued"), "queued", "queued", "queued")

    def people(self) -> None:
        self.owner = self.create("User", "auth", username="owner", password="!")
        self.create("Allowance", owner=self.owner, active_jobs=7)
        self.create("PersonalToken", owner=self.owner, name="script", digest="d" * 64, hint="ovu_1234")
        self.project = self.create("Project", owner=self.owner, name="General", is_default=True)
        self.other_project = self.create("Project", owner=self.owner, name="Harbour")
        self.worker = self.create("Worker", name="gpu-1", engines=["sdxl", "wan"], pools=["image_fast"])
        self.create("WorkerToken", worker=self.worker, digest="e" * 64, hint="ovw_1234")
        self.create("Pace", worker=self.worker, job_type="image_fast", seconds=0.1 + 0.2, benchmark=1.5)
        self.reference = self.create(
            "Reference",
            **{"owner": self.owner, "sha256": "f" * 64, "file": "r/f.png", "thumbnail": "r/f.webp"},
            **{"content_type": "image/png", "byte_size": 7, "width": 8, "height": 9, "used_at": self.tick()},
        )

    def waiting(self) -> None:
        fresh = self.job("sdxl_image_fast", 3, "queued")
        self.create("JobReference", job=fresh, reference=self.reference, type="style", strength=0.6)
        self.assets(fresh, "queued", "queued", "queued")
        again = self.job("sdxl_image_high", 3, "queued", retry_at=self.tick(), attempt=1, attempts_left=2)
        self.attempt(again, "expired")
        self.assets(again, "saved", "queued", "queued")
        self.assets(self.job("image_fast", 1, "queued", idempotency_key="k", seed=0), "queued")
        self.assets(self.job("video_high", 1, "queued"), "queued")

    def running(self) -> None:
        job = self.job("sdxl_image_fast", 6, "processing", current_slot=2, progress=40, stage="sampling")
        self.attempt(job, "running")
        self.assets(job, "saved", "saved", "queued", "queued", "queued", "queued")
        slot = {"job": job, "slot": 2, "lease_token": job.lease_token}
        self.create("Preview", **slot, picture=b"\x00webp\xff", version="0011", stored_at=self.tick())
        uploaded = {"file": "u/2.png", "thumbnail": "u/2.webp", "content_type": "image/png", "width": 8}
        self.create("Upload", **slot, sha256="a" * 64, byte_size=10, height=8, **uploaded)
        self.create("Upload", **slot | {"slot": 3}, sha256="b" * 64, byte_size=0, error_code="broken_media")
        video = self.job("video_fast", 1, "processing", metadata={"gpu": "H100"})
        self.attempt(video, "running")
        self.assets(video, "queued")

    def ended(self) -> None:
        full = self.job("sdxl_image_high", 6, "completed", review=True)
        self.attempt(full, "reported")
        self.create("JobReference", job=full, reference=None, type="character", strength=1)
        self.assets(full, "review", "saved", "trashed", "saved and trashed", "saved", "review")
        self.assets(self.job("sdxl_image_fast", 3, "partial"), "saved", "failed", "saved")
        self.assets(self.job("sdxl_image_fast", 1, "completed", project=self.other_project), "saved")
        for state in ("failed", "cancelled"):
            self.assets(self.job("image_high", 1, state), state)
            self.assets(self.job("video_fast", 1, state), state)
        self.assets(self.job("image_fast", 1, "completed"), "saved")
        for place in ("saved", "review", "trashed", "saved and trashed", "saved"):
            self.assets(self.job("video_high", 1, "completed", project=self.other_project), place)

    def tombstones(self) -> None:
        for media in ("image", "video"):
            gone = {"asset_id": uuid.uuid4(), "job_id": uuid.uuid4(), "purged_at": self.tick()}
            self.create("Purged", owner=self.owner, media=media, revision=self.next_revision(), **gone)

    def job(self, job_type: str, quantity: int, status: str, **more: object) -> Any:
        media = "video" if job_type.startswith("video") else "image"
        values = {"owner": self.owner, "project": self.project, "job_type": job_type, "prompt": PROMPT}
        values |= {"engine": "sdxl" if job_type.startswith("sdxl") else "wan", "media": media}
        values |= {"quantity": quantity, "aspect": "1:1", "width": 1024, "height": 1024, "pool": job_type}
        values |= {"parameters": {"steps": 15}, "status": status}
        if status == "processing":
            values |= {"leased_by": self.worker, "lease_token": uuid.uuid4(), "lease_expires_at": self.tick()}
        elif status != "queued":
            values |= {"finished_at": self.tick(), "cleared_at": self.tick(), "lease_token": uuid.uuid4()}
        return self.create("Job", **values | {"revision": self.next_revision()} | more)

    def attempt(self, job: Any, outcome: str) -> None:
        token = job.lease_token if outcome != "expired" else uuid.uuid4()
        ended = None if outcome == "running" else self.tick()
        values = {"number": 1, "lease_token": token, "leased_at": self.tick(), "ended_at": ended}
        self.create("Attempt", job=job, worker=self.worker, outcome=outcome, accepted=1, **values)

    def assets(self, job: Any, *states: str) -> None:
        for slot, state in enumerate(states):
            values = {"job": job, "owner": self.owner, "project": job.project, "prompt": job.prompt}
            values |= {"revision": self.next_revision(), "seed": (0, HIGHEST_SEED, 42)[slot % 3]}
            values |= self._where(state, job, slot)
            if job.media == "image":
                values["image_index"] = slot if job.engine == "sdxl" else None
            self.create(job.media.capitalize(), **values)

    def _where(self, state: str, job: Any, slot: int) -> dict[str, object]:
        if state in LATER:
            return {
                "status": state,
                "error_code": LATER[state],
                "error_message": "é" * 500 if LATER[state] else "",
            }
        name = f"{job.id}/{slot}"
        values: dict[str, object] = {
            "status": "completed",
            "file": f"{name}.png",
            "thumbnail": f"{name}.webp",
        }
        values |= {"content_type": "image/png", "sha256": f"{slot:064}", "byte_size": 2**40, "width": 1024}
        values |= {
            "height": 768,
            "completed_at": self.tick(),
            "metadata": {"cfg": 0.1 + 0.2, "näme": [None, "🗼"]},
        }
        if job.media == "video":
            values |= {"content_type": "video/mp4", "duration": 0.1 + 0.2, "frames": 81}
        # Two of an image and a video saved in one moment are told apart by their ids.
        saved_at: Callable[[], datetime] = self.tick if slot % 2 else lambda: T0
        values["saved_at"] = saved_at() if "saved" in state else None
        values["trashed_at"] = self.tick() if "trashed" in state else None
        return values
