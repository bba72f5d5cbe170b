"""Requests: hostile media, large lists, submit and cancel, unknown addresses, guessed passwords."""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path

from bench.attacks.target import Target, settled

CSRF = re.compile(rb'name="csrfmiddlewaretoken" value="([^"]+)"')
FORM = "application/x-www-form-urlencoded"
MOVIE = {"job_type": "video_fast", "prompt": "a hostile one"}


async def decoding(target: Target) -> None:
    """Pictures of 64 megapixels or 99 scans as references; movies with 20 million samples as results."""
    numbers = itertools.count()

    async def reference() -> None:
        path = target.pictures[next(numbers) % len(target.pictures)]
        kind = f"image/{Path(path).suffix[1:]}"
        body = await asyncio.to_thread(Path(path).read_bytes)
        # Each with other bytes: what follows the picture is not decoded.
        body += str(next(numbers)).encode()
        await target.call("PUT", "/api/v1/references", body, {"Content-Type": kind, **_bearer(target.token)})

    async def result() -> None:
        await target.post("/api/v1/jobs", MOVIE, target.token)
        lease = await target.post("/api/v1/worker/lease", {"engines": ["wan"]}, target.worker_token)
        if not lease.get("job_id"):
            return
        path = f"/api/v1/worker/jobs/{lease['job_id']}/uploads/0"
        body = await asyncio.to_thread(Path(target.video).read_bytes)
        headers = {
            "X-Lease-Token": lease["lease_token"],
            "Content-Type": "video/mp4",
            **_bearer(target.worker_token),
        }
        for _ in range(3):
            await target.call("PUT", path, body, headers)

    await settled([target.repeat(6, reference), target.repeat(3, result)])


async def lists(target: Target) -> None:
    """30 large pages of jobs at once, again and again."""

    async def once() -> None:
        await target.call("GET", "/api/v1/jobs?limit=200", headers=_bearer(target.token))

    await target.repeat(30, once)


async def cancels(target: Target) -> None:
    """Jobs submitted and cancelled at once."""

    async def once() -> None:
        job = await target.post("/api/v1/jobs", MOVIE, target.token)
        if job.get("id"):
            await target.post(f"/api/v1/jobs/{job['id']}/cancel", {}, target.token)

    await target.repeat(8, once)


async def unknown(target: Target) -> None:
    """Addresses that are not there, asked for by nobody."""
    numbers = itertools.count()

    async def once() -> None:
        await target.call("GET", f"/nothing/{next(numbers)}/" + "x" * 500)

    await target.repeat(16, once)


async def passwords(target: Target) -> None:
    """Passwords guessed for one name and for many."""
    names = itertools.count()
    page = await target.call("GET", "/sign-in/")
    found = CSRF.search(page)
    cookie = re.search(rb"csrftoken=([^;]+)", page)
    if not found or not cookie:
        target.seen["no form"] += 1
        return

    async def once() -> None:
        name = "owner" if (number := next(names)) % 2 else f"person{number}"
        body = f"csrfmiddlewaretoken={found[1].decode()}&username={name}&password=guess{number}"
        headers = {"Content-Type": FORM, "Cookie": f"csrftoken={cookie[1].decode()}"}
        await target.call("POST", "/sign-in/", body.encode(), headers)

    await target.repeat(8, once)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
