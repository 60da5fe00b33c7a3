"""What one beat thinks of one look: facts, evidence, the row that wins, and how the alarms stand. Changes nothing."""

from dataclasses import dataclass

from fleet import context, doubt, policy, quorums, ring, signs
from fleet.facts import Facts, read
from fleet.rules import Rule, think
from fleet.states import DOWN
from fleet.subject import ADDRESS, INSTANCE, RESOURCE, SERVER, Subject
from fleet.succession import lsn
from fleet.succession.loss import remembered
from fleet.think import LIFE
from incidents import forecast, watch
from observations import record
from observations.feel import known as known_of


@dataclass(frozen=True)
class Thought:
    """One thing after feeling and thinking: what is known, the row that won, and how its alarms stand."""

    loaded: context.Loaded
    claim: ring.Claim
    look: record.Look
    known: dict[str, str | None]
    evidence: doubt.Evidence
    facts: Facts
    rule: Rule
    judged: watch.Judged


def ponder(loaded: context.Loaded, claim: ring.Claim, look: record.Look, vantage: str) -> Thought:
    """Think about one look. Changes nothing."""
    subject = loaded.subject
    known = known_of(subject, look)
    seen = read(look.at, known)
    now = look.at.timestamp()
    evidence = doubt.weigh(subject.kind, loaded.member.evidence, seen, vantage, now, policy.heard_s(subject.interval_s))
    # Silence began when the first look that got nothing began, and has lasted until this one ended.
    more = dict(loaded.facts)
    more |= doubt.facts(evidence, now + look.took_ms / 1000, more.get("places") or 1)
    if seen["ssh"] or more.get("vantage_sees"):
        more["vantage_sees"] = True
    started_on = loaded.member.attrs.get("boot_id")
    if seen["boot_id"] and started_on:
        more["rebooted"] = seen["boot_id"] != started_on
    if subject.kind == INSTANCE:
        # The look that finds it dead must not wipe what a receipt is reckoned from.
        at, archived = look.attrs.get("lsn"), known.get("last_archived_wal")
        known["last_seen"] = remembered(subject.known.get("last_seen"), at, archived, now)
    if subject.kind in (INSTANCE, RESOURCE):
        fresh = read(look.at, look.attrs)
        found = (
            signs.of_instance(subject.known, fresh, now)
            if subject.kind == INSTANCE
            else signs.of_resource(subject.known, more.get("may_lose"), now)
        )
        known |= found
        more |= signs.facts(found, now)
    if loaded.quorum and "streams" in known:
        streamed = quorums.remember(
            subject.known.get("streams_seen"), quorums.streams(seen["streams"]), lsn.known(seen["sync_lsn"]), now
        )
        known["streams_seen"] = streamed
        more |= quorums.facts(loaded.quorum, seen, subject.state, streamed, now)
    if subject.kind == ADDRESS and seen["leads_to"] is not None:
        more["leads_right"] = bool(more.get("target")) and seen["leads_to"] == more["target"]
    if not _job_is_known(subject, seen):
        known = {name: value for name, value in known.items() if name not in ("job", "job_why")}
    if subject.kind == SERVER:
        more["disk_full_in_s"] = forecast.full_in_s(subject.known, subject.probed.get("reach", 0.0), look.attrs, now)
    facts = read(look.at, known, **more)
    rule = think(LIFE[subject.kind], subject.state, facts)
    judged = watch.judge(subject.kind, facts, loaded.member.watch)
    return Thought(loaded, claim, look, known, evidence, facts, rule, judged)


def _job_is_known(subject: Subject, seen: Facts) -> bool:
    """A job that starts PostgreSQL after a reboot is named after the host's run. What the look says of it counts only
    if the run that named it is the one that answered."""
    return bool(subject.job) and (subject.state != DOWN or subject.known.get("boot_id") == seen["boot_id"])
