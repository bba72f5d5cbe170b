"""Adds a C2PA manifest to a copy of a file, in the decoding process only: the bytes are not trusted.

What is to be signed goes to the server, which has the key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, BinaryIO

import c2pa

from generation.media.container_formats import container_of
from generation.media.formats import IMAGE_TYPES, VIDEO_TYPES, BrokenMedia
from generation.media.image_streams import kind_of
from generation.media.source_type import SOURCE_TYPE, SOURCE_TYPES, TRAINED

SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    # Nothing that a file names is fetched; what was written is read again.
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": True},
}
SEARCHED_BYTES = 128 * 1024  # at either end of the file, for the source type; it is behind the prompt
UNSUPPORTED = ("video/webm",)


def write_manifest(
    content: BinaryIO, out: BinaryIO, asked: dict[str, Any], sign: Callable[[bytes], bytes]
) -> bool:
    """Whether `out` has the file with a manifest now; not where it has one, or where none can be in it.

    `asked`: the `certificates`, the `algorithm` and the `version` of OurVidz.

    Raises:
        BrokenMedia: it is of no kind that is taken, or C2PA cannot follow it.
    """
    content_type = _content_type(content)
    if content_type in UNSUPPORTED:
        return False
    context = c2pa.Context.from_dict(SETTINGS)
    try:
        content.seek(0)
        if c2pa.Reader.try_create(content_type, content, context=context) is not None:
            return False  # somebody's claim, which would not hold of another file
        builder = c2pa.Builder.from_json(json.dumps(_manifest(content, asked["version"])), context)
        algorithm = c2pa.C2paSigningAlg[asked["algorithm"]]
        signer = c2pa.Signer.from_callback(sign, algorithm, asked["certificates"])
        content.seek(0)
        builder.sign(signer, content_type, content, out)
    except c2pa.C2paError as error:
        raise BrokenMedia("broken_media", f"C2PA: {str(error)[:200]}") from error
    out.flush()
    return True


def _content_type(content: BinaryIO) -> str:
    try:
        return IMAGE_TYPES[kind_of(content)][0]
    except BrokenMedia:
        return VIDEO_TYPES[container_of(content)][0]


def _manifest(content: BinaryIO, version: str) -> dict[str, Any]:
    """What is claimed: how it was made, and by which program. No prompt, no person, no time."""
    created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPES + _source_type(content)}
    actions = {"label": "c2pa.actions.v2", "data": {"actions": [created]}}
    return {"claim_generator_info": [{"name": "OurVidz", "version": version}], "assertions": [actions]}


def _source_type(content: BinaryIO) -> str:
    """As the file says, the last time that it does; results of workers are made by models otherwise."""
    length = content.seek(0, 2)
    content.seek(0)
    ends = content.read(SEARCHED_BYTES)
    content.seek(max(len(ends), length - SEARCHED_BYTES))
    found = SOURCE_TYPE.findall(ends + content.read(SEARCHED_BYTES))
    return found[-1].decode() if found else TRAINED
