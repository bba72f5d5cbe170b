"""Bytes that stand in the place of others of a file, without a copy of it."""

from __future__ import annotations

from typing import NamedTuple


class Patch(NamedTuple):
    """The bytes that stand in the place of those from `start` on: `data`, and then so many zeros."""

    start: int
    data: bytes
    zeros: int = 0

    @property
    def end(self) -> int:
        return self.start + len(self.data) + self.zeros

    def part(self, first: int, last: int) -> bytes:
        return self.data[first - self.start : last - self.start].ljust(last - first, b"\0")
