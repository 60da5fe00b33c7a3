"""Faults that strike while leadership is being moved, as those of bench/trouble.py do at any time."""

import time
from contextlib import suppress
from datetime import datetime, timedelta

import psutil
from django.utils import timezone

from bench.trouble import Fault, Scene, catch, kill_host, resume
from fleet import changing
from fleet.lifecycle import Because
from fleet.models import Changeover
from fleet.providers.local import chaos
from fleet.states import FENCING, PREPARING, PROMOTING, REPOINTING

BECAUSE = Because(None, "planned work", "bench")
# Longer than the lease of any step of a changeover.
FROZEN_S = 30.0


def move(scene: Scene, not_before: datetime | None = None) -> None:
    changing.begin(scene.premium.resource, Changeover.SWITCHOVER, BECAUSE, not_before=not_before)


def lose_leader_in_switchover(scene: Scene) -> None:
    """The host of the leader dies while a switchover stops it."""
    move(scene)
    catch(scene, (FENCING,), lambda: kill_host(scene))


def lose_new_leader_in_switchover(scene: Scene) -> None:
    """The host of the one that is to lead dies right before it does."""
    standby = scene.standby_host
    move(scene)
    catch(scene, (PROMOTING,), lambda: chaos.kill_host(scene.premium.provider, standby))


def lose_leader_before_window(scene: Scene) -> None:
    """A switchover waits for its time, in two days, when the host of the leader dies."""
    move(scene, not_before=timezone.now() + timedelta(days=2))
    kill_host(scene)


def freeze_acting_worker(scene: Scene) -> None:
    """The worker that takes the steps of a switchover is frozen in one after the other, for longer than its lease."""

    def freeze() -> None:
        workers = [one for one in scene.herdsite() if "work" in " ".join(one.cmdline()) and not one.children()]
        for process in workers[:1]:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
                time.sleep(FROZEN_S)
            resume(process)

    move(scene)
    catch(scene, (PREPARING, FENCING, PROMOTING, REPOINTING), freeze)


MOVES = (
    Fault("switchover waits for its window, host killed", lose_leader_before_window, True),
    Fault("leader's host lost in a switchover", lose_leader_in_switchover, None, 25.0),
    Fault("new leader's host lost in a switchover", lose_new_leader_in_switchover, None, 25.0),
    Fault("worker frozen in each step of a switchover", freeze_acting_worker, None, 10.0),
)
