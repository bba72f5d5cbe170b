"""Creates engines by name. Each is imported only when it is created: they import heavy libraries."""

from __future__ import annotations

from importlib.util import find_spec

from ourvidz_worker.engines.base import Engine
from ourvidz_worker.engines.models import ModelSettings, default_model, settings_for
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable

ENGINES = ("sketch", "sdxl", "wan")
GPU_PACKAGES = ("torch", "diffusers", "transformers", "accelerate")


def create_engine(settings: EngineSettings, model: ModelSettings | None = None) -> Engine:
    """The engine for one model, which replaces the settings that it has of its own.

    Raises EngineUnusable if the engine's libraries are not installed or a setting is missing.
    """
    model = model or default_model(settings)
    settings = settings_for(settings, model)
    if settings.engine == "sketch":
        from ourvidz_worker.engines.sketch.engine import SketchEngine

        return SketchEngine(pace=settings.pace, model=model)
    if missing := missing_packages():
        raise EngineUnusable(
            f"the engine {settings.engine} needs {', '.join(missing)}: pip install './worker[gpu]'"
        )
    if not settings.model:
        raise EngineUnusable(
            f"the engine {settings.engine} needs weights: --model FOLDER, or a hub name with --allow-download"
        )
    from ourvidz_worker.engines.diffusion.sdxl import SdxlEngine
    from ourvidz_worker.engines.diffusion.wan import WanEngine

    return SdxlEngine(settings, model) if settings.engine == "sdxl" else WanEngine(settings, model)


def missing_packages() -> list[str]:
    return [name for name in GPU_PACKAGES if find_spec(name) is None]
