"""Where the server is and who asks: HERD_URL and HERD_TOKEN, or what `herd login` has kept in a file that only its
owner can read. A token is sent to the server that it was kept for, and to no other."""

import ipaddress
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from herdsite.client.errors import NO_LOGIN, USAGE, HerdError

TO_LOG_IN = "Log in: herd login URL (or set HERD_URL and HERD_TOKEN)."


@dataclass(frozen=True)
class Login:
    """The server's address without a slash at its end, and a token."""

    url: str
    token: str = field(repr=False)


def kept_in(env: Mapping[str, str]) -> Path:
    """The file; XDG_CONFIG_HOME moves it."""
    return Path(env.get("XDG_CONFIG_HOME") or Path(env.get("HOME", "~")).expanduser() / ".config") / "herd/config.json"


def load(env: Mapping[str, str]) -> Login:
    """The login that counts here. HerdError if there is none."""
    kept = _kept(kept_in(env))
    url = server(env["HERD_URL"], env) if env.get("HERD_URL") else kept.get("url", "")
    token = env.get("HERD_TOKEN") or (kept.get("token", "") if url == kept.get("url") else "")
    if not url or not token:
        raise HerdError(f"There is no login{f' for {url}' if url else ''}. {TO_LOG_IN}", NO_LOGIN)
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise HerdError(f"The token is not valid: it has characters that no token has. {TO_LOG_IN}", NO_LOGIN)
    return Login(url, token)


def save(login: Login, env: Mapping[str, str]) -> Path:
    """Keep it, whole or not at all, in a file of mode 0600."""
    path = kept_in(env)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp's files are 0600 from their first moment.
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".config-")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(asdict(login), file)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    return path


def forget(env: Mapping[str, str]) -> None:
    kept_in(env).unlink(missing_ok=True)


def server(url: str, env: Mapping[str, str]) -> str:
    """A server's address as it is kept. HerdError if it is none, or if a token would travel in the clear."""
    url = url.strip().rstrip("/").removesuffix("/api/v1")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        usable = parts.scheme in ("http", "https") and host and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.username or parts.query or parts.fragment:
        raise HerdError(f"{url!r} is not a server's address: give one like https://herd.example.com.", USAGE)
    if parts.scheme == "http" and not _loopback(host) and env.get("HERD_PLAIN_HTTP") != "1":
        raise HerdError(
            f"{url} would get your token unencrypted: use https, or set HERD_PLAIN_HTTP=1 to allow it.", USAGE
        )
    return url


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _kept(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise HerdError(f"{path} can't be read ({error}). {TO_LOG_IN}", NO_LOGIN) from error
    return found if isinstance(found, dict) else {}
