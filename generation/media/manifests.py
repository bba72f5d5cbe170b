"""C2PA manifests in accepted files, where a certificate is set (docs/marking.md)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

import structlog

from generation.media.decoders import pool
from generation.media.formats import BrokenMedia, Measured
from generation.media.measure import WAIT_SECONDS, measure, readable, temporary_file
from generation.media.signing import SigningIdentity, signing_identity

log = structlog.get_logger("ourvidz.manifests")
VERSION = "0.1.0"


@contextlib.contextmanager
def measured_with_manifest(
    content: BinaryIO, *, media: str, caller: str, wait: float = WAIT_SECONDS
) -> Iterator[tuple[Measured, BinaryIO]]:
    """What to keep of a result, measured: with a manifest where there is a certificate, else as it came.

    What is measured is what is to be kept. A file that can have no manifest is kept without one.

    Raises: as `measure`, and OSError for a full disk.
    """
    identity = signing_identity()
    if identity is None or not _is_valid(identity):
        yield measure(content, media=media, caller=caller, wait=wait), content
        return
    with temporary_file() as out:
        measured = None
        if _add(content, out, identity, caller=caller, wait=wait):
            measured = _measured(out, media=media, caller=caller, wait=wait)
        if measured:
            yield measured, out
        else:
            yield measure(content, media=media, caller=caller, wait=wait), content


def _is_valid(identity: SigningIdentity) -> bool:
    if identity.has_expired:
        log.warning("manifest.certificate_expired", not_after=identity.not_after.isoformat())
    return not identity.has_expired


def _add(content: BinaryIO, out: BinaryIO, identity: SigningIdentity, *, caller: str, wait: float) -> bool:
    asked = {
        "certificates": identity.certificates,
        "algorithm": identity.algorithm,
        "version": VERSION,
    }
    with readable(content) as file:
        files = [file, out.fileno()]
        try:
            answer, _ = pool().ask(
                {"manifest": asked}, files, caller=caller, wait=wait, sign=identity.sign_claim
            )
        except BrokenMedia as broken:
            answer = {"code": broken.code, "message": broken.message}
    if answer.get("manifest") is True:
        return out.seek(0, os.SEEK_END) > 0
    if "code" in answer:
        log.warning("manifest.not_added", code=answer["code"], reason=str(answer.get("message"))[:300])
    return False


def _measured(out: BinaryIO, *, media: str, caller: str, wait: float) -> Measured | None:
    try:
        return measure(out, media=media, caller=caller, wait=wait)
    except BrokenMedia as broken:
        log.warning("manifest.not_kept", code=broken.code, reason=broken.message)
        return None
