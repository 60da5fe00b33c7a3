from fleet.models import Changeover
from herdsite.management.commands import failover


class Command(failover.Command):
    help = (
        "Let a standby of a database lead instead of its healthy leader. Clients wait for a moment at its address, the "
        "leader stops cleanly, nothing is lost; if it takes too long, all goes on as before."
    )
    verb = Changeover.SWITCHOVER
