"""The secrets that every herdsite has of its own: made once, kept in var/ for our eyes only, read by the settings.

`secret_key` signs sessions, `fernet_keys` (one a line, the first one encrypts) protect stored credentials, and
`ssh/id_ed25519` is how herdsite logs in to its hosts.
"""

import os
import secrets
import sys
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def make_keys(var: Path) -> bool:
    """Make what is missing, and tell whether anything was; what is there is never touched."""
    files = [var / name for name in ("secret_key", "fernet_keys", "ssh/id_ed25519", "ssh/id_ed25519.pub")]
    if all(file.exists() for file in files):
        return False
    secret_key, fernet_keys, private, public = files
    var.mkdir(parents=True, exist_ok=True)
    write_once(secret_key, secrets.token_urlsafe(50))
    write_once(fernet_keys, Fernet.generate_key().decode())
    write_once(public, _public(write_once(private, _ssh_key())) + " herdsite")
    return True


def write_once(path: Path, text: str) -> str:
    """Write a secret if there is no such file yet, readable by us alone; returns what the file holds.

    A file is either whole or not there, whatever happens to us meanwhile.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text.strip() + "\n")
        part.rename(path)
    return path.read_text()


def _ssh_key() -> str:
    key = Ed25519PrivateKey.generate()
    form = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    return key.private_bytes(*form).decode()


def _public(private: str) -> str:
    key = serialization.load_ssh_private_key(private.encode(), None).public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


if __name__ == "__main__":  # python -m herdsite.keys VAR
    make_keys(Path(sys.argv[1]))
