"""`ourvidz-worker check`: checks this machine's requirements and prints one line for each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ourvidz_worker.client import Server
from ourvidz_worker.configuration import Configuration, connection_problem, default_spool_directory
from ourvidz_worker.engines import GPU_PACKAGES, missing_packages
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable, ServerRefused, ServerUnavailable, TokenRefused
from ourvidz_worker.plain_http import plain_port_problem
from ourvidz_worker.weight_files import format_problem, is_cached, part_sizes, total_size

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
            "options", f"{', '.join(config.unused)}: ignored by the engine {config.engine.engine}"
        )
    yield _check_spool(config)
    yield _check_encoder()
    if config.engine.engine != "sketch":
        yield from _check_gpu(config)


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
    server = Server(config.server, config.token)
    try:
        server.check_access()
    except TokenRefused:
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


def _check_gpu(config: Configuration) -> Iterator[CheckResult]:
    if names := missing_packages():
        yield CheckResult("libraries", "", f"{', '.join(names)}: pip install './worker[gpu]'")
        return
    yield CheckResult("libraries", ", ".join(f"{name} {_version(name)}" for name in GPU_PACKAGES))
    yield from _check_device(config)
    settings = config.engine
    adapters = settings.style_adapter or settings.character_adapter
    for about, location in (
        ("model", settings.model),
        ("image model", settings.image_model),
        ("enhancer", settings.enhancer),
        ("style adapter", settings.style_adapter),
        ("character adapter", settings.character_adapter),
        ("image encoder", settings.image_encoder),
    ):
        is_needed = about == "model" or (about == "image encoder" and bool(adapters))
        if location or is_needed:
            yield _check_weights(about, location, config)


def _check_device(config: Configuration) -> Iterator[CheckResult]:
    from ourvidz_worker.engines.diffusion.placement import choose_placement

    try:
        placement = choose_placement(config.engine, half="bfloat16")
    except EngineUnusable as unusable:
        yield CheckResult("device", "", str(unusable))
        return
    slow = "; real weights take minutes for an image here" if placement.device == "cpu" else ""
    yield CheckResult("device", f"{placement.describe()}{slow}")
    if config.engine.attention != "auto":
        yield _check_attention(config.engine, placement)
    yield from _check_memory(config.engine, placement)


def _check_attention(settings: EngineSettings, placement: Placement) -> CheckResult:
    from ourvidz_worker.engines.diffusion.attention import check_attention

    try:
        check_attention(settings, placement)
    except EngineUnusable as unusable:
        return CheckResult("attention", "", str(unusable))
    return CheckResult("attention", settings.attention)


def _check_memory(settings: EngineSettings, placement: Placement) -> Iterator[CheckResult]:
    """Reports only what can never fit: weights may be stored with twice the precision that is used."""
    from ourvidz_worker.engines.diffusion.placement import memory_bytes

    share = 1 if placement.precision_name == "float32" else 0.5
    pipelines, enhancer = (settings.model, settings.image_model), settings.enhancer
    total = share * sum(map(total_size, (*pipelines, enhancer)))
    largest_part = share * max(
        (each for location in (*pipelines, enhancer) for each in part_sizes(location)), default=0
    )
    one_at_a_time = share * (max(map(total_size, pipelines)) + total_size(enhancer))
    needed = {"none": one_at_a_time, "model": largest_part, "sequential": 0}[settings.offload]
    has_own_memory = placement.device == "cuda"  # parts that are not on the GPU are in main memory
    yield _memory_result("memory", *memory_bytes(placement.device), needed if has_own_memory else total)
    if has_own_memory:
        yield _memory_result("main memory", *memory_bytes("cpu"), total)


def _memory_result(about: str, free: int, total: int, needed: float) -> CheckResult:
    available = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    too_little = f"{available}; the weights alone take {needed / 2**30:.1f} GiB there"
    return CheckResult(about, available, too_little if needed > total else "")


def _check_weights(about: str, location: str, config: Configuration) -> CheckResult:
    if not location:
        return CheckResult(about, "", f"name the weights with --{about.replace(' ', '-')}")
    if problem := format_problem(about, location):
        return CheckResult(about, "", problem)
    if Path(location).exists():
        return CheckResult(about, f"{location}, {total_size(location) / 2**30:.1f} GiB")
    if is_cached(about, location):
        return CheckResult(about, f"{location}, which was fetched before")
    if config.engine.allow_download:
        return CheckResult(about, f"{location}, from the hub when the worker starts")
    return CheckResult(about, "", f"no folder {location}; a hub name needs --allow-download")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of unknown version"
