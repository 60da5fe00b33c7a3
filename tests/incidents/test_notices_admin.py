"""Pages, messages, the rota and customers' webhooks in the admin: what can be read, decided and edited, and by whom."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from herdsite.site import UNFOLD
from incidents.models import Hook, Notice, Page, Rota
from incidents.notices import desk
from tests import factories
from tests.incidents.noticeboard import Incident

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def by_the_log(settings):
    settings.PAGING, settings.NOTICES = ["log"], {"tried": "hold"}


def listed(name: str) -> str:
    return reverse(f"admin:incidents_{name}_changelist")


@pytest.fixture
def drafts() -> list[Notice]:
    """Two that wait for approval."""
    return [desk.tell_customer(Incident(customer=factories.customer()), desk.TRIED)[0] for _one in range(2)]


def choose(client, action: str, *notices: Notice):
    chosen = {"action": action, "_selected_action": [str(notice.pk) for notice in notices]}
    return client.post(listed("notice"), chosen, follow=True)


def states(*notices: Notice) -> list[tuple[str, str]]:
    return [Notice.objects.values_list("state", "decided_by").get(pk=notice.pk) for notice in notices]


def test_drafts_are_let_go_or_withdrawn_and_it_is_written_down_by_whom(admin_client, drafts):
    assert "waits for approval" in admin_client.get(listed("notice")).content.decode()
    choose(admin_client, "approve", drafts[0])
    choose(admin_client, "withdraw", drafts[1])
    assert states(*drafts) == [("queued", "admin"), ("cancelled", "admin")]


def test_what_has_been_decided_is_not_decided_again(admin_client, drafts):
    choose(admin_client, "withdraw", drafts[0])
    answer = choose(admin_client, "approve", *drafts)
    assert "Let go: 1." in answer.content.decode()
    assert states(*drafts) == [("cancelled", "admin"), ("queued", "admin")]


def test_who_may_only_look_decides_nothing(client, drafts):
    guest = User.objects.create_user("guest", is_staff=True)
    guest.user_permissions.add(Permission.objects.get(codename="view_notice"))
    client.force_login(guest)
    assert client.get(listed("notice")).status_code == 200
    choose(client, "approve", *drafts)
    assert states(*drafts) == [("held", "")] * 2


def test_a_page_tells_who_was_told_and_whether_it_arrived(admin_client):
    page = desk.page(Incident(), {"ssh": "answers"}, "Look at the log first.")
    Notice.objects.update(state=Notice.FAILED, answer="550 no such mailbox")
    assert "not acknowledged yet" in admin_client.get(listed("page")).content.decode()
    shown = admin_client.get(reverse("admin:incidents_page_change", args=[page.pk])).content.decode()
    for words in ("Messages", "not delivered", "550 no such mailbox", "Look at the log first."):
        assert words in shown


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ({}, "not acknowledged yet"),
        ({"let_out_at": None}, "held back"),
        ({"acknowledged_at": timezone.now()}, "acknowledged"),
        ({"ended_at": timezone.now()}, "over"),
    ],
)
def test_the_list_of_pages_says_how_each_stands(admin_client, times, says):
    desk.page(Incident(), {}, "")
    Page.objects.update(**times)
    assert says in admin_client.get(listed("page")).content.decode()


def test_pages_and_messages_are_kept_as_they_are(admin_client, drafts):
    page = desk.page(Incident(), {}, "")
    for row in (page, drafts[0]):
        name = row._meta.model_name
        assert admin_client.get(reverse(f"admin:incidents_{name}_add")).status_code == 403
        assert admin_client.post(reverse(f"admin:incidents_{name}_delete", args=[row.pk])).status_code == 403
        assert admin_client.post(reverse(f"admin:incidents_{name}_change", args=[row.pk]), {}).status_code == 403


def test_a_shift_is_added_and_one_that_ends_before_it_begins_is_not(admin_client):
    def add(starts, ends):
        asked = {"who": "ada", "email": "ada@example.com", "order": 1}
        for name, at in (("starts", starts), ("ends", ends)):
            asked |= {f"{name}_0": f"{at:%Y-%m-%d}", f"{name}_1": f"{at:%H:%M:%S}"}
        return admin_client.post(reverse("admin:incidents_rota_add"), asked)

    now = timezone.now()
    assert add(now, now - timedelta(hours=1)).status_code == 200 and not Rota.objects.exists()
    assert add(now - timedelta(hours=1), now + timedelta(hours=1)).status_code == 302
    assert [shift.who for shift in Rota.on_call(now)] == ["ada"]


def test_a_webhooks_secret_is_set_kept_changed_and_never_shown(admin_client):
    customer, url = factories.customer(), "https://hooks.example/herd"

    def save(address, **secret):
        answer = admin_client.post(address, {"customer": customer.pk, "url": url} | secret)
        return answer.status_code

    add = reverse("admin:incidents_hook_add")
    assert save(add) == 200 and not Hook.objects.exists()
    assert save(add, secret="first-of-all") == 302
    change = reverse("admin:incidents_hook_change", args=[Hook.objects.get().pk])
    for page in (change, listed("hook")):
        assert "first-of-all" not in admin_client.get(page).content.decode()
    assert save(change, secret="") == 302 and Hook.objects.get().secret == "first-of-all"
    assert save(change, secret="another-one") == 302 and Hook.objects.get().secret == "another-one"


def test_all_of_it_is_in_the_menu(admin_client):
    titles = {part.get("title") for part in UNFOLD["SIDEBAR"]["navigation"]}
    shown = admin_client.get(reverse("admin:index")).content.decode()
    assert "Incidents" in titles
    for name in ("incident", "page", "notice", "rota", "hook", "playbookpolicy", "brakerelease", "journal"):
        assert f'href="{listed(name)}"' in shown
