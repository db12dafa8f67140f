"""Whom to trust: one setting for HTTP and gRPC, because gRPC does not look into the system's store; and what
a handshake that failed means for people."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from cryptography import x509
from cryptography.x509.oid import NameOID

from adapters.salesforce.connection.proxy import NoWay, Proxy, Ways, proxy_refusal

#: Where Linux distributions keep the bundle when OpenSSL itself names only a directory.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
_LONGEST_HEAD = 16_384
#: Part of the message of OpenSSL or of gRPC → what is wrong, and what to do. The first that fits.
_FAULTS = (
    (
        "certificate has expired",
        "the certificate has expired",
        "check this machine's date; else who runs the server or the TLS-inspecting proxy must renew it",
    ),
    ("not yet valid", "the certificate is not valid yet", "check this machine's date"),
    (
        ("hostname mismatch", "ip address mismatch", "hostname verification", "not valid for"),
        "the certificate is for another host name",
        "check the address; a proxy or DNS may answer in its place",
    ),
    (
        ("unable to get", "self-signed", "self signed", "verify failed", "verify_failed"),
        "the certificate is not trusted",
        "set ca_file to the root (PEM) that signs it, as of a TLS-inspecting proxy",
    ),
)


class Untrusted(Exception):
    """A handshake failed because the certificate must not be trusted. ``remedy`` says what a person does."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate that a server showed, verified: when it runs out and who signed it."""

    expires: datetime
    issuer: str


def http_trust(ca_file: Path | None) -> ssl.SSLContext:
    """Trust for HTTPS: the PEM file alone, else the system's own store. Raises OSError, SSLError.

    There is no way to switch verification off.
    """
    if ca_file is not None:
        context = ssl.create_default_context(cafile=ca_file)
    else:
        context = httpx2.create_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # what a library was built with may be less
    return context


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


def untrusted(text: str) -> Untrusted | None:
    """What the message of a failed handshake means; None where it is about something else."""
    lower = text.lower()
    for parts, what, remedy in _FAULTS:
        if any(part in lower for part in ((parts,) if isinstance(parts, str) else parts)):
            return Untrusted(what, remedy)
    return None


async def certificate(host: str, port: int, trust: ssl.SSLContext, ways: Ways, seconds: float) -> Certificate:
    """Make a TLS connection, through the proxy where there is one, and look at the certificate.

    Raises Untrusted, NoWay, and OSError (a TimeoutError is one) where no connection is made.
    """
    async with asyncio.timeout(seconds), _connection(host, port, ways.to(host), ways) as (_, writer):
        try:
            await writer.start_tls(trust, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise untrusted(error.verify_message) or Untrusted(
                f"the certificate is not trusted ({error.verify_message})", "set ca_file"
            ) from error
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    leaf = x509.load_der_x509_certificate(shown)
    names = leaf.issuer.get_attributes_for_oid(
        NameOID.ORGANIZATION_NAME
    ) or leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(leaf.not_valid_after_utc, str(names[0].value) if names else "?")


def soonest(ca_file: Path) -> datetime:
    """When the first of the roots in a file runs out. Raises OSError, ValueError."""
    roots = x509.load_pem_x509_certificates(ca_file.read_bytes())
    return min(one.not_valid_after_utc for one in roots)


@contextlib.asynccontextmanager
async def _connection(
    host: str, port: int, proxy: Proxy | None, ways: Ways
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TCP connection, tunnelled where there is a proxy; closed at the end."""
    reader, writer = await asyncio.open_connection(*((proxy.host, proxy.port) if proxy else (host, port)))
    try:
        if proxy is not None:
            await _tunnel(reader, writer, f"{host}:{port}", proxy, ways)
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def _tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, proxy: Proxy, ways: Ways
) -> None:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    lines += [f"Proxy-Authorization: {proxy.authorization}"] if proxy.authorization else []
    writer.write("\r\n".join([*lines, "", ""]).encode("ascii"))
    await writer.drain()
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ConnectionResetError(f"the proxy {proxy} hung up") from error
    status = head[:_LONGEST_HEAD].split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2]
    if status.startswith("407"):
        raise ways.refused(proxy)
    if not status.startswith("2"):
        raise NoWay(*proxy_refusal(proxy, status[:3]))


def in_time(moment: datetime, now: float) -> float:
    """Days until a moment."""
    return (moment - datetime.fromtimestamp(now, UTC)).total_seconds() / 86_400
