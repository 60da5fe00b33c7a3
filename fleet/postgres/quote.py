"""Names and strings as SQL text. What the superuser runs goes through psql's stdin, which has no parameters, so every
value that comes from outside passes through here."""


def ident(name: str) -> str:
    """`name` as a quoted identifier. ValueError when PostgreSQL could not keep it whole."""
    if not name or "\0" in name or len(name.encode()) > 63:
        raise ValueError(f"{name!r} can't be a name in PostgreSQL: 1 to 63 bytes, no NUL")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a string constant, whatever standard_conforming_strings says. ValueError for a NUL."""
    if "\0" in text:
        raise ValueError("a string in PostgreSQL can't hold a NUL")
    quoted = "'" + text.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted
