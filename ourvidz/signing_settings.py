"""Checks the certificate that results are signed with, before anything starts."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ourvidz.environment import InvalidSetting

INSTALL = ".venv/bin/uv pip install --constraints requirements-dev.txt c2pa-python"


def check_signing(*, certificate: str, key: str) -> None:
    """Raises InvalidSetting for one without the other, and for files with which nothing can be signed."""
    if not certificate and not key:
        return
    if not certificate or not key:
        missing, given = (
            ("SIGNING_KEY", "SIGNING_CERTIFICATE") if certificate else ("SIGNING_CERTIFICATE", "SIGNING_KEY")
        )
        raise InvalidSetting(f"{given} is set and {missing} is not: set both, or leave both out")
    if not find_spec("c2pa"):
        message = "SIGNING_CERTIFICATE is set and the package c2pa-python is not installed: run "
        raise InvalidSetting(message + INSTALL)
    # Not imported where nothing is signed.
    from generation.media.signing import UnusableCertificate, load_identity

    try:
        load_identity(Path(certificate), Path(key))
    except UnusableCertificate as error:
        message = f"nothing can be signed with SIGNING_CERTIFICATE and SIGNING_KEY: {error}"
        raise InvalidSetting(f"{message}. Change them, or leave both out") from error
