"""What a former leader wrote that nobody else has. It is read out before the former leader is rewound or copied anew;
what can't be read out stays where it is until a person makes room, or says that it may go. Pure.
"""

from collections.abc import Mapping
from typing import Any

from fleet.conditions import Condition, is_

# How the job that should have read them out ends its log.
UNREAD = "stray writes could not be read out"


def _told(facts: Mapping[str, Any]) -> bool | None:
    why, ended = facts["job_why"], is_("job", "failed", "lost")(facts)
    return ended and UNREAD in (why or "")


unread = Condition("stray writes could not be read out", ("job", "job_why"), _told)
