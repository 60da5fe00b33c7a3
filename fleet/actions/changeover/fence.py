"""No promotion before it is proven that the old leader can't acknowledge a write: the ladder of succession/ladder.py,
with what is asked for it here."""

import time
from contextlib import suppress

from fleet import changing, ledger, policy, quorums, subjects
from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError, answered
from fleet.actions.changeover import beside, upgrade
from fleet.actions.changeover.marks import answers_again, by_itself, call_off, refuse, refuse_in_time, timeline_of
from fleet.lifecycle import Because
from fleet.models import Address, Changeover, Instance
from fleet.postgres import control
from fleet.providers.base import ProviderError
from fleet.succession import lsn
from fleet.succession.ladder import Acceptance, Evidence, Proof, Unproven, prove
from fleet.succession.quorum import CANT_LOSE
from fleet.transports.base import TransportError, Unreachable

SSH_PATIENCE_S = 6.0
UNPROVEN = "Cannot prove that the former leader has stopped accepting writes"
# How long a planned stop may take before clients are let go on.
HALT_S = 5
CATCH_UP_S = 2.0
# The stream's timeline; once the leader is gone, that of the newest segment that came from it.
HAS = """SELECT pg_catalog.pg_last_wal_receive_lsn()::pg_catalog.text AS at,
       coalesce((SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver),
                (SELECT ('x' || pg_catalog.max(pg_catalog.left(name, 8)))::bit(32)::int
                   FROM pg_catalog.pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$')) AS timeline_id"""


def fence(changeover: Changeover, acting: Acting) -> str:
    source, target = changeover.source, changeover.target
    if source is None or target is None:
        return refuse(
            changeover, acting, f"{changeover.name} names no leader, or no standby to promote: cancel it and ask again"
        )
    if changeover.planned:
        return _stop(changeover, source, target, acting)
    if by_itself(changeover) and answers_again(changeover, source):
        return call_off(changeover, acting, f"{source.name} answers again")
    proof = _prove(changeover, source, target, acting)
    if isinstance(proof, Unproven):
        return refuse_in_time(changeover, acting, f"{UNPROVEN}: {'; '.join(proof.missing)}")
    return proof.text


def prove_again(changeover: Changeover, acting: Acting) -> None:
    """Prove once more what rests on somebody's word: a machine that was off may run by now. Raises ActionError."""
    source, target = changeover.source, changeover.target
    assert source is not None and target is not None
    proof = _prove(changeover, source, target, acting)
    if isinstance(proof, Unproven):
        raise ActionError(f"{UNPROVEN}: {'; '.join(proof.missing)}")


def _prove(changeover: Changeover, source: Instance, target: Instance, acting: Acting) -> Proof | Unproven:
    proof = prove(_evidence(changeover, source, target, acting))
    if isinstance(proof, Proof):
        kept = vars(proof) | {"facts": dict(proof.facts)}
        ledger.write(changeover, acting.lease, {"fenced": time.time()}, proof=kept)
    return proof


def _evidence(changeover: Changeover, source: Instance, target: Instance, acting: Acting) -> Evidence:
    """What there is. A record that proves enough spares the rest: then the fence goes beside the promotion."""
    began = time.time()
    record = quorums.record(changeover.resource.quorum)
    actor = changeover.actor
    given = changing.accepted(changeover.accept_loss)
    evidence = {
        "leader": source.name,
        "promoted": target.slot,
        "generation": changeover.generation,
        "fencing_s": max(1.0, began - changeover.marks.get("ready", began) + 30.0),
        "record": record,
        "may_lose_bytes": changeover.marks.get("may_lose_bytes"),
        "accepted": Acceptance(actor, changeover.asked_why or "forced", given) if changeover.force else None,
    }
    if record.says == CANT_LOSE and target.slot in record.required:
        return Evidence(**evidence)
    ledger.mark_fenced(changeover, acting.lease, source, "fence_sent")
    with beside.fencing(source, changeover, acting, SSH_PATIENCE_S) as fenced:
        try:
            machine = acting.ports.provider(source.server.provider).describe(source.server.name).state
            evidence |= {"machine": machine, "machine_age_s": 0.0}
        except ProviderError:
            pass
        # A provider's word is somebody's word: the host that answers has the first one.
        off = evidence.get("machine") in ("stopped", "absent")
        said = fenced(beside.SHORT_S if off else None)
    if said is not None:
        ledger.mark(changeover, acting.lease, "old_end", old_end_lsn=said.get("lsn", ""))
        evidence |= {"postmaster": False, "fence": changeover.generation, "host_age_s": 0.0}
    return Evidence(**evidence)


def _stop(changeover: Changeover, source: Instance, target: Instance, acting: Acting) -> str:
    """Clients wait at the address, the leader stops cleanly, its successor has all of it; or all goes on as before."""
    address = Address.objects.filter(resource=changeover.resource).first()
    shell, subject = hosts.orders(source, acting, changeover.epoch)
    if address:
        provider = acting.ports.provider(address.provider)
        if provider.can_hold:
            provider.hold(address.name, policy.SWITCH_BUDGET_S)
    ledger.mark_fenced(changeover, acting.lease, source, "paused")
    try:
        said = control.halt(shell, subject, HALT_S, changeover.generation)
    except (control.TooLate, control.Superseded) as error:
        return refuse(changeover, acting, f"{source.name} refused the order to stop: {error}")
    except Unreachable as error:
        return refuse(changeover, acting, f"the host of {source.name} did not answer the order to stop: {error}")
    except TransportError as error:
        return refuse(changeover, acting, f"PostgreSQL on {source.name} did not stop within {HALT_S:g} s: {error}")
    end = lsn.known(said.get("lsn"))
    hosts.right(acting, CATCH_UP_S)
    if target.role == Instance.STANDBY and not _has(target, end, timeline_of(source), acting):
        return refuse(
            changeover, acting, f"{target.name} has not received all WAL of {source.name}, up to {said.get('lsn')}"
        )
    proof = {
        "rung": 1,
        "text": f"{source.name} was stopped cleanly, and nothing starts it again",
        "facts": {"postmaster": "False", "fence": str(changeover.generation), "lsn": said.get("lsn", "")},
    }
    ledger.write(changeover, acting.lease, {"fenced": time.time(), "old_end_lsn": said.get("lsn", "")}, proof=proof)
    return str(proof["text"])


def _has(target: Instance, end: int | None, timeline_id: int, acting: Acting) -> bool:
    """Whether it has all that was written on that timeline: on another one, being further means nothing."""
    subject = subjects.monitored(target, acting.subject.now)
    if subject.database is None or end is None:
        return False
    until = time.monotonic() + CATCH_UP_S
    while time.monotonic() < until:
        try:
            row = acting.ports.sql.fetch(subject.database, [HAS], timeout=CATCH_UP_S)[0][0]
        except TransportError:
            return False
        if (lsn.known(row["at"]) or 0) > end and row["timeline_id"] == timeline_id:
            return True
        time.sleep(0.01)
    return False


def roll_back(changeover: Changeover, acting: Acting) -> str:
    """Nothing was promoted: the old leader is told to go on, and clients are let go on. What is told of it is what its
    host answered."""
    source, note = changeover.source, "nothing has been done yet"
    leads: bool | None = True
    ledger.renew(changeover, acting.lease)
    if source and ("paused" in changeover.marks or "fence_sent" in changeover.marks):
        leads, note = _let_lead(changeover, source, acting)
        if leads is None and changeover.planned:
            ledger.mark(changeover, acting.lease, "lost", why=note)
            return note
    address = Address.objects.select_related("resource").filter(resource=changeover.resource).first()
    if address and source:
        hosts.right(acting, policy.PROVIDER_TIMEOUT_S)
        provider = acting.ports.provider(address.provider)
        provider.associate(address.name, source.server.name, changeover.resource.generation)
    why = changeover.marks.get("why", "")
    if "upgrading" in changeover.marks:
        upgrade.abandon(changeover, acting)
        why = note = f"{note}: {acting.facts['job_why'] or 'the upgrade was interrupted'}"
    elif not leads:
        why = f"{why}; {note}" if why else note
    ledger.mark(changeover, acting.lease, "rolled_back", **({"why": why} if why else {}))
    if acting.intent:
        answered(acting, f"{acting.because.why}: {note}")
    return note


def _let_lead(changeover: Changeover, source: Instance, acting: Acting) -> tuple[bool | None, str]:
    """Tell it to go on, and whether it does: None where its host did not say, or could not. Only an answer takes the
    owner from its mark; where one may be left, the instance's own table removes it (row 318)."""
    try:
        with suppress(control.TooLate):
            return _unfenced(changeover, source, acting)
        # The host answers and did nothing: an order that is given now is in time.
        return _unfenced(changeover, source, acting)
    except control.Superseded as error:
        # Whoever gave the newer order says what it is to be: a failover of ours would be refused as well.
        return False, f"{source.name} refused the order to go on: {error}"
    except Unreachable as error:
        return None, f"the host of {source.name} did not answer the order to go on: {error}"
    except (TransportError, ActionError) as error:
        return None, f"{source.name} could not be made to go on: {error}"


def _unfenced(changeover: Changeover, source: Instance, acting: Acting) -> tuple[bool, str]:
    shell, subject = hosts.orders(source, acting, changeover.epoch, control.START_S)
    control.unfence(shell, subject, changeover.generation)
    Instance.objects.filter(pk=source.pk).update(fenced_by=None)
    return True, f"{source.name} leads on"


def fail_over(changeover: Changeover, acting: Acting) -> str:
    """The old leader was stopped, or was to be, and its host is gone: clients wait in any case, and the way forward is
    shorter than the way back. A failover takes its place and chooses among all that are there."""
    if "upgrading" in changeover.marks:
        upgrade.abandon(changeover, acting)
    because = Because(acting.because.row, acting.because.why, acting.because.actor)
    marks = {"case": f"changeover/{changeover.pk}"}
    begun = changing.begin(changeover.resource, Changeover.FAILOVER, because, marks=marks, instead_of=changeover)
    return f"{begun.name} has begun"
