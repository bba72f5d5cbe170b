"""A ZIP file as a stream: not compressed, of a size known beforehand, the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

# The fixed parts of what is written for each file and at the end, by the format's APPNOTE.TXT.
LOCAL_HEADER, DATA_DESCRIPTOR, CENTRAL_HEADER, END_OF_DIRECTORY = 30, 16, 46, 22
# Below this an archive needs no ZIP64: its size follows from names and sizes, and every program reads it.
MAX_BYTES = 2_000_000_000


class Member(NamedTuple):
    """A file of the archive: `content` yields `size` bytes."""

    name: str
    size: int
    modified_at: datetime
    content: Callable[[], Iterator[bytes]]


class _Buffer(io.RawIOBase):
    """What zipfile writes to: it cannot be rewound, so sizes and checksums follow each file's bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any, /) -> int:
        self.written.append(bytes(data))
        return len(data)

    def writable(self) -> bool:
        return True

    def take(self) -> bytes:
        data, self.written = b"".join(self.written), []
        return data


def member_size(name: str, size: int) -> int:
    """The bytes that a member adds to an archive."""
    return LOCAL_HEADER + DATA_DESCRIPTOR + CENTRAL_HEADER + 2 * len(name.encode()) + size


def zip_size(sizes: Iterable[tuple[str, int]]) -> int:
    """The bytes of an archive of members with these names and sizes."""
    return END_OF_DIRECTORY + sum(member_size(name, size) for name, size in sizes)


def zip_chunks(members: Iterable[Member]) -> Iterator[bytes]:
    """The bytes of the archive, as many at a time as the contents yield.

    Raises:
        ValueError: a content has not the size it should have.
    """
    buffer = _Buffer()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            yield from _write(archive, buffer, member)
    yield buffer.take()


def _write(archive: zipfile.ZipFile, buffer: _Buffer, member: Member) -> Iterator[bytes]:
    info = zipfile.ZipInfo(member.name, member.modified_at.astimezone(UTC).timetuple()[:6])
    info.external_attr = 0o644 << 16
    left = member.size
    with archive.open(info, "w") as file:
        for chunk in member.content():
            left -= len(chunk)
            file.write(chunk)
            yield buffer.take()
    if left:
        raise ValueError(f"{member.name} is not of {member.size} bytes")


def skip(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The chunks without their first `count` bytes; empty ones while these pass."""
    for chunk in chunks:
        passed = min(count, len(chunk))
        count -= passed
        yield chunk[passed:]


def first(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The first `count` bytes."""
    while count > 0 and (chunk := next(chunks, None)) is not None:
        yield chunk[:count]
        count -= len(chunk)
