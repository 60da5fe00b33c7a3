"""Passwords as PostgreSQL keeps them. They are hashed on our side, so that no server log, no statistics view and no
process list ever sees one."""

import base64
import hashlib
import hmac
import secrets


def scram(password: str, salt: bytes = b"", iterations: int = 4096) -> str:
    """The SCRAM-SHA-256 verifier of `password` (RFC 5802), as CREATE ROLE takes it; a random salt unless one is given.

    ValueError for what is not printable ASCII: such a password would have to be normalised (SASLprep) first, and
    herdsite makes none.
    """
    if not password or not password.isascii() or not password.isprintable():
        raise ValueError("a password must be printable ASCII, and not empty")
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(_keyed(salted, b"Client Key")).digest()
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(_keyed(salted, b'Server Key'))}"


def _keyed(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
