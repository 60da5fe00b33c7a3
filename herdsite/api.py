"""`/api/v1`: which address is which part of the API. No address ends with a slash, and none redirects."""

from django.urls import path

from fleet.api.base import Nowhere
from fleet.api.urls import things, urlpatterns, verb
from incidents.api import HANDS, Incidents, NoSuchHand, Notices
from observations.api import Observations

urlpatterns = [
    *urlpatterns,
    path("observations", Observations.as_view({"get": "looks"}), name="api-observations"),
    *things("incidents", Incidents),
    *(verb("incidents", word, view, "lay") for word, view in HANDS.items()),
    path("incidents/<str:name>/<str:verb>", NoSuchHand.as_view(NoSuchHand.anything), name="api-incidents-verb"),
    *things("notices", Notices),
    path("<path:url>", Nowhere.as_view(Nowhere.anything), name="api-nowhere"),
]
