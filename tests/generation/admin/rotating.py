"""Rotating workers' tokens as an operator does: the action asks first, and its form goes on."""

from __future__ import annotations

import re

from django.test import Client

from generation.models import Worker

WORKERS = "/admin/generation/worker/"
HIDDEN = re.compile(r'<input type="hidden" name="(token_[\w-]+)" value="([\w-]+)">')


def rotation(client: Client, *workers: Worker) -> dict[str, object]:
    """The form that asks, filled in."""
    body: dict[str, object] = {
        "action": "rotate_token",
        "_selected_action": [str(worker.pk) for worker in workers],
    }
    asked = client.post(WORKERS, body).content.decode()
    return {**body, **dict(HIDDEN.findall(asked)), "confirmed": "Issue tokens"}


def rotate(client: Client, *workers: Worker) -> str:
    """The page that shows the new tokens."""
    return client.post(WORKERS, rotation(client, *workers)).content.decode()
