"""`ourvidz-worker check`: what is missing before this machine can work, one line each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ourvidz_worker.client import Server
from ourvidz_worker.configuration import Configuration, missing, usual_spool
from ourvidz_worker.engines import GPU_PACKAGES, missing_packages
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable, ServerRefused, ServerUnavailable, TokenRefused
from ourvidz_worker.weight_files import format_problem, is_cached, part_sizes, total_size

if TYPE_CHECKING:  # it imports torch
    from ourvidz_worker.engines.diffusion.placement import Placement

SPARE_DISK = 2 * 2**30  # a few films and their copies


@dataclass(frozen=True, slots=True)
class Finding:
    """`problem` is empty when all is well; `about` says what was looked at."""

    about: str
    answer: str
    problem: str = ""


def findings(chosen: Configuration) -> Iterator[Finding]:
    """One after the other, the slow ones last."""
    yield server_finding(chosen)
    if chosen.unused:
        yield Finding("options", f"{', '.join(chosen.unused)}: ignored by the engine {chosen.engine.engine}")
    yield _spool(chosen)
    yield _encoder()
    if chosen.engine.engine != "sketch":
        yield from _gpu(chosen)


def report(chosen: Configuration, write: Callable[[str], object]) -> int:
    """0 when nothing is missing, else 1."""
    failed = 0
    for finding in findings(chosen):
        failed += bool(finding.problem)
        verdict = "FAIL" if finding.problem else "ok"
        write(f"{verdict:8} {finding.about}: {finding.problem or finding.answer}\n")
    return 1 if failed else 0


def server_finding(chosen: Configuration) -> Finding:
    """Whether the server is there and takes the token."""
    if problem := missing(chosen):
        return Finding("server", "", problem)
    server = Server(chosen.server, chosen.token)
    try:
        server.check_access()
    except TokenRefused:
        return Finding("server", "", f"{chosen.server} refuses this token")
    except (ServerUnavailable, ServerRefused) as error:
        return Finding("server", "", f"{chosen.server}: {error}")
    finally:
        server.close()
    return Finding("server", f"{chosen.server} knows this worker")


def _spool(chosen: Configuration) -> Finding:
    try:
        folder = Path(chosen.spool) if chosen.spool else usual_spool()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / "probe"
        probe.write_bytes(b"")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except (OSError, RuntimeError) as error:
        return Finding("spool", "", f"cannot be written ({error}); name a folder with --spool")
    if free < SPARE_DISK:
        return Finding("spool", "", f"only {free / 2**30:.1f} GiB free in {folder}")
    return Finding("spool", f"{folder}, {free / 2**30:.0f} GiB free")


def _encoder() -> Finding:
    import av

    if "libx264" not in av.codecs_available:
        return Finding("video encoder", "", "this PyAV has no libx264: pip install --force-reinstall av")
    return Finding("video encoder", f"libx264 in PyAV {av.__version__}")


def _gpu(chosen: Configuration) -> Iterator[Finding]:
    if names := missing_packages():
        yield Finding("libraries", "", f"{', '.join(names)}: pip install './worker[gpu]'")
        return
    yield Finding("libraries", ", ".join(f"{name} {_version(name)}" for name in GPU_PACKAGES))
    yield from _device(chosen)
    settings = chosen.engine
    adapters = settings.style_adapter or settings.character_adapter
    for about, where in (
        ("model", settings.model),
        ("image model", settings.image_model),
        ("enhancer", settings.enhancer),
        ("style adapter", settings.style_adapter),
        ("character adapter", settings.character_adapter),
        ("image encoder", settings.image_encoder),
    ):
        is_needed = about == "model" or (about == "image encoder" and bool(adapters))
        if where or is_needed:
            yield _weights(about, where, chosen)


def _device(chosen: Configuration) -> Iterator[Finding]:
    from ourvidz_worker.engines.diffusion.placement import placed

    try:
        placement = placed(chosen.engine, half="bfloat16")
    except EngineUnusable as unusable:
        yield Finding("device", "", str(unusable))
        return
    slow = "; real weights take minutes for an image here" if placement.device == "cpu" else ""
    yield Finding("device", f"{placement.describe()}{slow}")
    if chosen.engine.attention != "auto":
        yield _attention(chosen.engine, placement)
    yield from _memory(chosen.engine, placement)


def _attention(settings: EngineSettings, placement: Placement) -> Finding:
    from ourvidz_worker.engines.diffusion.attention import check_attention

    try:
        check_attention(settings, placement)
    except EngineUnusable as unusable:
        return Finding("attention", "", str(unusable))
    return Finding("attention", settings.attention)


def _memory(settings: EngineSettings, placement: Placement) -> Iterator[Finding]:
    """Too little is what can never do: weights may be stored twice as wide as they are used."""
    from ourvidz_worker.engines.diffusion.placement import memory

    share = 1 if placement.precision_name == "float32" else 0.5
    pipelines, enhancer = (settings.model, settings.image_model), settings.enhancer
    whole = share * sum(map(total_size, (*pipelines, enhancer)))
    largest = share * max((each for where in (*pipelines, enhancer) for each in part_sizes(where)), default=0)
    one_at_a_time = share * (max(map(total_size, pipelines)) + total_size(enhancer))
    needed = {"none": one_at_a_time, "model": largest, "sequential": 0}[settings.offload]
    is_apart = placement.device == "cuda"  # what is not on the GPU waits in main memory
    yield _room("memory", *memory(placement.device), needed if is_apart else whole)
    if is_apart:
        yield _room("main memory", *memory("cpu"), whole)


def _room(about: str, free: int, total: int, needed: float) -> Finding:
    there = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    lacking = f"{there}; the weights alone take {needed / 2**30:.1f} GiB there"
    return Finding(about, there, lacking if needed > total else "")


def _weights(about: str, where: str, chosen: Configuration) -> Finding:
    if not where:
        return Finding(about, "", f"name the weights with --{about.replace(' ', '-')}")
    if problem := format_problem(about, where):
        return Finding(about, "", problem)
    if Path(where).exists():
        return Finding(about, f"{where}, {total_size(where) / 2**30:.1f} GiB")
    if is_cached(about, where):
        return Finding(about, f"{where}, which was fetched before")
    if chosen.engine.allow_download:
        return Finding(about, f"{where}, from the hub when the worker starts")
    return Finding(about, "", f"no folder {where}; a hub name needs --allow-download")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of unknown version"
