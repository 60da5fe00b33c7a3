"""What a load may leave out of a dump, and why: the table, and how a job's log tells what was. Whatever is not in the
table makes the load fail: tables, their rows, and what keeps those consistent or hidden have to be there. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Lines of a job's log: what a load will leave out, as tried beforehand without the rows; what it has left out; and what
# stands against it.
WILL, LEFT, OBSTACLE = "will", "left", "obstacle"
# LOG: those lines of it; nothing of a job that is gone.
TOLD = f"""[ ! -e "$1" ] || grep -aE '^({WILL}|{LEFT}|{OBSTACLE})=' "$1" | tail -n 1000 || true"""
# For a look at a job (fleet/jobs.py LOOK): how many of the first kind, once all of those are there.
LEAVES = f"""
log=$home/jobs/$job/log
[ -z "$job" ] || ! grep -aq '^far=loading' "$log" 2> /dev/null || echo "leaves_out=$(grep -ac '^{WILL}=' "$log")"
"""
# What goes with the rights, once everything is there and its owner's: tried again then.
AGAIN = (
    r"^(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES|CREATE POLICY|COMMENT ON DATABASE|ALTER DATABASE [^;]* SET |"
    r"ALTER ROLE [^;]* IN DATABASE [^;]* SET )"
)
# SQLSTATEs: not allowed; a role, extension, handler, schema, function, relation or parameter that is not there; there
# already; not supported.
MISSING = "42501 42704 42883 42P01 3F000 58P01 22023 0A000"
THERE = "42710 42P06 42723"


@dataclass(frozen=True)
class Leavable:
    """Statements that begin so (ERE) may fail by one of the SQLSTATEs. `silent`: nothing is lost by it; `once`: which
    ones says nothing more."""

    begins: str
    what: str
    because: str
    states: str = MISSING
    silent: bool = False
    once: bool = False


TABLE = (
    # statement                                       what                    because
    Leavable(r"(ALTER|COMMENT ON) .* OWNER TO ", "ownership", "everything belongs to the database's owner", once=True),
    Leavable(r"(CREATE|ALTER) EVENT TRIGGER ", "event trigger", "only a superuser may make one"),
    Leavable(r"COMMENT ON EXTENSION ", "comment on an extension", "PostgreSQL's own comment stays"),
    Leavable(r"(CREATE|ALTER) EXTENSION ", "extension", "not installed here, or only a superuser may make it"),
    Leavable(r"(CREATE|ALTER) (SERVER|FOREIGN DATA WRAPPER) ", "foreign server", "no database reaches out to other servers"),
    Leavable(r"(CREATE|ALTER) USER MAPPING ", "user mapping", "no database reaches out to other servers"),
    Leavable(r"(CREATE|ALTER) FOREIGN TABLE |IMPORT FOREIGN ", "foreign table", "the rows are on another server"),
    Leavable(r"(CREATE|ALTER) PUBLICATION ", "publication", "one of all tables, or of a schema, only a superuser may make"),
    Leavable(r"(CREATE|ALTER) SUBSCRIPTION ", "subscription", "only a superuser may make one"),
    Leavable(r"CREATE POLICY .* AS RESTRICTIVE ", "policy", "the roles do not exist here; a policy that hides every row stands in its place"),
    Leavable(r"(CREATE|ALTER) POLICY ", "policy", "the roles do not exist here; row security stays on, so the rows stay hidden"),
    Leavable(r"(GRANT|REVOKE) ", "privilege", "the role does not exist here"),
    Leavable(r"ALTER DEFAULT PRIVILEGES ", "default privilege", "the role does not exist here"),
    Leavable(r"(CREATE|ALTER|DROP) (ROLE|USER|GROUP) ", "role", "a database has the one that herdsite makes"),
    Leavable(r"(ALTER DATABASE .* SET |ALTER ROLE .* IN DATABASE .* SET )", "setting", "only a superuser may set it"),
    Leavable(r"(CREATE|ALTER|DROP) DATABASE ", "the database itself", "herdsite makes it", silent=True),
    Leavable(r"SECURITY LABEL ", "security label", "no provider of labels is here"),
    Leavable(r"(CREATE|ALTER|DROP) TABLESPACE |SET default_tablespace ", "tablespace", "everything lies in the one that there is"),
    Leavable(r"SET (SESSION AUTHORIZATION|ROLE) |RESET SESSION AUTHORIZATION", "change of role", "everything is done as the database's owner"),
    Leavable(r"SET ", "parameter of the session", "this version does not know it", silent=True),
    Leavable(r"(CREATE|ALTER|COMMENT ON) (OR REPLACE )?(TRUSTED )?(PROCEDURAL )?LANGUAGE ", "language", "only a superuser may make one", f"{MISSING} {THERE}"),
    Leavable(r"CREATE (ACCESS METHOD|OPERATOR (CLASS|FAMILY)|TEXT SEARCH (PARSER|TEMPLATE)|CAST|TRANSFORM) ", "support for a type", "only a superuser may make it"),
    Leavable(r"ALTER OPERATOR (CLASS|FAMILY) ", "support for a type", "only a superuser may make it"),
    Leavable(r"CREATE (OR REPLACE )?(FUNCTION|PROCEDURE|AGGREGATE|OPERATOR) ", "function", "the language or a property needs a superuser"),
    Leavable(r"(CREATE (OR REPLACE )?|ALTER )(RECURSIVE )?(VIEW|MATERIALIZED VIEW|RULE) |REFRESH MATERIALIZED VIEW ", "view", "what it reads was left out"),
    Leavable(r"CREATE (CONSTRAINT )?TRIGGER ", "trigger", "the function was left out"),
    Leavable(r"(CREATE INDEX|CREATE STATISTICS|ALTER STATISTICS) ", "index", "the extension that it needs was left out"),
    Leavable(r"COMMENT ON ", "comment", "what it is about was left out, or belongs to the server"),
    Leavable(r"CREATE SCHEMA ", "schema", "exists already", THERE, silent=True),
    Leavable(r"DROP |ALTER TABLE .* DROP CONSTRAINT ", "removal", "there was nothing", silent=True),
)  # fmt: skip


def rules() -> str:
    """The table for the script: one line a row, SQLSTATEs, a tab, and how its statements begin."""
    return "".join(f"{' ' + row.states + ' '}\t^({row.begins})\n" for row in TABLE)


def told(log: str, kind: str) -> list[str]:
    """What the lines of that kind say, in words, each thing once: `event trigger: CREATE EVENT TRIGGER e (only a …)`."""
    return list(dict.fromkeys(filter(None, map(_words, _lines(log, kind)))))


def sentence(found: Iterable[str], most: int = 60) -> str:
    """All of it at once, for an answer or an Event; "" where there is nothing."""
    every = list(found)
    more = f"; and {len(every) - most} more" if len(every) > most else ""
    return "; ".join(every[:most]) + more


def _lines(log: str, kind: str) -> Iterable[list[str]]:
    for line in log.splitlines():
        if line.startswith(f"{kind}="):
            yield (line.removeprefix(f"{kind}=").split("\t") + [""] * 4)[:4]


def _words(parts: list[str]) -> str:
    count, state, head, message = parts
    row = next((row for row in TABLE if re.match(row.begins, head)), None)
    if row is None:
        return f"{head.rstrip(' (;')}: {message}" if head else message
    if row.silent:
        return ""
    if row.once:
        return f"{row.what} ({row.because})"
    more = f" and {int(count) - 1} more" if count.isdigit() and int(count) > 1 else ""
    return f"{row.what}: {_NAMED.sub('', head).strip() or head}{more} ({message}; {row.because})"


_NAMED = re.compile(r"^(CREATE|ALTER) (EVENT TRIGGER|EXTENSION IF NOT EXISTS|EXTENSION|PUBLICATION|SUBSCRIPTION) ")
