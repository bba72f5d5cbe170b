"""Media files without what is written in them beside the picture: prompts, seeds, places, cameras, titles.

Each part that holds such text is overwritten in place by one of the same size that readers pass over, so that
sizes and offsets stay, and nothing is decoded. The picture looks the same: colours and orientation stay, and
so does the word that it was generated (`source_type`).
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, BinaryIO

from generation.media.file_patches import Patch
from generation.media.formats import IMAGE_TYPES
from generation.media.image_streams import find_stream
from generation.media.stripped_images import jpeg_patches, png_patches, webp_patches
from generation.media.stripped_videos import mp4_patches, webm_patches

KINDS = {content_type: kind for kind, (content_type, _) in IMAGE_TYPES.items()}
PATCHES: dict[str, Callable[[BinaryIO], Iterator[Patch]]] = {
    "image/png": png_patches,
    "image/jpeg": jpeg_patches,
    "image/webp": webp_patches,
    "video/mp4": mp4_patches,
    "video/webm": webm_patches,
}


def patches(content: BinaryIO, content_type: str) -> list[Patch]:
    """What to overwrite, in the order of the file.

    Raises:
        BrokenMedia: the file's parts do not fit. What was accepted as a result does not raise.
    """
    return sorted([*PATCHES[content_type](content), *_trailer(content, content_type)])


def _trailer(content: BinaryIO, content_type: str) -> Iterator[Patch]:
    """What stands behind the picture."""
    kind = KINDS.get(content_type)
    length = content.seek(0, 2)
    if kind and (end := find_stream(content, kind).end) < length:
        yield Patch(end, b"", length - end)


class KnownPatches:
    """What to overwrite in the files asked for lately, by their names: to find it a PNG is read whole.

    Files do not change under their names. Safe between threads.
    """

    MOST_FILES, MOST_PATCHES = 256, 200  # 5 MB at most; of a file with more it is found anew each time

    def __init__(self) -> None:
        self._known: OrderedDict[str, list[Patch]] = OrderedDict()
        self._lock = Lock()

    def of(self, name: str, content: BinaryIO, content_type: str) -> list[Patch]:
        """As `patches`."""
        with self._lock:
            if name in self._known:
                self._known.move_to_end(name)
                return self._known[name]
        found = patches(content, content_type)
        if len(found) <= self.MOST_PATCHES:
            with self._lock:
                self._known[name] = found
                while len(self._known) > self.MOST_FILES:
                    self._known.popitem(last=False)
        return found


class StrippedFile(io.RawIOBase):
    """A file as if it was written without that text; closing it closes the original."""

    def __init__(self, original: Any, content_type: str, known: list[Patch] | None = None) -> None:
        super().__init__()
        self.original = original
        self.size: int = original.seek(0, 2)
        self.patches = patches(original, content_type) if known is None else known
        self.starts = [patch.start for patch in self.patches]
        self.at = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.at = offset + {0: 0, 1: self.at, 2: self.size}[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        self.original.seek(self.at)
        data = bytearray(self.original.read(size))
        begin, end = self.at, self.at + len(data)
        for patch in self.patches[max(0, bisect_right(self.starts, begin) - 1) :]:
            if patch.start >= end:
                break
            first, last = max(begin, patch.start), min(end, patch.end)
            if first < last:
                data[first - begin : last - begin] = patch.part(first, last)
        self.at = end
        return bytes(data)

    def close(self) -> None:
        self.original.close()
        super().close()
