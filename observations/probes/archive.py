"""A timeline's place in the archive, over SSH from a host that sees it, and how a backup's job is."""

from fleet import archiving, progress
from fleet.archives import holes
from fleet.jobs import LOOK
from fleet.subject import Subject
from observations.probes.base import Answer

FILLS = (
    *("ssh", "archive_last", "archive_last_age_s", "archive_segments", "archive_bytes", "archive_missing"),
    "archive_backups",
    "archive_holes",
    *("job", "job_why", *progress.FILLS),
)
JOB_FILLS = ("ssh", "job", "job_why", *progress.FILLS)
JOB = "echo ssh=true\n" + LOOK + progress.LOOK


def ask(subject: Subject) -> str:
    return subject.script


def read(answer: Answer) -> dict[str, str | None]:
    """What the archive itself makes of what was said."""
    if not answer.subject.archive or not answer.said:
        return {"ssh": "true"}
    facts, kept = archiving.archive(answer.subject.archive).read(answer.said)
    found = holes.holes(facts)
    missing = ",".join(hole.name for hole in holes.unhealed(found, kept))
    told = {name: value for name, value in facts.items() if name in FILLS}
    drill = {name: answer.said.get(name) for name in ("job", "job_why", *progress.FILLS)}
    return told | drill | {"ssh": "true", "archive_missing": missing, "archive_holes": holes.told(found)}
