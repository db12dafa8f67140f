"""Whom to trust: one setting for HTTP and gRPC, because gRPC does not look into the system's store."""

from __future__ import annotations

import ssl
from pathlib import Path

#: Where Linux distributions keep the bundle when OpenSSL itself names only a directory.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)


def http_trust(ca_file: Path | None) -> ssl.SSLContext | bool:
    """Trust for HTTPS: the PEM file alone, else the system's own store. Raises OSError, SSLError."""
    return ssl.create_default_context(cafile=ca_file) if ca_file is not None else True


def grpc_roots(ca_file: Path | None) -> bytes | None:
    """PEM roots for gRPC from the same place as ``http_trust``; None leaves gRPC its own bundle."""
    if ca_file is not None:
        return ca_file.read_bytes()
    named = ssl.get_default_verify_paths().cafile
    for bundle in (named, *_BUNDLES):
        if bundle and Path(bundle).is_file():
            return Path(bundle).read_bytes()
    loaded = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(ssl.DER_cert_to_PEM_cert(der) for der in loaded).encode("ascii") or None
