"""`/api/v1`: which address is which part of the API. No address ends with a slash, and none redirects."""

from django.urls import path

from incidents.api import IncidentApi, Nowhere

urlpatterns = [
    path("incidents", IncidentApi.as_view({"get": "list"}), name="api-incidents"),
    path("incidents/<str:incident>", IncidentApi.as_view({"get": "retrieve"}), name="api-incident"),
    path("incidents/<str:incident>/<str:verb>", IncidentApi.as_view({"post": "act"}), name="api-incident-act"),
    path("<path:url>", Nowhere.as_view(), name="api-nowhere"),
]
