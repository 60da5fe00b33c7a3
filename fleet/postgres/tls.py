"""The certificate authority (CA) of the herd and the certificates that its servers show. Pure: text in, text out. Keys
are made here and travel to the host on stdin, so that neither a host needs OpenSSL's tools nor a key ever stands in a
command line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fleet import policy
from fleet.postgres.config import CERTIFICATE, ROOTS

# A host's clock may be behind ours.
LATE = timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, both PEM, and when it ends."""

    cert: str
    key: str = field(repr=False)
    ends_at: datetime


def authority(name: str, now: datetime | None = None) -> Certificate:
    """A fresh CA (EC P-256) that may sign the certificates of servers, and no other CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    draft = (
        _draft(subject, subject, key, now, policy.AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(public, critical=False)
    )
    return _signed(draft, key, key)


def certificate(names: Sequence[str], issuer: Certificate, now: datetime | None = None) -> Certificate:
    """A fresh certificate of a server that is reached by these names and addresses (IP or host name), signed by the CA
    `issuer`. ValueError without a name."""
    if not names:
        raise ValueError("a server's certificate needs a name")
    root, signer = x509.load_pem_x509_certificate(issuer.cert.encode()), _key(issuer)
    key = ec.generate_private_key(ec.SECP256R1())
    draft = (
        _draft(_subject(names[0]), root.subject, key, now, policy.CERTIFICATE_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return _signed(draft, key, signer)


def files(shown: Certificate, roots: str) -> dict[str, str]:
    """The files beside the data by name: what the server shows, and the CAs (PEM) by which it knows other servers."""
    return {ROOTS: roots, CERTIFICATE: shown.cert + shown.key}


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime | None, days: int
) -> x509.CertificateBuilder:
    now = now or datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - LATE,
        not_valid_after=now + timedelta(days=days),
    )


def _signed(
    draft: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> Certificate:
    made = draft.sign(signer, SHA256())
    return Certificate(
        cert=made.public_bytes(Encoding.PEM).decode(),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        ends_at=made.not_valid_after_utc,
    )


def _key(issuer: Certificate) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(issuer.key.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the CA's key is of another kind")
    return key


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    # X.509 has room for 64 characters here; what clients compare are the alternative names.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
