"""The endless queue of one kind of thing. The truth is in the row: when it is due, and whose beat it is.

`claim` takes what is due and not leased, oldest first; two workers never get the same row (FOR UPDATE SKIP LOCKED).
`release` gives back with what was felt, but only what is still ours: a worker whose lease ran out has lost its beat
to another, and its result is dropped. A row can't fall out: a lost beat's lease runs out and it is due again.
Time is the database's clock.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from fleet import policy, wakes
from fleet.models import Member
from fleet.models.member import KINDS, Watched
from fleet.states import AVAILABLE

# Whoever changes several rows and waits for them takes them in one order: so no two wait for each other.
_LOCKED = "SELECT id FROM {} WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE"
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Claim:
    """Rows whose beat is ours until `until` (the database's clock; `now` is when they were claimed)."""

    lease: uuid.UUID
    ids: Sequence[uuid.UUID]
    now: datetime


@dataclass(frozen=True)
class Beat:
    """What one beat leaves on its row. `in_s` is the seconds until the next one (None: it leaves the ring). `problem`
    and `tries` stay as they are where they are None: an action may be under way, which writes them."""

    id: uuid.UUID
    claim: Claim
    in_s: float | None
    facts: dict[str, str | None]
    probed: dict[str, float]
    evidence: dict[str, Any]
    row: int
    why: str
    seen: bool
    problem: str | None = ""
    tries: int | None = 0
    watch: dict[str, Any] = field(default_factory=dict)


def table_of(kind: str) -> str:
    return KINDS[kind]._meta.db_table


def granted(kind: str, state: str) -> float:
    """How long a claim's lease is (s): there are two for each kind, one for what is available and one for all else."""
    return policy.lease(kind, AVAILABLE if state == AVAILABLE else "")


def claim(kind: str, queue: str, n: int, vantage: str) -> Claim:
    """Take up to `n` beats. In the suspect queue a thing is left to other workers for a moment by the one that looked
    last, since a verdict wants a second pair of eyes."""
    lease = uuid.uuid4()
    others_first = (
        "AND (vantage <> %(vantage)s OR due_at < statement_timestamp() - %(wait)s * interval '1 s')"
        if queue == policy.SUSPECT
        else ""
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH due AS (
                SELECT id, state FROM {table_of(kind)}
                WHERE queue = %(queue)s AND due_at <= statement_timestamp()
                  AND (leased_until IS NULL OR leased_until < statement_timestamp())
                  {others_first}
                ORDER BY due_at LIMIT %(n)s
                FOR NO KEY UPDATE SKIP LOCKED
            )
            UPDATE {table_of(kind)} AS member
            SET lease = %(lease)s,
                leased_until = clock_timestamp() + interval '1 s' *
                    CASE WHEN due.state = 'available' THEN %(short)s ELSE %(long)s END
            FROM due WHERE member.id = due.id
            RETURNING member.id, clock_timestamp()
            """,
            {
                "queue": queue,
                "n": n,
                "lease": lease,
                "vantage": vantage,
                "wait": policy.SECOND_OPINION_S,
                "short": granted(kind, AVAILABLE),
                "long": granted(kind, ""),
            },
        )
        rows = cursor.fetchall()
    return Claim(lease, [row[0] for row in rows], rows[0][1] if rows else _NEVER)


def hold(member: Member, claim: Claim, seconds: float) -> bool:
    """Before acting: is the beat still ours? If so it stays ours for as long as the action may take."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE {table_of(member.KIND)} SET leased_until = clock_timestamp() + %s * interval '1 s'
                WHERE id = %s AND lease = %s AND leased_until > clock_timestamp()""",
            [seconds, member.pk, claim.lease],
        )
        return cursor.rowcount == 1


def acts_apart(member: Member) -> bool:
    """Whether it is looked at on while something is done about it: a host that hangs in an action must not blind us.
    What is built or removed has nobody to look for."""
    return isinstance(member, Watched) and not policy.counts_tries(member.state)


def begin_act(member: Member, claim: Claim, seconds: float) -> bool | None:
    """Begin to act, for at most so long, if the beat is still ours (None when it is not) and nobody else acts, or is
    to wait before the next try (False). The look may be released then: acting has a lease of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE {table_of(member.KIND)}
                SET acting = CASE WHEN acting_until > clock_timestamp() THEN acting ELSE lease END,
                    acting_until = CASE WHEN acting_until > clock_timestamp() THEN acting_until
                                        ELSE clock_timestamp() + %s * interval '1 s' END
                WHERE id = %s AND lease = %s AND leased_until > clock_timestamp()
                RETURNING acting IS NOT DISTINCT FROM lease""",
            [seconds, member.pk, claim.lease],
        )
        row = cursor.fetchone()
    return None if row is None else row[0]


def end_act(kind: str, beat: Beat) -> bool:
    """Write what an action came to, unless another has begun to act since. An action that failed is not tried again
    before `in_s`; what succeeded is looked at by then at the latest."""
    well = not beat.problem
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE {table_of(kind)} SET acting = NULL, problem = %(problem)s, tries = %(tries)s,
                       acting_until = CASE WHEN %(pause)s THEN clock_timestamp() + %(in_s)s * interval '1 s' END,
                       due_at = CASE WHEN %(well)s THEN least(due_at, clock_timestamp() + %(in_s)s * interval '1 s')
                                     ELSE due_at END
                WHERE id = %(id)s AND acting = %(lease)s
                RETURNING CASE WHEN due_at < clock_timestamp() + %(soon)s * interval '1 s' THEN queue END""",
            {
                "problem": beat.problem,
                "tries": beat.tries,
                "pause": not well or (beat.in_s or 0.0) > policy.BUILDING_S,
                "well": well,
                "in_s": beat.in_s or 0.0,
                "id": beat.id,
                "lease": beat.claim.lease,
                "soon": wakes.SOON_S,
            },
        )
        row = cursor.fetchone()
    wakes.call([row[0]] if row and row[0] else [])
    return row is not None


def release(kind: str, beats: Iterable[Beat], vantage: str) -> set[uuid.UUID]:
    """Write the beats' results and give the rows back, in one statement. Returns the ids that were still ours.
    A row that was nudged since it was claimed stays due: whoever nudged it knows what this beat could not."""
    beats = list(beats)
    if not beats:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH locked AS ({_LOCKED.format(table_of(kind))})
            UPDATE {table_of(kind)} AS member
            SET lease = NULL, leased_until = NULL, vantage = %(vantage)s, felt_at = statement_timestamp(),
                seen_at = CASE WHEN beat.seen THEN statement_timestamp() ELSE member.seen_at END,
                due_at = CASE WHEN member.due_at > beat.claimed AND beat.in_s IS NOT NULL THEN member.due_at
                              ELSE clock_timestamp() + beat.in_s * interval '1 s' END,
                facts = beat.facts, probed = beat.probed, evidence = beat.evidence,
                row = beat.row, why = beat.why, problem = coalesce(beat.problem, member.problem),
                tries = coalesce(beat.tries, member.tries),
                watch = beat.watch
            FROM unnest(%(ids)s::uuid[], %(leases)s::uuid[], %(claimed)s::timestamptz[], %(in_s)s::float8[],
                        %(facts)s::hstore[], %(probed)s::jsonb[], %(evidence)s::jsonb[], %(rows)s::smallint[],
                        %(whys)s::text[], %(seen)s::bool[], %(problems)s::text[], %(tries)s::smallint[],
                        %(watches)s::jsonb[])
                 AS beat(id, lease, claimed, in_s, facts, probed, evidence, row, why, seen, problem, tries, watch)
            JOIN locked USING (id)
            WHERE member.id = beat.id AND member.lease = beat.lease
            RETURNING member.id,
                      CASE WHEN member.due_at < clock_timestamp() + %(soon)s * interval '1 s' THEN member.queue END
            """,
            {
                "vantage": vantage,
                "soon": wakes.SOON_S,
                "ids": [beat.id for beat in beats],
                "leases": [beat.claim.lease for beat in beats],
                "claimed": [beat.claim.now for beat in beats],
                "in_s": [beat.in_s for beat in beats],
                "facts": [beat.facts for beat in beats],
                "probed": [_json(beat.probed) for beat in beats],
                "evidence": [_json(beat.evidence) for beat in beats],
                "rows": [beat.row for beat in beats],
                "whys": [beat.why for beat in beats],
                "seen": [beat.seen for beat in beats],
                "problems": [beat.problem for beat in beats],
                "tries": [beat.tries for beat in beats],
                "watches": [_json(beat.watch) for beat in beats],
            },
        )
        released = cursor.fetchall()
    wakes.call(queue for _id, queue in released if queue)
    return {id for id, _queue in released}


def postpone(kind: str, claim: Claim, id: uuid.UUID, seconds: float, problem: str) -> None:
    """Give a row back whose beat came to nothing, to be tried again in a while, with the reason where people look."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE {table_of(kind)} SET lease = NULL, leased_until = NULL, problem = %s,
                       due_at = clock_timestamp() + %s * interval '1 s'
                WHERE id = %s AND lease = %s""",
            [problem, seconds, id, claim.lease],
        )


def hand_back(kind: str, claim: Claim, ids: Sequence[uuid.UUID]) -> None:
    """Give rows back unfelt: they stay due, another worker takes them."""
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""WITH locked AS ({_LOCKED.format(table_of(kind))})
                    UPDATE {table_of(kind)} AS member SET lease = NULL, leased_until = NULL
                    FROM locked WHERE member.id = locked.id AND member.lease = %(lease)s""",
                {"ids": list(ids), "lease": claim.lease},
            )


def nudge(kind: str, ids: Iterable[uuid.UUID], afresh: bool = False) -> None:
    """Make the next beat of these due now, and if one is under way, leave that to finish first. `afresh`: it makes
    every probe, however lately that was made. What waits before its next try is tried now: something is new."""
    ids = list(ids)
    if ids:
        tried = (
            ", acting_until = CASE WHEN member.acting IS NULL THEN NULL ELSE member.acting_until END"
            if issubclass(KINDS[kind], Watched)
            else ""
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"""WITH locked AS ({_LOCKED.format(table_of(kind))})
                    UPDATE {table_of(kind)} AS member SET due_at = clock_timestamp(),
                        probed = CASE WHEN %(afresh)s THEN '{{}}'::jsonb ELSE member.probed END{tried}
                    FROM locked WHERE member.id = locked.id AND member.due_at IS NOT NULL RETURNING member.queue""",
                {"ids": ids, "afresh": afresh},
            )
            queues = [row[0] for row in cursor.fetchall()]
        wakes.call(queues)


def suspect(kind: str, id: uuid.UUID, silent_s: float) -> None:
    """It has not answered for `silent_s` seconds: if nobody doubts it yet, its doubt began with that silence."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE {table_of(kind)} SET evidence = jsonb_build_object(
                       'since', extract(epoch FROM clock_timestamp())::float8 - %s::float8)
                WHERE id = %s AND state = %s AND evidence = '{{}}'::jsonb""",
            [silent_s, id, AVAILABLE],
        )


def next_due(kinds: Iterable[str], queue: str) -> float | None:
    """Seconds until a beat of this queue that nobody holds is due; None when there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM min(due) - clock_timestamp())::float8 FROM ("
            + " UNION ALL ".join(
                f"(SELECT due_at AS due FROM {table_of(kind)} WHERE queue = %(queue)s AND due_at IS NOT NULL "
                f"AND (leased_until IS NULL OR leased_until < statement_timestamp()) ORDER BY due_at LIMIT 1)"
                for kind in kinds
            )
            + ") AS soonest",
            {"queue": queue},
        )
        return cursor.fetchone()[0]


@dataclass(frozen=True)
class Standing:
    """How one ring stands: members, how many are due and leased now, and how late the latest is (s)."""

    kind: str
    queue: str
    members: int
    due: int
    leased: int
    late_s: float
    age_s: float


def standings() -> list[Standing]:
    """Every ring that has members. `late_s` is the longest that a due beat has waited, `age_s` the longest since any
    member was last felt."""
    found = []
    with connection.cursor() as cursor:
        for kind in (kind for kind, model in KINDS.items() if issubclass(model, Member)):
            cursor.execute(
                f"""
                SELECT queue, count(*), count(*) FILTER (WHERE due_at <= clock_timestamp()),
                       count(*) FILTER (WHERE leased_until > clock_timestamp()),
                       coalesce(max(extract(epoch FROM clock_timestamp() - due_at))
                                FILTER (WHERE due_at <= clock_timestamp()), 0)::float8,
                       coalesce(max(extract(epoch FROM clock_timestamp() - coalesce(felt_at, created_at))), 0)::float8
                FROM {table_of(kind)} WHERE due_at IS NOT NULL GROUP BY queue ORDER BY queue
                """
            )
            found += [Standing(kind, *row) for row in cursor.fetchall()]
    return found


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
