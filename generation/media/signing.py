"""The certificate that manifests are signed with, and its private key, which never leaves this process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from django.conf import settings

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
CURVES: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "secp256r1": ("ES256", hashes.SHA256()),
    "secp384r1": ("ES384", hashes.SHA384()),
    "secp521r1": ("ES512", hashes.SHA512()),
}
MIN_RSA_BITS = 2048
MAX_CHAIN_BYTES = 10 * 1024  # it goes to the decoding process with each file
# What C2PA lets sign: e-mail, documents, and claims themselves.
PURPOSES = ("1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1")
# How what is signed begins: a COSE Sig_structure of one signature.
TO_BE_SIGNED = b"\x84\x6aSignature1"
MAX_TO_BE_SIGNED = 64 * 1024


class UnusableCertificate(Exception):
    """One with which no manifest can be signed; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """`certificates`: the chain in PEM, the signer's first. `algorithm` as C2PA names it."""

    certificates: str
    algorithm: str
    not_after: datetime
    sign: Callable[[bytes], bytes] = field(repr=False)

    @property
    def has_expired(self) -> bool:
        return self.not_after <= datetime.now(UTC)

    def sign_claim(self, data: bytes) -> bytes:
        """The signature over a claim, raw as COSE has it. Raises ValueError for anything else."""
        if not data.startswith(TO_BE_SIGNED) or len(data) > MAX_TO_BE_SIGNED:
            raise ValueError(len(data))
        return self.sign(data)


@functools.cache
def signing_identity() -> SigningIdentity | None:
    """That of the settings, read once in each process; None where there is none."""
    if not settings.SIGNING_CERTIFICATE:
        return None
    return load_identity(Path(settings.SIGNING_CERTIFICATE), Path(settings.SIGNING_KEY))


def load_identity(certificate: Path, key: Path) -> SigningIdentity:
    """Raises UnusableCertificate for files that cannot be read, and for what C2PA does not let sign."""
    text = _read(certificate)
    try:
        chain = x509.load_pem_x509_certificates(text)
    except ValueError as error:
        message = f"{certificate} holds no certificates in PEM: the signer's first, then those above it"
        raise UnusableCertificate(message) from error
    if len(text) > MAX_CHAIN_BYTES:
        raise UnusableCertificate(f"{certificate} has {len(text):,} bytes, and at most {MAX_CHAIN_BYTES:,}")
    signer = _private_key(key)
    if _public_bytes(signer.public_key()) != _public_bytes(chain[0].public_key()):
        raise UnusableCertificate(f"{key} is not the key of the first certificate in {certificate}")
    _check_purpose(certificate, chain[0])
    algorithm, sign = _algorithm(key, signer)
    certificates = "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in chain)
    return SigningIdentity(certificates, algorithm, chain[0].not_valid_after_utc, sign)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableCertificate(f"{path} cannot be read ({error.strerror})") from error


def _private_key(path: Path) -> Key:
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it has a password
        message = f"{path} holds no private key in PEM that is open without a password"
        raise UnusableCertificate(message) from error
    if not isinstance(key, Key):
        raise UnusableCertificate(f"{path} is of a kind that C2PA does not know: EC, Ed25519 or RSA is")
    return key


def _public_bytes(key: object) -> bytes:
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(encoding, form)  # type: ignore[attr-defined,no-any-return] # of every kind of key


def _check_purpose(path: Path, certificate: x509.Certificate) -> None:
    """Raises UnusableCertificate for one that no reader of C2PA accepts under a manifest."""
    if certificate.issuer == certificate.subject:
        raise UnusableCertificate(
            f"the first certificate in {path} is signed by itself, which C2PA does not accept"
        )
    extensions = certificate.extensions
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usage, purposes = False, x509.ExtendedKeyUsage([])
    if not usage or not {each.dotted_string for each in purposes} & set(PURPOSES):
        message = (
            f"the first certificate in {path} is not for signing documents: it needs the key usage "
            "digitalSignature and an extended key usage, emailProtection or documentSigning"
        )
        raise UnusableCertificate(message)


def _algorithm(path: Path, key: Key) -> tuple[str, Callable[[bytes], bytes]]:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ED25519", key.sign
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            message = f"{path} is an RSA key of {key.key_size} bits, and C2PA asks for {MIN_RSA_BITS}"
            raise UnusableCertificate(message)
        salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return "PS256", lambda data: key.sign(data, salted, hashes.SHA256())
    if key.curve.name not in CURVES:
        raise UnusableCertificate(f"{path} is on the curve {key.curve.name}, which C2PA does not know")
    name, digest = CURVES[key.curve.name]
    return name, functools.partial(_ecdsa, key, digest)


def _ecdsa(key: ec.EllipticCurvePrivateKey, digest: hashes.HashAlgorithm, data: bytes) -> bytes:
    """Both numbers at their full width, as COSE has them."""
    width = (key.curve.key_size + 7) // 8
    return b"".join(
        number.to_bytes(width, "big") for number in decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
    )
