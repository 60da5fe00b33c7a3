"""A CA for tests of real PostgreSQLs, and what their servers show."""

from functools import lru_cache

from fleet.postgres import tls
from fleet.subject import Subject


@lru_cache(maxsize=4)
def ca(name: str = "test CA") -> tls.Certificate:
    """One for all tests of a run; another name is another CA."""
    return tls.authority(name)


def shown(subject: Subject, *more: str, issuer: tls.Certificate | None = None) -> dict[str, str]:
    """The files by which a cluster proves who it is, to be written with its dynamic files."""
    issuer = issuer or ca()
    return tls.files(tls.certificate([subject.name, subject.bind, *more], issuer), issuer.cert)
