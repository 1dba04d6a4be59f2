"""The certificates of the embedded cluster: an authority and a server certificate, made anew at each start.

kubectl and every other Go client send a token over TLS only, so the API server needs TLS, and its kubeconfig an
authority that vouches for it. Both keys live in memory alone: the authority's is forgotten as soon as it has signed,
the server's goes to OpenSSL through an anonymous file that no file system knows. Built with `cryptography`, which
every JupyterHub installation has (JupyterHub needs certipy, certipy needs cryptography). `apiserver` serves with it.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

LOOPBACK_NAMES = ("127.0.0.1", "::1", "localhost")

# A clock that is a little behind accepts them too.
_BEGINS_BEFORE = timedelta(hours=1)
_LASTS = timedelta(days=365)

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Certificates:
    """What a server shows and what its clients believe, all as PEM.

    Attributes:
        authority: The authority's certificate, for clients.
        server: The server's certificate, signed by the authority.
        key: The server's private key; never shown.
    """

    authority: bytes
    server: bytes
    key: bytes = field(repr=False)


def make_certificates(names: Iterable[str] = LOOPBACK_NAMES, *, now: datetime | None = None) -> Certificates:
    """Build an authority, and a server certificate signed by it, with new keys.

    Args:
        names: What clients may call the server: addresses and host names.
        now: Aware time; valid from an hour before, for a year. The current time if not given.
    """
    begin = (now or datetime.now(UTC)) - _BEGINS_BEFORE
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _make_name("jhaws local authority")
    authority = (
        _start(authority_name, authority_name, authority_key.public_key(), begin)
        # It signs servers and no further authorities.
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_make_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(_make_issuer_mark(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server_key = ec.generate_private_key(ec.SECP256R1())
    server = (
        _start(_make_name("jhaws local API server"), authority_name, server_key.public_key(), begin)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_make_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_make_alternative(name) for name in names]), critical=False)
        .add_extension(_make_issuer_mark(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return Certificates(
        authority=authority.public_bytes(serialization.Encoding.PEM),
        server=server.public_bytes(serialization.Encoding.PEM),
        key=server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def make_server_context(certificates: Certificates) -> ssl.SSLContext:
    """Build the TLS settings of the server.

    Python reads keys from files only, so this one gets a file in memory, under a path that is this process's own.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    handle = os.memfd_create("jhaws-certificate", os.MFD_CLOEXEC)
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(certificates.server + certificates.key)
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
    return context


def _start(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begin: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + _LASTS)
        # Python 3.13 and newer refuse certificates without this and the mark of the issuer.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _make_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _make_issuer_mark(key: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _make_usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in names for usage in _USAGES})


def _make_alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
