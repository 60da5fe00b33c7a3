"""Tokens: how they are made, what of them is kept, and when they count."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from fleet.api.models import Token
from tests.api.world import Program, program

pytestmark = pytest.mark.django_db


def status(asker: Program, place: str = "me") -> int:
    return asker.read(place).status_code


def test_only_a_hash_of_it_is_kept(viewer):
    kept = Token.objects.values().get()
    assert viewer.secret.startswith("herd_") and len(viewer.secret) > 60
    assert not any(viewer.secret in str(value) for value in kept.values()) and len(kept["digest"]) == 128


def test_it_counts_until_it_expires_or_is_revoked_and_then_stays_on_record(viewer):
    assert status(viewer) == 200
    Token.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert status(viewer) == 401 and "expired" in viewer.read("me").json()["detail"]
    Token.objects.update(expiry=None)
    assert status(viewer) == 200
    Token.objects.update(revoked_at=timezone.now())
    assert status(viewer) == 401 and Token.objects.count() == 1


def test_a_login_that_is_gone_takes_its_tokens_with_it(viewer):
    User.objects.update(is_active=False)
    assert status(viewer) == 401


def test_its_last_use_is_written_down_once_a_minute(viewer):
    assert viewer.token.last_used is None
    status(viewer)
    first = Token.objects.get().last_used
    assert timezone.now() - first < timedelta(minutes=1)
    status(viewer)
    assert Token.objects.get().last_used == first
    Token.objects.update(last_used=first - timedelta(minutes=2))
    status(viewer)
    assert Token.objects.get().last_used > first - timedelta(minutes=1)


@pytest.mark.parametrize("text", ["", "herd_", "herd_" + "0" * 64, "\x00", "ü", "a b", "x" * 5_000])
def test_what_is_no_token_is_refused(client, viewer, text):
    assert client.get("/api/v1/me", headers={"authorization": f"Bearer {text}"}).status_code == 401


def test_it_may_do_no_more_than_its_scopes_and_its_login(acme):
    asker = program("operator", scopes=["read", "ask", "manage"])
    assert asker.read("me").json()["scopes"] == ["ask", "read"]
    assert asker.send("resources/acme-orders/asks", {"verb": "restart"}).status_code == 202
    body = {"verb": "destroy", "confirm": "acme-orders", "reason": "not wanted"}
    assert "'destroy'" in asker.send("resources/acme-orders/asks", body).json()["detail"]
    assert asker.send("customers", {"name": "new"}).status_code == 403


def test_one_bound_to_a_customer_is_of_no_use_beyond(acme, customer):
    said = customer.read("me").json()
    assert said["customer"] == {"id": str(acme.customer.pk), "name": "acme"} and said["roles"] == ["customer"]
    assert "manage" not in said["scopes"] and "respond" not in said["scopes"]
    # A viewer's login stays a viewer, whosever things it is to look at.
    assert program("viewer", acme.customer).read("me").json()["scopes"] == ["read"]
    # Without the binding, the role of a customer opens nothing.
    assert program("customer").read("resources").status_code == 403


def test_on_the_command_line(db, acme):
    User.objects.create_user("ci", is_staff=True)

    def run(*words: str) -> str:
        out = StringIO()
        call_command("token", *words, stdout=out)
        return out.getvalue().strip()

    text = run("create", "ci", "--name", "deploys", "--scope", "read", "--scope", "ask", "--customer", "acme")
    token = Token.objects.get()
    assert token.scopes == ["read", "ask"] and token.customer == acme.customer
    assert status(Program(token, text)) == 200
    listed = run("list")
    assert "deploys of ci" in listed and "for acme" in listed and text not in listed
    assert run("revoke", "deploys") == "revoked deploys of ci" and "revoked" in run("list")
    with pytest.raises(CommandError, match="0 tokens"):
        run("revoke", "deploys")
    with pytest.raises(CommandError, match="no login"):
        run("create", "nobody", "--name", "x")


def test_in_the_admin_it_is_shown_once_and_can_be_revoked(client):
    root = User.objects.create_superuser("root")
    client.force_login(root)
    form = {"user": root.pk, "name": "deploys", "scopes": ["read", "ask"], "days": "30", "customer": ""}
    page = client.post("/admin/api/token/add/", form)
    token = Token.objects.get()
    text = page.context["text"]
    assert text in page.content.decode() and "no-store" in page["Cache-Control"]
    assert status(Program(token, text)) == 200 and token.scopes == ["read", "ask"]
    assert timedelta(days=29) < token.expiry - timezone.now() < timedelta(days=31)
    for address in ("", f"{token.pk}/change/", f"{token.pk}/history/"):
        assert text not in client.get(f"/admin/api/token/{address}").content.decode()
    client.post("/admin/api/token/", {"action": "revoke", "_selected_action": [str(token.pk)]})
    assert status(Program(token, text)) == 401
