import difflib
import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from incidents import desk, moving, story
from incidents.models import Incident
from incidents.notices import desk as notices
from incidents.resolvers import RESOLVERS

VERBS = ("show", "ack", "assign", "snooze", "note", "retry", "resolve")
SNOOZE_MINUTES = 60


class Command(BaseCommand):
    help = "Show one incident with its whole story, or lay hands on it: " + ", ".join(VERBS[1:]) + "."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="as `manage.py incidents` lists it")
        parser.add_argument("verb", metavar="VERB", nargs="?", default="show", choices=VERBS, help=" | ".join(VERBS))
        parser.add_argument(
            "text", nargs="?", default="", help="assign: to whom; note and resolve: the words; snooze: minutes"
        )
        parser.add_argument("--as", dest="actor", default="", help="who you are, if not the one who is logged in")

    def handle(self, *_args: Any, **options: Any) -> None:
        incident, verb, text = self._find(options["name"]), options["verb"], options["text"]
        actor = options["actor"] or f"{getpass.getuser()} (command line)"
        if verb == "show":
            self._show(incident)
            return
        try:
            _do(incident, verb, text, actor)
        except desk.DeskError as error:
            raise CommandError(str(error)) from error
        incident.refresh_from_db()
        self.stdout.write(f"{incident.name}: {incident.look.label.lower()}")

    def _find(self, name: str) -> Incident:
        found = Incident.objects.select_related("cause").filter(name=name).first()
        if found is None:
            near = difflib.get_close_matches(
                name, Incident.objects.values_list("name", flat=True)[:1000], n=3, cutoff=0.5
            )
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise CommandError(f"There is no incident {name!r}.{hint}")
        return found

    def _show(self, incident: Incident) -> None:
        self.stdout.write(f"{incident.name}: {incident.look.label}, {incident.severity}\n{incident.summary}")
        facts: dict[str, Any] = {
            "since": f"{incident.created_at:%Y-%m-%d %H:%M:%S}",
            "under": incident.cause.name if incident.cause else "",
            "row": f"{incident.row}: {incident.why}" if incident.row else "",
            "playbook": f"{incident.resolver} ({incident.resolver_version})" if incident.resolver else "",
            "problem": incident.problem,
            "acknowledged by": incident.acknowledged_by,
            "assigned to": incident.assigned_to,
        }
        for name, value in facts.items():
            if value:
                self.stdout.write(f"  {name}: {value}")
        self.stdout.write("\nevidence")
        for kind, told in sorted(incident.evidence.items()):
            self.stdout.write(f"  {kind}: {told}")
        self.stdout.write("\nstory")
        for line in story.of(incident):
            where = f"[{line.where}] " if line.where else ""
            self.stdout.write(f"  {line.at:%H:%M:%S}  {line.what:<12} {where}{line.text}  ({line.actor})")
        playbook = RESOLVERS.get(incident.resolver)
        self.stdout.write(f"\nrunbook\n{playbook.runbook if playbook else moving.runbook(incident)}")


def _do(incident: Incident, verb: str, text: str, actor: str) -> None:
    if verb == "ack":
        desk.acknowledge(incident, actor, notices)
    elif verb == "assign":
        desk.assign(incident, text or actor, actor)
    elif verb == "snooze":
        desk.snooze(incident, _minutes(text) * 60, actor)
    elif verb == "note":
        desk.note(incident, text, actor)
    elif verb == "retry":
        desk.retry(incident, actor)
    else:
        desk.resolve(incident, actor, text, notices)


def _minutes(text: str) -> float:
    try:
        return float(text or SNOOZE_MINUTES)
    except ValueError as error:
        raise desk.DeskError(f"{text!r} is no number of minutes.") from error
