"""The whole site: the portal, the API, the admin, and what a load balancer asks."""

from django.contrib import admin
from django.urls import include, path

from herdsite.portal.asking import thing
from herdsite.portal.databases import databases
from herdsite.portal.downloads import downloads
from herdsite.portal.family_tree import family_tree
from herdsite.portal.health import healthz, herdz, readyz
from herdsite.portal.herd import herd
from herdsite.portal.incidents import incident, incidents
from herdsite.portal.metrics import metrics
from herdsite.portal.mine import all_mine, mine
from herdsite.portal.mine_entering import enter
from herdsite.portal.rings import rings
from herdsite.portal.tables import tables
from herdsite.portal.trust import ca
from incidents.notices.inbound import pagerduty

urlpatterns = [
    path("", herd, name="herd"),
    path("things/<path:name>", thing, name="thing"),
    path("family/<str:name>", family_tree, name="family"),
    path("incidents", incidents, name="incidents"),
    path("incidents/<str:incident>", incident, name="incident"),
    path("tables", tables, name="tables"),
    path("rings", rings, name="rings"),
    path("downloads", downloads, name="downloads"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("herdz", herdz, name="herdz"),
    path("ca.pem", ca, name="ca"),
    path("metrics", metrics, name="metrics"),
    path("metrics/databases", databases, name="metrics-databases"),
    path("hooks/pagerduty", pagerduty, name="pagerduty"),
    path("", include("fleet.addon.urls")),
    path("mine", all_mine, name="all-mine"),
    path("mine/token", enter, name="mine-token"),
    path("mine/<str:id>", mine, name="mine"),
    path("api/v1/", include("herdsite.api")),
    path("admin/", admin.site.urls),
]
