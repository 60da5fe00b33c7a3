"""Every verb of `herd`, as one table each of what can be done; the command line is made from it."""

from herdsite.client.verbs import asking, completing, entering, handling, keeping, looking, opening, showing

ALL = (
    *entering.VERBS,
    *looking.VERBS,
    *showing.VERBS,
    *opening.VERBS,
    *asking.VERBS,
    *keeping.VERBS,
    *handling.VERBS,
    *completing.VERBS,
)
BY_NAME = {verb.name: verb for verb in ALL}
# What those who come from heroku's command line type. `pg:` before any other verb is let through.
ALIASES = {
    "pg": ["ls"],
    "addons": ["ls"],
    "addons:create": ["create"],
    "addons:destroy": ["destroy"],
    "addons:info": ["info"],
    "pg:credentials:url": ["credentials", "--reveal"],
    "pg:credentials:rotate": ["credentials", "--rotate"],
    "pg:backups:capture": ["dump"],
    "pg:backups:url": ["backup-url"],
    "pg:maintenance:window": ["window"],
    "auth:login": ["login"],
    "auth:logout": ["logout"],
    "auth:whoami": ["whoami"],
}


def unaliased(words: list[str]) -> list[str]:
    """The command line in our own verbs."""
    first, *rest = words
    return [*ALIASES.get(first, [first.removeprefix("pg:")]), *rest]
