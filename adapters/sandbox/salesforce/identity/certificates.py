"""Keys and certificates of the sandbox: an authority of its own, a leaf for loopback, and the JWT signing
key."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 365


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Paths of the PEM files; ``jwt_key`` is the private key that a client signs assertions with."""

    ca: Path
    leaf: Path
    leaf_key: Path
    jwt_key: Path

    def jwt_public_key(self) -> bytes:
        """PEM of the public half of the JWT key."""
        key = serialization.load_pem_private_key(self.jwt_key.read_bytes(), None)
        return key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def prepare(folder: Path) -> KeyFiles:
    """The key files in the folder; made anew when any is missing or the leaf runs out within a day."""
    files = KeyFiles(folder / "ca.pem", folder / "server.pem", folder / "server.key", folder / "jwt.key")
    if not _usable(files):
        folder.mkdir(parents=True, exist_ok=True)
        _make(files)
    return files


def _usable(files: KeyFiles) -> bool:
    if not all(path.is_file() for path in (files.ca, files.leaf, files.leaf_key, files.jwt_key)):
        return False
    leaf = x509.load_pem_x509_certificate(files.leaf.read_bytes())
    return leaf.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)


def _make(files: KeyFiles) -> None:
    ca_key, leaf_key, jwt_key = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    ca_name = _name("Isthmus sandbox authority")
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    leaf = (
        _builder(_name("localhost"), ca_name, leaf_key.public_key())
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    files.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    files.leaf.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    _write_key(files.leaf_key, leaf_key)
    _write_key(files.jwt_key, jwt_key)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: rsa.RSAPrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
