"""Planted secrets: each column that holds one, our own keys and a login's password, searched for in every page and
answer that somebody without the right to it can get, in what is logged meanwhile, and in what is kept for ever.

A new secret is covered by being a column for secrets, a new page by being an address of the site.
"""

import json
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.test import Client

from fleet.audit.models import Entry
from fleet.models import Event, Intent
from fleet.models.credential import Secret
from incidents.hooks import payload
from incidents.hooks.models import Delivery
from tests import test_web_is_harmless as walk

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
operator, samples = walk.operator, walk.samples

SECRETS = [
    (model, field.name)
    for model in apps.get_models()
    for field in model._meta.concrete_fields
    if isinstance(field, Secret)
]
PASSWORD = "canary-of-a-login-5f0c"


@pytest.fixture
def planted(samples, settings, tmp_path) -> dict[str, str]:
    """Every secret that there is, by where it was planted."""
    canaries = {}
    for number, (model, name) in enumerate(SECRETS):
        row = samples.get(model) or walk.plain(model, samples)
        canaries[f"{model._meta.label}.{name}"] = canary = f"canary-{number}-{model._meta.model_name}-{name}-8d21"
        model._base_manager.filter(pk=row.pk).update(**{name: canary})
    settings.SSH_KEY = tmp_path / "id_ed25519"
    settings.SSH_KEY.write_text("canary-of-the-ssh-key-77aa")
    for name in ("METRICS_TOKEN", "WEBHOOK_SECRET", "ADDON_PASSWORD", "ADDON_SSO_SALT", "PAGERDUTY_KEY"):
        setattr(settings, name, f"canary-of-{name}-11bd")
        canaries[name] = f"canary-of-{name}-11bd"
    User.objects.create_user("ada", password=PASSWORD)
    return canaries | {
        "SSH key": "canary-of-the-ssh-key-77aa",
        "SECRET_KEY": settings.SECRET_KEY,
        "password": PASSWORD,
        "FERNET_KEYS": settings.FERNET_KEYS[0],
    }


def found_in(text: str, canaries: dict[str, str]) -> list[str]:
    return [where for where, canary in canaries.items() if canary and canary in text]


def logged_in(role: str) -> Client:
    client = Client()
    if role == "stranger":
        return client
    user = User.objects.create_user(f"a-{role}", is_staff=True, is_superuser=role == "superuser")
    user.groups.set(Group.objects.filter(name=role))
    client.force_login(user)
    return client


def test_there_are_secrets_to_plant(planted):
    assert len(SECRETS) > 8 and len(planted) > len(SECRETS)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("role", ["stranger", "viewer", "responder", "operator"])
def test_no_page_and_no_answer_tells_one(planted, samples, role, method, capfd):
    client = logged_in(role)
    for address in walk.addresses(samples):
        answer = getattr(client, method)(address)
        text = answer.getvalue().decode(errors="replace") + str(answer.headers) + str(answer.cookies)
        assert found_in(text, planted) == [], address
    out, err = capfd.readouterr()
    assert found_in(out + err, planted) == []


@pytest.mark.parametrize("role", ["superuser"])
def test_nor_does_one_who_may_all_stumble_over_one(planted, samples, role, capfd):
    """Who may be shown a secret asks for it, and gives a reason: it stands in no page that one comes by."""
    client = logged_in(role)
    for address in walk.addresses(samples):
        text = client.get(address).getvalue().decode(errors="replace")
        assert found_in(text, planted) == [], address
    out, err = capfd.readouterr()
    assert found_in(out + err, planted) == []


def test_what_is_kept_and_what_is_sent_tells_none(planted, samples):
    """Secrets that somebody writes where they don't belong: in a reason, a URL, a wrong log-in, a reveal."""
    client = logged_in("superuser")
    client.post("/admin/login/", {"username": "ada", "password": PASSWORD})
    Client().post("/admin/login/", {"username": "ada", "password": f"{PASSWORD}-wrong"})
    pk = samples[walk.Credential].pk
    client.post(f"/api/v1/credentials/{pk}/reveal", {"reason": "to look"}, content_type="application/json")
    for model in (Entry, Intent, Event):
        kept = json.dumps(list(model.objects.values()), default=str)
        assert found_in(kept, planted) == [], model
    for event in Event.objects.all():
        sent = payload.body(Delivery(event=event), limited=False)
        assert found_in(sent.decode(), planted) == []
    assert Entry.objects.filter(action="log-in failed", name="ada").exists()
    assert not Path("/proc/self/environ").read_bytes().count(b"canary-of-the-ssh-key")
