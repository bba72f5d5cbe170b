"""Brings one file into the hub's cache, going on where an earlier process stopped.

huggingface_hub goes on after a broken connection, but its later versions do not after the process has ended:
each file then begins anew. Weights have tens of GB, so what came is kept here, beside the cache's blobs,
under the hash that names the content.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
from io import BufferedRandom
from pathlib import Path

import httpx

from ourvidz_worker.hub_weights import cache_folder

LEAST_BYTES = 2**20  # below, beginning anew costs nothing
CHUNK_BYTES = 2**20
SHA256 = re.compile(r"[0-9a-f]{64}")


class BrokenDownload(Exception):
    """Another content came than the hub named; nothing of it was kept."""


def download(repository: str, name: str, revision: str) -> Path:
    """The file in the cache. `revision`: empty for the newest.

    Raises what httpx and huggingface_hub raise, BrokenDownload and OSError. The next call goes on.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    url = hf_hub_url(repository, name, revision=revision or None)
    metadata = get_hf_file_metadata(url)
    if metadata.etag and (metadata.size or 0) >= LEAST_BYTES:
        _fill(_blob(repository, metadata.etag), url, metadata.size or 0)
    # It finds the content and gives it its names.
    return Path(hf_hub_download(repository, name, revision=revision or None))


def _blob(repository: str, etag: str) -> Path:
    """Where the cache keeps this content."""
    if "/" in etag or etag.startswith("."):
        raise BrokenDownload(f"the hub names a content {etag!r}")
    return cache_folder(repository) / "blobs" / etag


def _fill(blob: Path, url: str, size: int) -> None:
    if blob.exists():
        return
    blob.parent.mkdir(parents=True, exist_ok=True)
    part = blob.with_name(f"{blob.name}.part")
    with part.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another process may fetch the same
        if blob.exists():
            return
        if file.seek(0, 2) > size:
            file.truncate(0)
        if file.seek(0, 2) < size:
            _append(file, url)
        if file.seek(0, 2) != size or not _is_named(file, blob.name):
            file.truncate(0)
            raise BrokenDownload(f"the content is not the one that the hub names {blob.name}")
        part.replace(blob)


def _append(file: BufferedRandom, url: str) -> None:
    """What is missing. Raises httpx.HTTPError, also where the connection ends early."""
    from huggingface_hub.utils import build_hf_headers

    have = file.seek(0, 2)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    # A redirect to another host is followed without the token.
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=60.0) as response:
        response.raise_for_status()
        if have and response.status_code != httpx.codes.PARTIAL_CONTENT:
            file.truncate(0)
        for chunk in response.iter_raw(CHUNK_BYTES):
            file.write(chunk)
            file.flush()


def _is_named(file: BufferedRandom, etag: str) -> bool:
    """Whether the content has this hash; small files are named by another kind, which is not compared."""
    if not SHA256.fullmatch(etag):
        return True
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest() == etag
