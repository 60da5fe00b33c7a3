import pytest
from fleet.models import *
from tests.herdsite.test_portal_family import changeover, walrus, RECEIPT
from tests import factories
from datetime import UTC, datetime
pytestmark = pytest.mark.browser
def test_shots(open_page, walrus):
    c = changeover(walrus, receipt=RECEIPT, proof={"text": "the old leader can't commit without walrus-2"})
    b = c.__class__.objects.get(pk=c.pk).created_at.timestamp()
    Changeover.objects.update(marks={"ready": b+.1, "fenced": b+.25, "promoted": b+.9, "repointed": b+1.1, "verified": b+1.5})
    line = Timeline.objects.get(name="walrus-line")
    Timeline.objects.create(name="walrus-line-2", resource=walrus, parent=line, forked_lsn="0/7000060", forked_at=datetime(2026,11,21,8,30,tzinfo=UTC), timeline_id=2)
    fork = factories.resource(name="walrus-fork", forked_from=walrus)
    Timeline.objects.filter(pk=fork.instance.timeline_id).update(resource=fork, parent=line, forked_lsn="0/6000000")
    Resource.objects.filter(pk=walrus.pk).update(quorum={"required":["walrus_2"],"says":"cant_lose"}, window="Tue 03:00")
    changeover(fork, "fencing", name="fork-move-1")
    for w in (1280, 390):
        for path, n in (("/","herd"),("/things/proud-walrus","thing"),("/family/proud-walrus","family")):
            p = open_page(path, viewport={"width": w, "height": 900})
            p.set_default_timeout(60000)
            p.wait_for_timeout(300)
            print("SHOT", path, w, p.evaluate("document.documentElement.scrollWidth-innerWidth"))
            if n == "thing":
                for d in p.locator("details").all(): d.evaluate("e => e.open = true")
            p.screenshot(path=f"/tmp/s/judy/shots/{n}_{w}.png", full_page=True)
