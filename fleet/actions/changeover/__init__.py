"""What can be done about a changeover, step by step: prepare, fence, promote, and lead everybody to the new leader."""

from fleet.actions.base import Action, fulfil, refuse
from fleet.actions.changeover.fence import fail_over, fence, roll_back
from fleet.actions.changeover.prepare import prepare
from fleet.actions.changeover.promote import promote, repoint
from fleet.actions.changeover.upgrade import upgrade

ACTIONS: dict[str, Action] = {
    "prepare": prepare,
    "fence": fence,
    "upgrade": upgrade,
    "promote": promote,
    "repoint": repoint,
    "roll_back": roll_back,
    "fail_over": fail_over,
    "fulfil": fulfil,
    "refuse": refuse,
}
