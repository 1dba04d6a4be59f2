from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from jhaws.local.api.certificates import Certificates, make_certificates, make_server_context

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def load(certificates: Certificates) -> tuple[x509.Certificate, x509.Certificate]:
    """Read authority and server certificate."""
    return (
        x509.load_pem_x509_certificate(certificates.authority),
        x509.load_pem_x509_certificate(certificates.server),
    )


def test_authority_signs_the_server() -> None:
    """The server's certificate is signed by the authority, and by no other one."""
    authority, server = load(make_certificates())
    other, _ = load(make_certificates())

    server.verify_directly_issued_by(authority)
    authority.verify_directly_issued_by(authority)
    with pytest.raises(InvalidSignature):
        server.verify_directly_issued_by(other)


def test_authority_may_only_sign() -> None:
    """The authority says, critically, that it signs certificates, of servers only; strict clients want that."""
    authority, _ = load(make_certificates())
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage)

    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature


def test_server_may_only_serve() -> None:
    """The server's certificate signs nothing and identifies no client."""
    _, server = load(make_certificates())
    extensions = server.extensions

    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_key_identifiers_lead_from_one_to_the_other() -> None:
    """Both certificates name their own key and the issuer's, as Python 3.13 and newer want it."""
    authority, server = load(make_certificates())
    keys = [c.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest for c in (authority, server)]
    issuers = [
        c.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        for c in (authority, server)
    ]

    assert issuers == [keys[0], keys[0]]
    assert keys[0] != keys[1]


def test_names_are_addresses_or_hosts() -> None:
    """An address becomes an address and a name a name: clients compare each with its own kind only."""
    _, server = load(make_certificates(["127.0.0.1", "::1", "localhost", "127.8.8.8"]))
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address(text) for text in ("127.0.0.1", "::1", "127.8.8.8")
    ]


def test_valid_from_an_hour_ago_for_a_year() -> None:
    """A clock that is a little behind accepts them, and so does a class that lasts a term."""
    for certificate in load(make_certificates(now=NOW)):
        assert certificate.not_valid_before_utc == NOW - timedelta(hours=1)
        assert certificate.not_valid_after_utc == NOW - timedelta(hours=1) + timedelta(days=365)


def test_everything_is_new_each_time() -> None:
    """Two starts share neither keys nor serial numbers."""
    first, second = make_certificates(), make_certificates()

    assert first.key != second.key
    serials = {certificate.serial_number for pair in (load(first), load(second)) for certificate in pair}
    assert len(serials) == 4


def test_key_is_not_shown() -> None:
    """What is logged or shown in a traceback holds no key."""
    assert "PRIVATE" not in repr(make_certificates())


def test_context_serves_with_the_key() -> None:
    """The server's settings take the pair, and refuse a key that is another certificate's."""
    first, second = make_certificates(), make_certificates()

    assert make_server_context(first).cert_store_stats()["x509"] == 0
    with pytest.raises(OSError, match="mismatch"):
        make_server_context(Certificates(first.authority, first.server, second.key))
