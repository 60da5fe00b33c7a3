"""Where platforms call. No address ends with a slash, and none redirects."""

from django.urls import path

from fleet.addon import hearing, sso, views

urlpatterns = [
    path("heroku/resources", views.resources, name="addon-resources"),
    path("heroku/resources/<str:id>", views.resource, name="addon-resource"),
    path("heroku/webhooks/<str:id>", hearing.webhook, name="addon-webhook"),
    path("sso/login", sso.login, name="addon-sign-on"),
]
