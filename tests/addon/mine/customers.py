"""How a customer comes to the page of a database: with a platform's session, or with a token of their own."""

from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from fleet.addon import sso
from fleet.api import tokens
from fleet.models import Resource
from fleet.roles import CUSTOMER, ROLES


def browser(settings, **held: object) -> Client:
    """A browser with a customer's session."""
    session = SessionStore()
    session[sso.SESSION] = held
    session.save()
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    return client


def token_of(customer, *scopes: str) -> str:
    user, _new = User.objects.get_or_create(username="acme's program")
    user.groups.add(Group.objects.get(name=CUSTOMER))
    return tokens.make(user, "page", list(scopes or ROLES[CUSTOMER]), 30, customer)[1]


def at(resource: Resource) -> str:
    return f"/mine/{resource.pk}"


def page(client: Client, resource: Resource) -> str:
    answer = client.get(at(resource))
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    return answer.content.decode()
