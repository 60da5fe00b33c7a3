"""VERBS, the table of everything that can be asked of a thing. Every door is made from it."""

from fleet.verbs.parameters import Parameter, Type
from fleet.verbs.row import Verb
from fleet.verbs.table import BY_NAME, TABLE, verb, verbs_of

__all__ = ["BY_NAME", "TABLE", "Parameter", "Type", "Verb", "verb", "verbs_of"]
