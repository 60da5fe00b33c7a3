"""django-q2's database broker, patient: while the database is away there are no turns to hand out, and that is all."""

from time import sleep
from typing import Any

from django.db import connection
from django.db.utils import Error
from django_q.brokers.orm import ORM

AWAY_S = 0.5


class PatientORM(ORM):
    def dequeue(self) -> Any:
        """Tasks as (id, payload), or None. The stock pusher would sleep ten seconds and die over an error."""
        try:
            return super().dequeue()
        except Error:
            connection.close()
            sleep(AWAY_S)
            return None
