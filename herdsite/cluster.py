"""django-q2's cluster, made to live through what herdsite promises to live through.

Three things are added. All processes of a cluster die with their parent, so a kill -9 leaves no half of one. A worker
that dies while it waits for a turn may take the lock of the shared queue with it, after which no other worker would
ever get one: then the whole cluster ends, and whoever supervises it starts a new one. And a cluster that is told to
stop lets its turns finish the beats under way and claim no more.
"""

import os
import signal
import sys
import time
from datetime import timedelta
from typing import Any

import psutil
from django.conf import settings
from django.db import connection
from django.db.utils import Error
from django.utils import timezone
from django_q import cluster
from django_q.brokers import get_broker
from django_q.signals import post_spawn

from fleet import workers
from fleet.models import Worker
from herdsite import turns
from herdsite.supervise import children_die_with_us

_IDLE = -1
_LOOK_EVERY_S = 5.0


class CarefulSentinel(cluster.Sentinel):
    def reincarnate(self, process: Any) -> None:
        if process in self.pool and process.exitcode and process.timer.value == _IDLE:
            os._exit(1)
        super().reincarnate(process)


def run(queue: str) -> None:
    """Run the cluster of one queue until it is told to stop, or ends by itself."""
    if os.environ.get("Q_CLUSTER_NAME") != queue:
        # django-q reads its configuration when it is imported, so the name has to be there before.
        os.environ["Q_CLUSTER_NAME"] = queue
        os.execv(sys.executable, [sys.executable, *sys.argv])
    cluster.Sentinel = CarefulSentinel
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    post_spawn.connect(_listen)
    children_die_with_us()
    q = Gentle()
    q.start()
    while q.sentinel and q.sentinel.is_alive():
        q.sentinel.join(_LOOK_EVERY_S)
        if q.is_running and _hangs(queue, q.sentinel.pid):
            os._exit(1)
    sys.exit(q.sentinel.exitcode if q.sentinel else 0)


def _hangs(queue: str, sentinel: int) -> bool:
    """Turns wait, and none of our workers has told anything for a long time: a lock died with its holder."""
    try:
        names = [f"{settings.VANTAGE}/{child.pid}" for child in psutil.Process(sentinel).children()]
        lately = timezone.now() - timedelta(seconds=workers.GONE_S)
        told = Worker.objects.filter(name__in=names, seen_at__gt=lately).exists()
        return (
            not told
            and time.time() - psutil.Process().create_time() > workers.GONE_S
            and get_broker(queue).queue_size() > 0
        )
    except psutil.NoSuchProcess:
        return False
    except Error:
        connection.close()
        return False


class Gentle(cluster.Cluster):
    def stop(self) -> bool:
        # Only the cluster's own processes: a worker's children are local hosts, which outlive it.
        if self.sentinel and self.sentinel.is_alive():
            for process in psutil.Process(self.sentinel.pid).children():
                process.send_signal(signal.SIGUSR1)
        return super().stop()


def _listen(**_kwargs: Any) -> None:
    """In each worker: SIGUSR1 asks the turn to come to its end."""
    signal.signal(signal.SIGUSR1, lambda _signum, _frame: turns.stop())
