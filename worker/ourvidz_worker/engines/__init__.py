"""The engines this package knows, imported only when asked for: they bring heavy libraries."""

from __future__ import annotations

from ourvidz_worker.engines.base import Engine

ENGINES = ("sketch",)


def create_engine(name: str, *, pace: float) -> Engine:
    """`pace`: the least seconds a slot takes, for engines that are too quick to watch."""
    if name == "sketch":
        from ourvidz_worker.engines.sketch.engine import SketchEngine

        return SketchEngine(pace=pace)
    raise ValueError(f"unknown engine {name!r}")
