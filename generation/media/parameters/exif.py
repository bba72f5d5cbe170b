"""The texts in EXIF: a TIFF, of which the first directory and the one of EXIF are read."""

from __future__ import annotations

from collections.abc import Iterator

MAX_ENTRIES = 200
EXIF_DIRECTORY = 0x8769
# ComfyUI writes into the tags from Model downwards.
NAMES = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x927C: "MakerNote",
    0x9286: "UserComment",
    0x9C9C: "XPComment",
}
BYTES_OF = {1: 1, 2: 1, 7: 1}  # bytes, ASCII and undefined: the types that texts have
CODE_BYTES = 8


def exif_texts(tiff: bytes) -> dict[str, str]:
    """The texts by the names of their tags."""
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(tiff[:4])
    if order is None:
        return {}
    found: dict[str, str] = {}
    directories = [_number(tiff, 4, 4, order)]
    for directory in directories:  # grows by one at most
        for tag, kind, count, at in _entries(tiff, directory, order):
            if tag == EXIF_DIRECTORY and len(directories) == 1:
                directories.append(_number(tiff, at, 4, order))
            elif NAMES.get(tag, "") not in {"", *found} and kind in BYTES_OF:  # each is decoded once
                start = at if count <= 4 else _number(tiff, at, 4, order)
                found[NAMES[tag]] = _decoded(tag, tiff[start : start + count], order)
    return found


def _entries(tiff: bytes, at: int, order: str) -> Iterator[tuple[int, int, int, int]]:
    """Each entry's tag, type and count, and where its value or the value's offset stands."""
    for number in range(min(_number(tiff, at, 2, order), MAX_ENTRIES)):
        start = at + 2 + 12 * number
        if start + 12 > len(tiff):
            return
        yield (
            _number(tiff, start, 2, order),
            _number(tiff, start + 2, 2, order),
            _number(tiff, start + 4, 4, order),
            start + 8,
        )


def _number(tiff: bytes, at: int, size: int, order: str) -> int:
    return int.from_bytes(tiff[at : at + size], "little" if order == "little" else "big")


def _decoded(tag: int, value: bytes, order: str) -> str:
    if tag == 0x9C9C:
        return value.decode("utf-16-le", "replace").rstrip("\0")
    if tag == 0x9286:
        code, value = value[:CODE_BYTES], value[CODE_BYTES:]
        if code == b"UNICODE\0":
            return value.decode(_utf_16(value, order), "replace").rstrip("\0")
        if code.strip(b"\0") not in (b"", b"ASCII"):  # without a code, against the standard
            value = code + value
    return value.decode("utf-8", "replace").rstrip("\0")


def _utf_16(value: bytes, order: str) -> str:
    """By which bytes are mostly 0, the high ones: programs do not keep to the order of the TIFF."""
    first, second = value[:2000:2].count(0), value[1:2000:2].count(0)
    if first == second:
        return "utf-16-le" if order == "little" else "utf-16-be"
    return "utf-16-be" if first > second else "utf-16-le"
