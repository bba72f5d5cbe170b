"""The process that decodes untrusted media, one file at a time: `python -m generation.media.decoder_process`.

It imports no Django, is given no secret, may open no files but those that come with a request, and ends when
the server closes its line, or when a file takes longer than it may. `decoders` starts it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import importlib
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any, BinaryIO

from generation.media import messages
from generation.media.decode_image import canonical_image, measure_image
from generation.media.decode_video import measure_video
from generation.media.formats import BrokenMedia, Measured

LINE = 3  # the descriptor of the line to the server, in the end
# Beside what pictures may take: Python's own objects, and what the allocator keeps.
OWN_BYTES = 48 * 1024 * 1024
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def main() -> None:
    given, memory, seconds, written, adds_manifests = map(int, sys.argv[1:])
    if given != LINE:
        os.dup2(given, LINE)
        os.close(given)
    line = socket.socket(fileno=LINE)
    if adds_manifests:  # before it may open no more files
        importlib.import_module("generation.media.manifest_writer")
    _confine(memory, written)
    messages.send(line, {"ready": True})
    while True:
        try:
            request, files = messages.receive_with_files(line)
        except messages.BadMessage:
            return  # the server has gone
        _allow(seconds, files)
        answer, thumbnail = _answer(request, files, memory, line)
        signal.alarm(0)
        _limit_files(messages.MAX_FILES)
        try:
            messages.send(line, answer, body=thumbnail)
        except OSError:
            return


def _confine(memory: int, written: int) -> None:
    """Give up what a decoder does not need; each limit where the system has it."""
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: written,
        resource.RLIMIT_NOFILE: LINE + 1 + messages.MAX_FILES,
        resource.RLIMIT_AS: _address_space() + memory + OWN_BYTES,
    }
    for name, limit in limits.items():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(name, (limit, limit))


def _address_space() -> int:
    """What the program and its libraries have mapped, in bytes; 0 where the system does not say."""
    with contextlib.suppress(OSError), Path("/proc/self/statm").open() as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()
    return 0


def _limit_files(number: int) -> None:
    """Room for so many descriptors beside the line, and for none when they are there."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (LINE + 1 + number, hard))


def _allow(seconds: int, files: list[int]) -> None:
    """CPU seconds for one more file, beyond those used, and twice as many by the clock; no other file."""
    _limit_files(len(files))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, hard))
    signal.alarm(2 * seconds)


def _answer(
    request: dict[str, Any], files: list[int], memory: int, line: socket.socket
) -> tuple[dict[str, Any], bytes]:
    with contextlib.ExitStack() as stack:
        opened = [
            stack.enter_context(os.fdopen(each, mode))
            for each, mode in zip(files, ("rb", "wb"), strict=False)
        ]
        try:
            if "manifest" in request:
                return {"manifest": _write_manifest(opened, request["manifest"], line)}, b""
            measured = _decode(opened, memory=memory, **request)
        except BrokenMedia as broken:
            return {"code": broken.code, "message": broken.message}, b""
        except MemoryError:
            message = f"Opening the file takes more than {memory // 1024**2:,} MB of memory."
            return {"code": "too_large", "message": message}, b""
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            return {"code": "disk_full", "message": error.strerror}, b""
    answer = dataclasses.asdict(measured)
    thumbnail, small = answer.pop("thumbnail"), answer.pop("small_thumbnail")
    both = thumbnail + small
    return {"measured": answer, "thumbnail_bytes": len(both), "small_bytes": len(small)}, both


def _write_manifest(files: list[Any], asked: dict[str, Any], line: socket.socket) -> bool:
    from generation.media.manifest_writer import write_manifest

    def sign(data: bytes) -> bytes:
        messages.send(line, {"to_sign": True, "thumbnail_bytes": len(data)}, body=data)
        return messages.receive_body(line, messages.receive(line)["signature_bytes"])

    return write_manifest(files[0], files[1], asked, sign)


def _decode(
    files: list[Any], *, memory: int, media: str, max_side: int | None, max_bytes: int | None
) -> Measured:
    content: BinaryIO = files[0]
    if max_bytes:
        return canonical_image(content, files[1], max_side=max_side, max_bytes=max_bytes, memory=memory)
    if media == "video":
        return measure_video(content)
    return measure_image(content, max_side=max_side, memory=memory)


if __name__ == "__main__":
    main()
