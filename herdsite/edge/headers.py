"""What browsers may do with what comes from here: the headers of every answer, pages, files and errors alike."""

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse

NOTHING = ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'")
OURS = ("img-src 'self' data:", "font-src 'self'", "connect-src 'self'")


@dataclass(frozen=True)
class Policy:
    """The Content-Security-Policy of the addresses that begin with `prefix`, and why it is no stricter."""

    prefix: str
    parts: tuple[str, ...]
    because: str = ""


# The first that fits counts. No script stands in a page, anywhere.
POLICIES = (
    Policy(
        "/admin/",
        (*OURS, "script-src 'self' 'unsafe-eval'", "style-src 'self' 'unsafe-inline'"),
        "Alpine, by which the admin's look moves, reads expressions out of attributes and writes style attributes",
    ),
    Policy(
        "/api/v1/docs",
        (*OURS, "script-src 'self'", "style-src 'self' 'unsafe-inline'"),
        "Swagger UI writes style attributes",
    ),
    Policy("/api/", ()),
    Policy("/", (*OURS, "script-src 'self'", "style-src 'self'")),
)
# Only what Chromium knows: it complains of others on each page.
PERMISSIONS = ", ".join(
    f"{name}=()"
    for name in (
        "accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media",
        "fullscreen", "gamepad", "geolocation", "gyroscope", "hid", "idle-detection", "local-fonts", "magnetometer",
        "microphone", "midi", "payment", "picture-in-picture", "publickey-credentials-create", "screen-wake-lock",
        "serial", "usb", "xr-spatial-tracking",
    )
)  # fmt: skip
FIXED = {
    "Permissions-Policy": PERMISSIONS,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Permitted-Cross-Domain-Policies": "none",
}


def guarded(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware. A header that a page has set itself stays: it knows better, and is stricter."""

    def middleware(request: HttpRequest) -> HttpResponse:
        answer = get_response(request)
        answer.headers.setdefault("Content-Security-Policy", policy(request.path))
        for name, value in FIXED.items():
            answer.headers.setdefault(name, value)
        return answer

    return middleware


def policy(path: str) -> str:
    parts = next((row.parts for row in POLICIES if path.startswith(row.prefix)), ())
    return "; ".join((*NOTHING, f"form-action {_forms()}", *parts))


def _forms() -> str:
    """Where a form may lead: a download's form may lead on to the bucket, which is somewhere on the internet."""
    return "'self' https:" if settings.BACKUPS.startswith("s3:") else "'self'"
