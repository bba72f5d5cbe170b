"""The certificate that results are signed with: what cannot sign stops the start, with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.conf import LazySettings

from ourvidz.checks import signing_key_is_private
from tests.certificates import Chain, ec_key, made_chain
from tests.functional.programs import REPO

pytestmark = pytest.mark.any_database
Paths = tuple[Path | str, Path | str]


def started(data: Path, certificate: Path | str, key: Path | str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from ourvidz import settings as s; print(bool(s.SIGNING_CERTIFICATE))"]
    environ = {"PATH": os.environ["PATH"], "DATA_DIR": str(data / "data")}
    environ |= {"SIGNING_CERTIFICATE": str(certificate), "SIGNING_KEY": str(key)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_a_certificate_and_its_key_are_taken(tmp_path: Path) -> None:
    chain = made_chain(tmp_path)
    answer = started(tmp_path, chain.certificate, chain.key)
    assert (answer.stdout, answer.stderr) == ("True\n", "")


@pytest.mark.parametrize(
    ("mode", "is_private"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False)]
)
@pytest.mark.parametrize("deploy", [(), ("--deploy",)])
def test_a_key_that_others_may_read_is_said(
    tmp_path: Path, mode: int, deploy: tuple[str, ...], *, is_private: bool
) -> None:
    chain = made_chain(tmp_path)
    chain.key.chmod(mode)
    environ = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data")}
    environ |= {"SIGNING_CERTIFICATE": str(chain.certificate), "SIGNING_KEY": str(chain.key)}
    command = [sys.executable, str(REPO / "manage.py"), "check", *deploy]
    answer = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    said = f"The file of SIGNING_KEY is open to other accounts ({mode:o})."
    assert (f"(ourvidz.W001) {said}" in answer.stderr) is not is_private


def test_a_key_of_another_account_may_be_read_by_its_group(
    tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root keeps it for a service."""
    chain = made_chain(tmp_path)
    settings.SIGNING_KEY = str(chain.key)
    monkeypatch.setattr(os, "geteuid", lambda: chain.key.stat().st_uid + 1)
    for mode, said in ((0o640, 0), (0o660, 1), (0o644, 1)):
        chain.key.chmod(mode)
        assert len(signing_key_is_private()) == said


def test_an_expired_one_starts_all_the_same(tmp_path: Path) -> None:
    """It ends by itself, at night: results are stored unsigned then, and the log says so."""
    chain = made_chain(tmp_path, days=-1)
    assert started(tmp_path, chain.certificate, chain.key).stdout == "True\n"


def test_without_both_nothing_is_signed(tmp_path: Path) -> None:
    assert started(tmp_path, "", "").stdout == "False\n"


def _with_password(folder: Path, chain: Chain) -> Path:
    locked = folder / "locked.pem"
    kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    locked.write_bytes(ec_key().private_bytes(*kinds, serialization.BestAvailableEncryption(b"hunter2")))
    return locked


def _written(folder: Path, text: str) -> Path:
    path = folder / "written.pem"
    path.write_text(text)
    return path


WRONG: dict[str, tuple[Callable[[Path, Chain], Paths], str]] = {
    "no key": (lambda _, chain: (chain.certificate, ""), "SIGNING_CERTIFICATE is set and SIGNING_KEY is not"),
    "no certificate": (lambda _, chain: ("", chain.key), "SIGNING_KEY is set and SIGNING_CERTIFICATE is not"),
    "no such file": (
        lambda folder, chain: (folder / "none.pem", chain.key),
        "none.pem cannot be read (No such",
    ),
    "a folder": (lambda folder, chain: (chain.certificate, folder), "cannot be read (Is a directory)"),
    "no certificate in it": (lambda folder, chain: (chain.key, chain.key), "holds no certificates in PEM"),
    "not a text": (
        lambda folder, chain: (_written(folder, "hello\0"), chain.key),
        "holds no certificates in PEM",
    ),
    "no key in it": (lambda _, chain: (chain.certificate, chain.certificate), "holds no private key in PEM"),
    "a password": (
        lambda folder, chain: (chain.certificate, _with_password(folder, chain)),
        "open without a password",
    ),
    "another key": (
        lambda folder, chain: (chain.certificate, made_chain(folder / "other").key),
        "is not the key of the first certificate",
    ),
    "a very long chain": (
        lambda folder, chain: (_written(folder, chain.certificate.read_text() * 20), chain.key),
        "and at most 10,240",
    ),
    "for servers": (
        lambda folder, _: _paths(made_chain(folder / "other", purpose=ExtendedKeyUsageOID.SERVER_AUTH)),
        "is not for signing documents",
    ),
    "signed by itself": (
        lambda folder, _: _paths(made_chain(folder / "other", self_signed=True)),
        "signed by itself",
    ),
    "a short RSA key": (
        lambda folder, _: _paths(
            made_chain(folder / "other", rsa.generate_private_key(65537, 1024))  # noqa: S505 - to be refused
        ),
        "an RSA key of 1024 bits",
    ),
    "another curve": (
        lambda folder, _: _paths(made_chain(folder / "other", ec.generate_private_key(ec.SECP256K1()))),
        "is on the curve secp256k1",
    ),
}


def _paths(chain: Chain) -> Paths:
    return chain.certificate, chain.key


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_sign_stops_the_start(name: str, tmp_path: Path) -> None:
    make, words = WRONG[name]
    refused = started(tmp_path, *make(tmp_path, made_chain(tmp_path / "right")))
    assert refused.returncode == 1
    assert refused.stderr.startswith("OurVidz: ")
    assert words in refused.stderr
    assert "leave both out" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert "PRIVATE KEY" not in refused.stderr
