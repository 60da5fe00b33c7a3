"""The playbooks: one file each, whose docstring is the runbook and whose STEPS are functions from a Case to an Outcome.

A step does one thing and can be repeated: whatever dies, the next beat takes the same step again.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from incidents.outcomes import Case, Outcome
from incidents.resolvers import (
    ask_customer,
    do_without,
    end_lock_holder,
    enforce_row_limit,
    failover,
    fence_stray_leader,
    fill_archive,
    free_connections,
    free_wal,
    grow_disk,
    kill_postgres,
    reattach_address,
    rebuild_follower,
    replay_from_archive,
    restart_postgres,
    restart_server,
    retire_server,
    retry_archive,
    rewrite_config,
    sync_clock,
    take_backup,
)

Step = Callable[[Case], Outcome]


@dataclass(frozen=True)
class Playbook:
    """`version` is a hash of the file, so that a journal tells which text of it was followed."""

    name: str
    runbook: str
    version: str
    steps: tuple[Step, ...]


def _playbook(module: ModuleType) -> Playbook:
    text = Path(module.__file__ or "").read_bytes()
    name = module.__name__.rsplit(".", 1)[-1]
    return Playbook(name, (module.__doc__ or "").strip(), hashlib.sha256(text).hexdigest()[:12], module.STEPS)


RESOLVERS = {
    playbook.name: playbook
    for playbook in map(
        _playbook,
        (
            restart_postgres,
            kill_postgres,
            rewrite_config,
            restart_server,
            free_connections,
            end_lock_holder,
            enforce_row_limit,
            ask_customer,
            sync_clock,
            failover,
            replay_from_archive,
            fence_stray_leader,
            free_wal,
            grow_disk,
            reattach_address,
            rebuild_follower,
            retry_archive,
            fill_archive,
            take_backup,
            do_without,
            retire_server,
        ),
    )
}
