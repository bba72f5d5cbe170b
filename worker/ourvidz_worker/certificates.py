"""The certificate authorities that the environment names, in place of those that come with the libraries."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path


def certificates_problem(url: str, environment: Mapping[str, str] = os.environ) -> str:
    """Why SSL_CERT_FILE or SSL_CERT_DIR cannot be used for `url`, in a sentence; empty if they can.

    The libraries raise an error that names neither the variable nor the file, or none at all. They read the
    file for http:// too, and the folder only where no file is named.
    """
    if file := environment.get("SSL_CERT_FILE"):
        reason = _file_problem(file)
        return f"SSL_CERT_FILE is {file}, which cannot be used: {reason}" if reason else ""
    folders = environment.get("SSL_CERT_DIR", "")
    if not folders or not url.startswith("https:"):
        return ""
    # Some of several may be missing: that is how systems set it.
    is_there = any(Path(folder).is_dir() for folder in folders.split(os.pathsep))
    return "" if is_there else f"SSL_CERT_DIR is {folders}, which is no folder"


def _file_problem(file: str) -> str:
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        return "it holds no certificate"
    except OSError as error:
        return str(error.strerror)
    return ""
