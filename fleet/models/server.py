from django.db import models

from fleet.models.member import Watched, state_field
from fleet.transports.base import Host


class Server(Watched, kind="server"):
    """A machine: an EC2 instance, a host reachable over SSH, or a local host. Base OS, PostgreSQL, nothing of ours."""

    state = state_field("server")
    provider = models.CharField(max_length=32, default="local", help_text="A name from the PROVIDERS setting.")
    zone = models.CharField(max_length=32, default="a")
    address = models.CharField(max_length=255, default="", blank=True, editable=False)
    ssh_port = models.PositiveIntegerField(default=22, editable=False)
    ssh_user = models.CharField(max_length=64, default="", blank=True, editable=False)
    host_key = models.TextField(
        default="", blank=True, help_text="The pinned SSH host key. Empty it only if you know why it changed."
    )
    home = models.CharField(max_length=255, default="", blank=True, editable=False)
    bind = models.CharField(max_length=64, default="*", blank=True, editable=False)
    pg = models.JSONField(
        default=dict, blank=True, editable=False, help_text="PostgreSQL's bin folder by major version."
    )
    disk_mb = models.PositiveIntegerField(default=20_480)
    capacity = models.PositiveSmallIntegerField(default=4, help_text="How many instances fit on the server.")

    def host(self) -> Host:
        return Host(self.name, self.address, self.ssh_port, self.ssh_user, self.host_key)
