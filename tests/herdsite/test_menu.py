"""The admin's menu: what operators look for is in it, every entry leads somewhere, and only for who may look there."""

import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

pytestmark = pytest.mark.django_db
OUTSIDE = ("hooks/endpoint", "hooks/delivery", "drains/drain", "drains/line", "addon/addon", "api/token")


def menu(user: User) -> tuple[Client, set[str]]:
    """The lists that the menu leads to."""
    client = Client()
    client.force_login(user)
    page = client.get("/admin/password_change/").content.decode()
    return client, set(re.findall(r'href="/admin/(\w+/\w+)/"', page))


@pytest.mark.thorough
def test_webhooks_drains_and_add_ons_are_in_it_and_every_entry_opens() -> None:
    client, entries = menu(User.objects.create_superuser("operator"))
    assert set(OUTSIDE) < entries and len(entries) > 15
    for entry in entries:
        assert client.get(f"/admin/{entry}/").status_code == 200, entry


@pytest.mark.parametrize("entry", OUTSIDE)
def test_an_entry_is_there_for_who_may_look(entry) -> None:
    user = User.objects.create_user("somebody", is_staff=True)
    user.groups.add(Group.objects.get(name="responder"))
    assert entry not in menu(user)[1]
    label, model = entry.split("/")
    user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=f"view_{model}"))
    client, entries = menu(User.objects.get(pk=user.pk))
    assert entry in entries and client.get(f"/admin/{entry}/").status_code == 200
