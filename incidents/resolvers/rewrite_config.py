"""PostgreSQL can't read its configuration: write it again from the plan, keep the old file beside it, start.

Symptom: the instance is down, no postmaster runs, and a start ends with an error in postgresql.conf.
Look first: `postgres -C port` on the host names the line. Settings made by ALTER SYSTEM are in postgresql.auto.conf,
which this playbook never changes.
Steps: let PostgreSQL read its configuration; if that fails, write postgresql.conf again and have it read once more; ask
the instance to start; wait for the answer.
Give up when: the configuration can be read (the reason is another), or still can't be read once it is rewritten.
"""

from fleet.actions.instance import sizing
from fleet.models import Instance
from fleet.postgres.config import conf
from fleet.transports.base import checked
from incidents.outcomes import Case, Outcome, again, fixed, give_up
from incidents.resolvers.asking import answered, asked

# How long the next look at it is waited for (s).
LOOK_PATIENCE_S = 30.0

# The first copy is the one that tells what was wrong; a step that is repeated keeps it.
_WRITE = """
set -eu
umask 077
cd "$1"
[ -e postgresql.conf.broken ] || cp postgresql.conf postgresql.conf.broken
cat > postgresql.conf.new
mv postgresql.conf.new postgresql.conf
"""


def read(case: Case) -> Outcome:
    if case.facts["postmaster"] is None and case.step_s < LOOK_PATIENCE_S:
        return again(1, "whether a postmaster runs is not known yet")
    if case.facts["postmaster"] is not False:
        return give_up("a postmaster runs, so the configuration was read")
    complaint = _complaint(case)
    return fixed(complaint) if complaint else give_up("the configuration can be read: the reason is another")


def write(case: Case) -> Outcome:
    assert isinstance(case.member, Instance)
    argv = ["sh", "-c", _WRITE, "herdsite", case.subject.data]
    text = conf(case.subject, sizing(case.member))
    checked(argv, case.shell().run(argv, stdin=text.encode()))
    complaint = _complaint(case)
    return (
        give_up(complaint)
        if complaint
        else fixed("postgresql.conf was written again; the old file is postgresql.conf.broken")
    )


def start(case: Case) -> Outcome:
    return asked(case, "start", "the configuration was rewritten")


def _complaint(case: Case) -> str:
    """What PostgreSQL says of its configuration; "" when it can be read."""
    result = case.shell().run([f"{case.subject.bin}/postgres", "-D", case.subject.data, "-C", "port"])
    return "" if result.ok else (result.err.strip() or f"ended with {result.code}")[-500:]


STEPS = (read, write, start, answered)
