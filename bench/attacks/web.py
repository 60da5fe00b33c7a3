"""Against the pages, by somebody without a log-in. Each returns what got in; nothing, if all held."""

import json
from base64 import b64encode
from collections.abc import Callable

from bench.attacks.site import Site, status

INSIDE = (
    "/", "/things/shop", "/family/shop", "/incidents", "/rings", "/tables", "/downloads", "/mine", "/mine/shop",
    "/admin/", "/admin/fleet/credential/", "/admin/audit/entry/", "/api/v1/resources", "/api/v1/credentials",
    "/api/v1/docs", "/heroku/resources",
)  # fmt: skip
GUESSES = 30


def _post(site: Site, path: str, body: bytes, *headers: str) -> int:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}", *headers]
    return status(site.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body))


def inside_without_login(site: Site) -> str:
    """Every kind of page."""
    opened = [path for path in INSIDE if site.get(path).status == 200]
    return f"{', '.join(opened)} without a log-in" if opened else ""


def session_made_up(site: Site) -> str:
    """The same with a session and with tokens that nobody gave out."""
    for headers in (
        {"Cookie": "sessionid=0123456789abcdef0123456789abcdef"},
        {"Authorization": "Bearer herd_" + "0" * 64},
        {"Authorization": "Basic " + b64encode(b"operator:operator").decode()},
        {"Remote-User": "operator", "X-Forwarded-User": "operator", "X-Remote-User": "operator"},
    ):
        opened = [path for path in INSIDE if site.get(path, headers).status == 200]
        if opened:
            return f"{opened[0]} with {headers}"
    return ""


def metrics_through_a_proxy(site: Site) -> str:
    """Sends the headers of a proxy on this machine, whatever the stranger claims to be."""
    for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Via", "X-Forwarded-Host"):
        if site.get("/metrics", {header: "127.0.0.1"}).status != 403:
            return f"/metrics with {header}"
    return ""


def forged_host(site: Site) -> str:
    """Another name than the settings', which links in mails would have."""
    return "" if site.get("/admin/login/", {"Host": "evil.example"}).status == 400 else "any host name is answered"


def forged_form(site: Site) -> str:
    """A form that another site sends in somebody's name."""
    form = "Content-Type: application/x-www-form-urlencoded"
    for path in ("/admin/login/", "/things/shop", "/mine/token", "/downloads"):
        if _post(site, path, b"verb=destroy", form, "Origin: https://evil.example") not in (302, 403):
            return f"{path} takes a form without its token"
    return ""


def deep_json(site: Site) -> str:
    """Lists in lists, to whatever reads JSON before it knows who sent it."""
    deep = b"[" * 8_000 + b"]" * 8_000
    for path in ("/hooks/pagerduty", "/heroku/webhooks/00000000-0000-0000-0000-000000000000", "/heroku/resources"):
        if (code := _post(site, path, deep, "Content-Type: application/json")) not in range(400, 500):
            return f"{path} answers {code}"
    return ""


def guessing(site: Site) -> str:
    """Passwords, one after the other."""
    codes = []
    for n in range(GUESSES):
        login = b64encode(f"operator:guess-{n}".encode()).decode()
        codes.append(site.get("/api/v1/me", {"Authorization": f"Basic {login}"}).status)
    return "" if codes[-1] == 429 else f"{GUESSES} guesses in a row are heard"


def files_beside_ours(site: Site) -> str:
    """Files that are none of the pages'."""
    for path in ("/static/../manage.py", "/static/%2e%2e/var/secret_key", "/static//etc/passwd", "/.git/config"):
        if site.get(path).status == 200:
            return path
    return ""


def scripts_of_others(site: Site) -> str:
    """A page that the browser lets run what somebody wrote into it, or shows in a frame."""
    policy = site.get("/admin/login/").headers.get("Content-Security-Policy", "")
    parts = dict(part.split(" ", 1) for part in policy.split("; ") if " " in part)
    if "'unsafe-inline'" in parts.get("script-src", "'unsafe-inline'") or parts.get("frame-ancestors") != "'none'":
        return f"the policy is {policy!r}"
    return ""


def large_json(site: Site) -> str:
    """A body as large as the edge lets through, of what is dear to read."""
    body = json.dumps({str(n): [n] * 9 for n in range(300)}).encode()[:16_000]
    code = _post(site, "/api/v1/resources", body, "Content-Type: application/json")
    return "" if code in (400, 401, 403) else f"answered {code}"


ATTACKS: tuple[Callable[[Site], str], ...] = (
    inside_without_login,
    session_made_up,
    metrics_through_a_proxy,
    forged_host,
    forged_form,
    deep_json,
    guessing,
    files_beside_ours,
    scripts_of_others,
    large_json,
)
