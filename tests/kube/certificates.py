"""The keys of a control plane: an authority, the API server's certificate, and a kubeconfig for each who calls it.

All are made anew for each control plane and end with its folder.
"""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# What pods and people call the server; the last one is the first address of the Kubernetes Services.
SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
SERVER_ADDRESSES = ("127.0.0.1", "10.96.0.1")

_SIGNS = ("key_cert_sign", "crl_sign")
_SPEAKS = ("digital_signature",)
_USAGES = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs certificates for one control plane."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _make_name("kubernetes")
        builder = _start(self._name, self._name, self._key.public_key(), _SIGNS, signer=self._key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def sign_server(self, name: str, address: str) -> Pair:
        """Make the certificate of a server on this machine, and at an address."""
        names: list[x509.GeneralName] = [x509.DNSName(each) for each in SERVER_NAMES]
        names += [x509.IPAddress(ipaddress.ip_address(each)) for each in (*SERVER_ADDRESSES, address)]
        return self._sign(_make_name(name), ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(names))

    def sign_client(self, user: str, *, group: str = "") -> Pair:
        """Make the certificate of a Kubernetes user, whose groups are the organisations in it."""
        return self._sign(_make_name(user, group), ExtendedKeyUsageOID.CLIENT_AUTH)

    def _sign(self, name: x509.Name, usage: x509.ObjectIdentifier, *more: x509.ExtensionType) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _start(name, self._name, key.public_key(), _SPEAKS, signer=self._key)
        for extension in (x509.ExtendedKeyUsage([usage]), *more):
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), _encode(key))

    def make_kubeconfig(self, url: str, client: Pair) -> dict[str, Any]:
        """Build a kubeconfig that holds all it needs."""
        cluster = {"server": url, "certificate-authority-data": _base64(self.certificate)}
        user = {"client-certificate-data": _base64(client.certificate), "client-key-data": _base64(client.key)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "tests", "user": user}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests", "namespace": "default"}}],
            "current-context": "tests",
        }


def make_key() -> bytes:
    """Make a private key, as PEM."""
    return _encode(ec.generate_private_key(ec.SECP256R1()))


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_bytes(data)


def _start(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    usages: tuple[str, ...],
    *,
    signer: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    allowed = {usage: usage in usages for usage in (*_SIGNS, *_SPEAKS, *_USAGES, "decipher_only")}
    mark = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.KeyUsage(**allowed), critical=True)
        # Python 3.13 and newer refuse certificates without these two.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(mark, critical=False)
    )


def _make_name(name: str, group: str = "") -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _encode(key: ec.EllipticCurvePrivateKey) -> bytes:
    # The only format of which kube-apiserver takes the public half by itself.
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
