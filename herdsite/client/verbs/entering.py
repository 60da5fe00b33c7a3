"""Logging in and out, and who one is then."""

from argparse import ArgumentParser
from getpass import getpass

from herdsite.client import config
from herdsite.client.config import Login
from herdsite.client.errors import DONE, USAGE, HerdError
from herdsite.client.herd import Herd
from herdsite.client.verbs.base import Verb
from herdsite.client.wire import Wire
from herdsite.client.words import time


def login(herd: Herd) -> int:
    """The token is kept once the server knows it. It is typed unseen or piped in, and never an argument, which
    everybody on the machine could read."""
    url = config.server(herd.asked.url or herd.env.get("HERD_URL", ""), herd.env)
    token = getpass(f"Token for {url}: ") if herd.stdin.isatty() else herd.stdin.readline()
    token = token.strip()
    if not token:
        raise HerdError("No token was given. Ask an admin for a token; it begins with herd_.", USAGE)
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise HerdError("Not a token: tokens begin with herd_ and have no spaces.", USAGE)
    known = Login(url, token)
    wire = Wire(known, sleep=herd.sleep)
    me = wire.get("me")
    wire.close()
    path = config.save(known, herd.env)
    herd.output.remark(f"Logged in to {url} as {me['login']}; kept in {path}.")
    return DONE


def logout(herd: Herd) -> int:
    config.forget(herd.env)
    herd.output.remark("The token is deleted here. To make it invalid, revoke it in the admin.")
    return DONE


def whoami(herd: Herd) -> int:
    me = herd.wire.get("me")
    if herd.output.as_json:
        herd.output.object(me)
    elif herd.output.quiet:
        herd.output.say(me["login"])
    else:
        herd.output.pairs(me["login"], _about(herd, me))
    return DONE


def _about(herd: Herd, me: dict) -> list[tuple[str, str]]:
    token, customer = me["token"] or {}, me["customer"] or {}
    return [
        ("Server", herd.wire.login.url),
        ("Roles", ", ".join(me["roles"]) or "none"),
        ("May", ", ".join(me["scopes"]) or "nothing"),
        *([("Customer", customer["name"])] if customer else []),
        ("Token", token.get("name", "")),
        ("Expires", time(token["expiry"]) if token.get("expiry") else "when the token is revoked"),
    ]


def _url(parser: ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", nargs="?", help="the server's address (HERD_URL)")


VERBS = (
    Verb(
        "login",
        "store a server's address and your token",
        ("herd login https://herd.example.com", "herd login https://herd.example.com < token.txt"),
        login,
        _url,
    ),
    Verb("logout", "delete the stored token", ("herd logout",), logout),
    Verb("whoami", "show your login and permissions", ("herd whoami",), whoami),
)
