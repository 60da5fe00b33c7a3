"""When a server goes out of service: the date that is noted at the server, and how people say it."""

from datetime import UTC, datetime, timedelta

from fleet.models import Server

# The attribute of a server that holds the date (ISO 8601).
RETIRES = "retires"
# So much notice there is where nobody says a date.
NOTICE = timedelta(days=7)


def moment(text: str) -> datetime:
    """`"2026-12-04"` or `"2026-12-04 18:00"`, in UTC unless it says otherwise. ValueError when it is none."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no date: say 2026-12-04 or 2026-12-04 18:00 (in UTC)") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def date(server: Server) -> datetime | None:
    """When it goes; None for one that stays."""
    noted = server.attrs.get(RETIRES)
    return moment(noted) if noted else None


def note(server: Server, at: datetime | None) -> None:
    """Note the date, or that there is none any more."""
    server.attrs.pop(RETIRES, None)
    if at:
        server.attrs[RETIRES] = at.isoformat()
    Server.objects.filter(pk=server.pk).update(attrs=server.attrs)
