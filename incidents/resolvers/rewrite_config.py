"""PostgreSQL can't read its configuration: write the one that its plan gives it, keep the old one beside it, start.

Symptom: the instance is down, no postmaster runs, and starting it ends with an error in postgresql.conf.
Look first: `postgres -C port` on the host says which line. What was set by ALTER SYSTEM is in postgresql.auto.conf,
which this playbook never touches.
Steps: have PostgreSQL read its configuration; if it can't, write postgresql.conf anew and have it read again; ask the
instance to start; wait for what it answers.
Give up when: the configuration can be read (that is not it), or still can't be once it is rewritten.
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
        return again(1, "it is not known yet whether a postmaster runs")
    if case.facts["postmaster"] is not False:
        return give_up("a postmaster runs: its configuration was read")
    complaint = _complaint(case)
    return fixed(complaint) if complaint else give_up("its configuration can be read: that is not it")


def write(case: Case) -> Outcome:
    assert isinstance(case.member, Instance)
    argv = ["sh", "-c", _WRITE, "herdsite", case.subject.data]
    text = conf(case.subject, sizing(case.member))
    checked(argv, case.shell().run(argv, stdin=text.encode()))
    complaint = _complaint(case)
    return give_up(complaint) if complaint else fixed("written anew; the old one is postgresql.conf.broken")


def start(case: Case) -> Outcome:
    return asked(case, "start", "its configuration was rewritten")


def _complaint(case: Case) -> str:
    """What PostgreSQL says of its configuration; "" when it can be read."""
    result = case.shell().run([f"{case.subject.bin}/postgres", "-D", case.subject.data, "-C", "port"])
    return "" if result.ok else (result.err.strip() or f"ended with {result.code}")[-500:]


STEPS = (read, write, start, answered)
