"""The colour profile of a PNG that says its colours without one: gAMA and cHRM, or cICP. Browsers apply them.

The order of precedence is the PNG specification's: cICP, iCCP, sRGB, then gAMA and cHRM.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from generation.media.formats import BrokenMedia

Matrix = tuple[tuple[float, ...], ...]

# White, red, green and blue (x, y), by their code in ITU-T H.273.
PRIMARIES = {
    1: (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),  # sRGB and BT.709
    12: (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),  # Display P3
}
# Transfer functions, by their code in ITU-T H.273: a pure power, or the curve of sRGB.
TRANSFERS = {1: 2.4, 6: 2.4, 13: None}  # BT.709 and BT.601 as displays show them (ITU-R BT.1886)
D50 = (0.9642, 1.0, 0.8249)  # to which a profile's colours are adapted
BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
CURVE_POINTS = 1024


def said_profile(info: dict[Any, Any], cicp: bytes, *, is_grey: bool) -> bytes | None:
    """An ICC profile, as Pillow's `info` and the data of cICP say; None where it is sRGB, or nothing is said.

    Raises BrokenMedia for a cICP that not every browser shows alike.
    """
    if cicp:
        return _by_cicp(cicp, is_grey=is_grey)
    gamma = info.get("gamma")
    if info.get("icc_profile") or "srgb" in info or not gamma:
        return None
    try:
        primaries = info.get("chromaticity") or PRIMARIES[1]
        return _profile(primaries, _power(1 / gamma), is_grey=is_grey)
    except (ArithmeticError, ValueError, struct.error):
        return None  # what cannot be


def _by_cicp(cicp: bytes, *, is_grey: bool) -> bytes | None:
    primaries, transfer, matrix, full_range = cicp[:4].ljust(4, b"\0")
    if primaries not in PRIMARIES or transfer not in TRANSFERS or matrix or not full_range:
        numbers = f"{primaries}, {transfer}, {matrix}, {full_range}"
        message = f"The PNG says by cICP ({numbers}) that its colours are none that every browser shows"
        raise BrokenMedia("wrong_format", f"{message}; sRGB and Display P3 are taken.")
    if (primaries, transfer) == (1, 13):
        return None
    exponent = TRANSFERS[transfer]
    curve = _srgb_curve() if exponent is None else _power(exponent)
    return _profile(PRIMARIES[primaries], curve, is_grey=is_grey)


def _profile(primaries: Sequence[float], curve: bytes, *, is_grey: bool) -> bytes:
    """Of version 2.4, for a display."""
    tags = {b"wtpt": _xyz(D50)}
    if is_grey:
        tags[b"kTRC"] = curve
    else:
        colours = zip(*_adapted(primaries), strict=True)
        tags |= {
            name: _xyz(colour) for name, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colours, strict=True)
        }
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    start = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content
    space = b"GRAY" if is_grey else b"RGB "
    head = struct.pack(">I4xI4s4s4s12x4s28x", start + len(data), 0x02400000, b"mntr", space, b"XYZ ", b"acsp")
    return (head + _fixed(D50)).ljust(128, b"\0") + table + data


def _adapted(primaries: Sequence[float]) -> Matrix:
    """From linear RGB to XYZ under D50; one column for each primary."""
    white, *corners = [
        (x / y, 1.0, (1 - x - y) / y) for x, y in zip(primaries[::2], primaries[1::2], strict=True)
    ]
    columns: Matrix = tuple(zip(*corners, strict=True))
    scales = _applied(_inverse(columns), white)
    to_xyz = tuple(tuple(value * scale for value, scale in zip(row, scales, strict=True)) for row in columns)
    cones = zip(_applied(BRADFORD, D50), _applied(BRADFORD, white), strict=True)
    ratios = [to / of for to, of in cones]
    scaled = tuple(tuple(value * ratio for value in row) for row, ratio in zip(BRADFORD, ratios, strict=True))
    return _product(_product(_inverse(BRADFORD), scaled), to_xyz)


def _applied(matrix: Matrix, vector: Sequence[float]) -> tuple[float, ...]:
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)


def _product(one: Matrix, other: Matrix) -> Matrix:
    return tuple(zip(*(_applied(one, column) for column in zip(*other, strict=True)), strict=True))


def _inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    factors = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * factors[0][0] + b * factors[1][0] + c * factors[2][0]
    return tuple(tuple(value / determinant for value in row) for row in factors)


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(values)


def _fixed(values: Sequence[float]) -> bytes:
    return struct.pack(">3i", *(round(value * 65536) for value in values))


def _power(exponent: float) -> bytes:
    return _curve([(at / (CURVE_POINTS - 1)) ** exponent for at in range(CURVE_POINTS)])


def _srgb_curve() -> bytes:
    encoded = [at / (CURVE_POINTS - 1) for at in range(CURVE_POINTS)]
    return _curve(
        [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in encoded]
    )


def _curve(values: Sequence[float]) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(
        f">I{len(values)}H", len(values), *(round(65535 * each) for each in values)
    )
