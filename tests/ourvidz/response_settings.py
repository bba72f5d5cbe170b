"""The project's settings, with the views of `response_views` served beside its own."""

from __future__ import annotations

from ourvidz.settings import *  # noqa: F403

ROOT_URLCONF = "tests.ourvidz.response_views"
