from __future__ import annotations

from django.apps import AppConfig


class OurVidzConfig(AppConfig):
    name = "ourvidz"

    def ready(self) -> None:
        from ourvidz import checks  # noqa: F401 - registers them
