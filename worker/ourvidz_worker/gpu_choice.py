"""`--device cuda:1`: one GPU of several."""

from __future__ import annotations

import re
from collections.abc import MutableMapping

DEVICE = re.compile(r"auto|cpu|mps|cuda(?::([0-9]{1,3}))?")
VISIBLE = "CUDA_VISIBLE_DEVICES"


class NoSuchGpu(Exception):
    """The environment shows this process fewer GPUs; the message is for the operator."""


def device(text: str) -> str:
    """Raises ValueError with what is allowed."""
    if not DEVICE.fullmatch(text):
        raise ValueError("must be auto, cpu, mps, cuda, or cuda:N for one GPU of several")
    return text


def show_only(chosen: str, environment: MutableMapping[str, str]) -> None:
    """Let this process see the chosen GPU alone, where one was named by its number. Before torch is imported.

    So nothing of the worker takes memory on another GPU, and every measure of memory is of this one. The
    number counts as `nvidia-smi` does, or among those that CUDA_VISIBLE_DEVICES names.

    Raises:
        NoSuchGpu
    """
    match = DEVICE.fullmatch(chosen)
    if match is None or match[1] is None:
        return
    number = int(match[1])
    visible = environment.get(VISIBLE)
    if visible is None:
        environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        environment[VISIBLE] = str(number)
        return
    names = [name.strip() for name in visible.split(",") if name.strip()]
    if number >= len(names):
        raise NoSuchGpu(f"--device {chosen}: {VISIBLE} is {visible!r}, which shows {len(names)}")
    environment[VISIBLE] = names[number]
