"""Asking over HTTP: what is sent becomes an Intent, and the answer is that Intent, now or as it ended."""

from collections.abc import Callable
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import choices, intents
from fleet.api import fields, once, params, verbs
from fleet.api.base import Things
from fleet.api.once import Answer
from fleet.api.problems import Conflict, Invalid
from fleet.api.shapes import INTENTS, IntentData
from fleet.api.waiting import WAITING
from fleet.models import Intent, Member
from fleet.roles import ASK
from fleet.verbs import verbs_of

ASKED = {200: IntentData, 202: IntentData}
FOLLOWS = {"intent": ("intents_retrieve", "id"), "subject": ("{here}_retrieve", "name")}


class Ask(fields.Body):
    """`confirm` is the thing's name, which with a reason is needed for what leaves data behind; `again` asks for what
    somebody asked a moment ago; `params` are the verb's own."""

    params_of: ClassVar[dict[str, type[fields.Body]]] = {}

    reason = fields.Text(required=False, allow_blank=True)
    confirm = fields.Text(required=False, allow_blank=True, max_length=63)
    again = fields.Flag(required=False)
    params = serializers.DictField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        params = self.params_of.get(attrs["verb"], fields.Body)(data=attrs.get("params", {}))
        if not params.is_valid():
            raise serializers.ValidationError({"params": params.errors})
        return attrs | {"params": params.validated_data}


def ask_body(kind: str) -> type[Ask]:
    """The body of an ask of that kind, with the verbs that it knows."""
    choices = fields.Choice(choices=list(verbs.of(kind).items()))
    harmless = [verb.name for verb in verbs_of(kind) if not verb.params and not verb.may_be_grave]
    example = {"verb": harmless[0], "reason": "maintenance of its host"} if harmless else {}
    more = {"verb": choices, "example": example, "params_of": verbs.params_of(kind), "__doc__": Ask.__doc__}
    return type(f"{kind.capitalize()}Ask", (Ask,), more)


class Asking(Things):
    """Things of which something can be asked."""

    gives: ClassVar[dict[str, dict[int, Any]]] = {"create": ASKED, "ask": ASKED}
    scopes: ClassVar[dict[str, str]] = {"create": ASK, "ask": ASK}
    links: ClassVar[dict[str, dict[str, tuple[str, str]]]] = {
        "create": FOLLOWS,
        "ask": FOLLOWS | {"cancel": ("intents_cancel", "id")},
    }

    def params(self) -> dict[str, params.Param]:
        return {"wait": params.WAIT} if self.action in ("create", "ask") else super().params()

    def ask(self, request: Request, name: str) -> Response:
        """Ask something of it: 202 with the Intent, whose end `wait` waits for. What leaves data behind takes a scope
        of its own."""
        member, sent = self.one(name), self.sent()
        return self.answer(request, lambda: intents.ask(member, actor=self.asker, **sent))

    def answer(self, request: Request, ask: Callable[[], Intent | Member]) -> Response:
        """What `ask` comes to, asked once for its idempotency key: the Intent that it wrote or that made the member."""

        def do() -> Answer:
            try:
                made = ask()
            except intents.Forbidden as error:
                raise PermissionDenied(str(error)) from error
            except intents.Missing as error:
                raise Invalid({error.field: [str(error)]}) from error
            except choices.Unknown as error:
                where = f"params.{error.field}" if self.action == "ask" else error.field
                raise Invalid({where: [str(error)]}) from error
            except choices.AskError as error:
                raise Conflict(str(error)) from error
            asked = Intent.objects.filter(subject=made.pk, verb="create").order_by("asked_at")
            return Answer(made if isinstance(made, Intent) else asked.last())

        answer = once.once(request, do)
        intent = ended(answer.intent, self.asked["wait"])
        again = {once.REPLAYED: "true"} if answer.again else {}
        return Response(
            self.show(intent, IntentData),
            status=202 if intent.state == Intent.OPEN else 200,
            headers={"Location": f"{INTENTS}/{intent.pk}", **again},
        )


def ended(intent: Any, seconds: int | None) -> Intent:
    """The intent as it is when its end was waited for."""
    if not seconds or intent.state != Intent.OPEN:
        return intent
    WAITING.for_end(intent.pk, seconds)
    return Intent.objects.get(pk=intent.pk)
