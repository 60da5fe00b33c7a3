"""The whole site: the portal, the admin, and what a load balancer asks."""

from django.contrib import admin
from django.urls import path

from herdsite.portal.asking import thing
from herdsite.portal.health import healthz, readyz
from herdsite.portal.herd import herd
from herdsite.portal.rings import rings
from herdsite.portal.tables import tables
from incidents.notices.inbound import pagerduty

urlpatterns = [
    path("", herd, name="herd"),
    path("things/<path:name>", thing, name="thing"),
    path("tables", tables, name="tables"),
    path("rings", rings, name="rings"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("hooks/pagerduty", pagerduty, name="pagerduty"),
    path("admin/", admin.site.urls),
]
