"""A certificate authority of a test: its own, and one below it that may sign documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
USAGES = (
    *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("encipher_only", "decipher_only"),
)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class Chain:
    """Files of the signer's certificate, with the authority's, and of its key; the authority in PEM."""

    certificate: Path
    key: Path
    authority: str


def made_chain(
    folder: Path,
    key: Key | None = None,
    *,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    days: float = 30,
    self_signed: bool = False,
) -> Chain:
    """In a folder of the test's; `days` from now until the signer's certificate ends."""
    signer, authority = key or ec_key(), ec_key()
    ends = datetime.now(UTC) + timedelta(days=days)
    top = _certificate("Authority", authority, "Authority", authority, ends + timedelta(days=99))
    issuer = ("Signer", signer) if self_signed else ("Authority", authority)
    leaf = _certificate("Signer", signer, *issuer, ends, purpose=purpose)
    folder.mkdir(parents=True, exist_ok=True)
    chain = Chain(folder / "chain.pem", folder / "key.pem", _pem(top))
    chain.certificate.write_text(_pem(leaf) + _pem(top))
    chain.key.write_bytes(
        signer.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return chain


def _certificate(
    subject: str,
    key: Key,
    issuer: str,
    issuers_key: Key,
    ends: datetime,
    *,
    purpose: x509.ObjectIdentifier | None = None,
) -> x509.Certificate:
    is_authority = purpose is None
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        **dict.fromkeys(USAGES, False),
    )
    issuing = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuers_key.public_key())
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=400))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuing, critical=False)
    )
    if purpose:
        made = made.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    digest = None if isinstance(issuers_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return made.sign(issuers_key, digest)


def _name(common: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "OurVidz tests")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
