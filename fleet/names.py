"""Names: human, unique, and forgiving. A thing is found by its name, by kind/name, or not, with suggestions."""

import difflib
import random

from fleet.models import MEMBERS, Member

_ADJECTIVES = """
amber bold brave bright calm clever crisp eager early fair fleet fond gentle glad golden grand happy hardy keen kind
lively loyal lucid lucky mellow merry mild neat nimble noble patient plain plucky proud quick quiet ready round serene
sharp shiny silent silver sleek smooth solid steady still stout sturdy sunny swift tidy true warm wise witty young
"""
_ANIMALS = """
alpaca antelope badger bear beaver bison buffalo camel caribou cat cheetah cow crane deer dolphin donkey duck eagle
elephant elk falcon ferret finch fox gazelle giraffe goat goose hare hawk heron horse ibex jackal koala lark lemur
leopard lion llama lynx magpie marten mole moose mule newt otter owl panda pony puma quail rabbit raven salmon seal
sheep stork swan tapir tiger toad vole walrus weasel whale wolf wren yak zebra
"""


class NotFound(LookupError):
    """Nothing of that name; the message suggests what may have been meant."""


def fresh() -> str:
    """A name like serene-elephant-42. The unique constraint has the last word; callers draw again."""
    return f"{random.choice(_ADJECTIVES.split())}-{random.choice(_ANIMALS.split())}-{random.randrange(10, 100)}"


def matching(prefix: str = "") -> list[str]:
    """All names that begin so, sorted; for completion."""
    found: list[str] = []
    for model in MEMBERS.values():
        found += model.objects.filter(name__startswith=prefix, due_at__isnull=False).values_list("name", flat=True)
    return sorted(found)


def holder(name: str) -> Member | None:
    """Who has this name, of whatever kind; names are given once and stay with the record."""
    return next((member for model in MEMBERS.values() if (member := model.objects.filter(name=name).first())), None)


def find(name: str) -> Member:
    """The thing of that name, or of kind/name where two kinds share one. NotFound says what comes near."""
    kind, _, bare = name.rpartition("/")
    kinds = {kind: MEMBERS[kind]} if kind in MEMBERS else MEMBERS if not kind else {}
    found = [member for model in kinds.values() for member in model.objects.filter(name=bare)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"{name!r} is more than one thing: say {' or '.join(f'{m.KIND}/{m.name}' for m in found)}.")
    near = difflib.get_close_matches(bare, matching(), n=3, cutoff=0.5)
    raise NotFound(f"There is no {name!r}." + (f" Did you mean {' or '.join(near)}?" if near else ""))


def numbered(model: type[Member], stem: str) -> str:
    """The first name of a model's that begins with `stem` and ends with a number and is free."""
    n = model._default_manager.filter(name__startswith=f"{stem}-").count() + 1
    while model._default_manager.filter(name=f"{stem}-{n}").exists():
        n += 1
    return f"{stem}-{n}"
