"""`ourvidz-worker check`: checks this machine's requirements and prints one line for each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ourvidz_worker.client import Server
from ourvidz_worker.configuration import Configuration, connection_problem, default_spool_directory
from ourvidz_worker.engines import GPU_PACKAGES, missing_packages
from ourvidz_worker.engines.model_keys import GPU_ENGINES
from ourvidz_worker.engines.models import ModelSettings, settings_for
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable, ServerRefused, ServerUnavailable, TokenRefused
from ourvidz_worker.plain_http import plain_port_problem
from ourvidz_worker.weights_check import PIPELINES, Weights, inspect_weights

if TYPE_CHECKING:  # it imports torch
    from ourvidz_worker.engines.diffusion.placement import Placement

MIN_FREE_BYTES = 2 * 2**30  # a few films and their copies


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`about` names the requirement; `problem` is empty if it is met."""

    about: str
    answer: str
    problem: str = ""


def run_checks(config: Configuration) -> Iterator[CheckResult]:
    """Yields one result after the other, the slow ones last."""
    yield check_server(config)
    if config.unused:
        yield CheckResult(
            "options",
            f"{', '.join(config.unused)}: ignored by the engine {_engines(config)}",
        )
    yield _check_spool(config)
    yield _check_encoder()
    yield from _check_models(config)
    if config.embedder.model:
        from ourvidz_worker.embeddings.check import check_embedder

        yield from check_embedder(config)


def report(config: Configuration, write: Callable[[str], object]) -> int:
    """Returns 0 if every requirement is met, else 1."""
    failed = 0
    for result in run_checks(config):
        failed += bool(result.problem)
        status = "FAIL" if result.problem else "ok"
        write(f"{status:8} {result.about}: {result.problem or result.answer}\n")
    return 1 if failed else 0


def check_server(config: Configuration) -> CheckResult:
    """Checks that the server can be reached and accepts the token."""
    if problem := connection_problem(config) or plain_port_problem(config.server):
        return CheckResult("server", "", problem)
    server = Server(config.server, config.token or config.enrolment_token)
    try:
        server.check_access()
    except TokenRefused:
        if config.enrolment_token:  # which opens nothing else
            return CheckResult("server", f"{config.server}; this machine enrols when the worker starts")
        return CheckResult("server", "", f"{config.server} refuses this token")
    except (ServerUnavailable, ServerRefused) as error:
        return CheckResult("server", "", f"{config.server}: {error}")
    finally:
        server.close()
    return CheckResult("server", f"{config.server} knows this worker")


def _check_spool(config: Configuration) -> CheckResult:
    try:
        folder = Path(config.spool) if config.spool else default_spool_directory()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / "probe"
        probe.write_bytes(b"")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except (OSError, RuntimeError) as error:
        return CheckResult("spool", "", f"cannot be written ({error}); name a folder with --spool")
    if free < MIN_FREE_BYTES:
        return CheckResult("spool", "", f"only {free / 2**30:.1f} GiB free in {folder}")
    return CheckResult("spool", f"{folder}, {free / 2**30:.0f} GiB free")


def _check_encoder() -> CheckResult:
    import av

    if "libx264" not in av.codecs_available:
        return CheckResult("video encoder", "", "this PyAV has no libx264: pip install --force-reinstall av")
    return CheckResult("video encoder", f"libx264 in PyAV {av.__version__}")


def _engines(config: Configuration) -> str:
    return " and ".join(dict.fromkeys(model.engine for model in config.models))


def _check_models(config: Configuration) -> Iterator[CheckResult]:
    """What the GPU engines need, once, then each model; each line of a model begins with its name."""
    on_gpu = [
        (model, settings_for(config.engine, model)) for model in config.models if model.engine in GPU_ENGINES
    ]
    for model in config.models:
        if model.name and model.engine not in GPU_ENGINES:
            yield (
                _check_comfy(model)
                if model.engine == "comfy"
                else CheckResult(f"{model.name}: engine", model.engine)
            )
    if not on_gpu:
        return
    if names := missing_packages():
        yield CheckResult("libraries", "", f"{', '.join(names)}: pip install './worker[gpu]'")
        return
    yield CheckResult("libraries", ", ".join(f"{name} {_version(name)}" for name in GPU_PACKAGES))
    placement, device = _check_device(on_gpu[0][1])
    yield device
    for model, settings in on_gpu:
        prefix = f"{model.name}: " if model.name else ""
        for result in _check_model(model, settings, placement):
            yield replace(result, about=f"{prefix}{result.about}")


def _check_comfy(model: ModelSettings) -> CheckResult:
    """Whether its ComfyUI is there and has what the workflow needs."""
    from ourvidz_worker.engines.comfy.engine import ComfyEngine

    try:
        engine = ComfyEngine(model, patience_s=0.0)
        engine.load()
    except EngineUnusable as unusable:
        return CheckResult(f"{model.name}: workflow", "", str(unusable))
    engine.close()
    return CheckResult(f"{model.name}: workflow", f"{engine.device} has all that it needs")


def _check_model(
    model: ModelSettings, settings: EngineSettings, placement: Placement | None
) -> Iterator[CheckResult]:
    """The weights of one model, each alone: of several models one is loaded, and what fits beside it."""
    if placement is not None and settings.attention != "auto":
        yield _check_attention(settings, placement)
    is_wide = placement is not None and _precision_of(settings, placement) == "float32"
    weights = list(inspect_weights(settings, 4 if is_wide else 2, model))
    if placement is not None:
        yield from _check_memory(weights, settings.offload, placement)
    for each in weights:
        yield CheckResult(each.about, each.answer, each.problem)


def _precision_of(settings: EngineSettings, placement: Placement) -> str:
    return placement.precision_name if settings.precision == "auto" else settings.precision


def _check_device(settings: EngineSettings) -> tuple[Placement | None, CheckResult]:
    from ourvidz_worker.engines.diffusion.placement import choose_placement

    try:
        placement = choose_placement(settings, half="bfloat16")
    except EngineUnusable as unusable:
        return None, CheckResult("device", "", str(unusable))
    slow = "; real weights take minutes for an image here" if placement.device == "cpu" else ""
    return placement, CheckResult("device", f"{placement.describe()}{slow}")


def _check_attention(settings: EngineSettings, placement: Placement) -> CheckResult:
    from ourvidz_worker.engines.diffusion.attention import check_attention

    try:
        check_attention(settings, placement)
    except EngineUnusable as unusable:
        return CheckResult("attention", "", str(unusable))
    return CheckResult("attention", settings.attention)


def _check_memory(weights: Sequence[Weights], offload: str, placement: Placement) -> Iterator[CheckResult]:
    """Reports only what can never fit: the weights alone, without what they compute with."""
    from ourvidz_worker.engines.diffusion.placement import memory_bytes

    sizes = {each.about: each.sizes for each in weights}
    total = sum(map(sum, sizes.values()))
    pipelines = [sum(sizes.get(about, ())) for about in PIPELINES]
    one_at_a_time = total - sum(pipelines) + max(pipelines)  # of two pipelines, only one is on the GPU
    largest_part = max((size for parts in sizes.values() for size in parts), default=0)
    needed = {"none": one_at_a_time, "model": largest_part, "group": 0, "sequential": 0}[offload]
    has_own_memory = placement.device == "cuda"  # parts that are not on the GPU are in main memory
    yield _memory_result("memory", *memory_bytes(placement.device), needed if has_own_memory else total)
    if has_own_memory:
        yield _memory_result("main memory", *memory_bytes("cpu"), total)


def _memory_result(about: str, free: int, total: int, needed: float) -> CheckResult:
    available = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    too_little = f"{available}; the weights alone take {needed / 2**30:.1f} GiB there"
    return CheckResult(about, available, too_little if needed > total else "")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of unknown version"
