"""Names of downloaded files, made of the prompt's first words."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

import regex

from generation.core.graphemes import cut
from generation.media.formats import EXTENSIONS
from generation.models import Asset

NAME_BYTES = 80  # of the prompt; file systems take 255 for the whole name
LOOKED_AT = 200  # characters of the prompt: a page of the Library names sixty files
# Words are letters and digits with the marks and joiners that belong to them; spaces and dashes part them.
WORDS = regex.compile(r"[\p{L}\p{N}_][\p{L}\p{N}\p{M}_\u200c\u200d]*|[\s-]+")


def download_name(asset: Asset) -> str:
    """For people: the prompt's first words, the seed, and in a batch the number of the picture from 1."""
    return _name(asset, asset.prompt)


def content_disposition(asset: Asset, *, extension: str = "", as_attachment: bool) -> str:
    """The header by RFC 6266: a name that is not ASCII as RFC 8187 says, after one that is."""
    name, plain = _name(asset, asset.prompt, extension), _name(asset, _ascii(asset.prompt), extension)
    kind = "attachment" if as_attachment else "inline"
    if name == plain:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"


def _name(asset: Asset, prompt: str, extension: str = "") -> str:
    number = "" if asset.image_index is None else f"-{asset.image_index + 1}"
    words = _words(cut(prompt, LOOKED_AT)) or asset.media
    seed = "" if asset.seed is None else f"-{asset.seed}"
    return f"{words}{seed}{number}.{extension or EXTENSIONS[asset.content_type]}"


def _words(text: str) -> str:
    """The first words in lower case with dashes between them, cut between words or else between clusters."""
    pieces = WORDS.findall(unicodedata.normalize("NFKC", text).lower())
    words = "".join("-" if piece.isspace() or piece.startswith("-") else piece for piece in pieces)
    words = regex.sub("--+", "-", words).strip("-_")
    first = words[:NAME_BYTES] if words.isascii() else cut(words, NAME_BYTES, size=_byte_size)
    return first if first == words else first.rpartition("-")[0] or first


def _byte_size(text: str) -> int:
    return len(text.encode())


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
