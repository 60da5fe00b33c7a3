"""The whole site: the portal, the API, the admin, and what a load balancer asks."""

from django.contrib import admin
from django.urls import include, path

from herdsite.portal.asking import thing
from herdsite.portal.health import healthz, readyz
from herdsite.portal.herd import herd
from herdsite.portal.incidents import incident, incidents
from herdsite.portal.rings import rings
from herdsite.portal.tables import tables
from incidents.notices.inbound import pagerduty

urlpatterns = [
    path("", herd, name="herd"),
    path("things/<path:name>", thing, name="thing"),
    path("incidents", incidents, name="incidents"),
    path("incidents/<str:incident>", incident, name="incident"),
    path("tables", tables, name="tables"),
    path("rings", rings, name="rings"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("hooks/pagerduty", pagerduty, name="pagerduty"),
    path("api/v1/", include("herdsite.api")),
    path("admin/", admin.site.urls),
]
