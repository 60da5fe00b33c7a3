"""What tells herdsite that the database that it starts on may be an older copy; who writes a changeover there."""

import re
from pathlib import Path

import pytest

from fleet import planes
from fleet.models import ControlPlane

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("place", "raised"), [("base/1/1", True), ("", False)])
def test_a_dump_of_our_database_that_is_restored_raises_the_epoch(place: str, raised: bool):
    planes.start()
    assert not planes.start()
    epoch = ControlPlane.objects.get().epoch
    # What comes of a dump names the file of the table that it was taken of.
    ControlPlane.objects.update(place=place)
    assert planes.start() is raised
    assert ControlPlane.objects.get().epoch == epoch + raised
    assert not planes.start()


def test_the_ledger_alone_writes_a_changeover_that_is_there():
    written = re.compile(r"[Cc]hangeover\w*(\.objects)?[^\n;]*\.(update|save)\(")
    begins = "changeover.save(force_insert=True)"
    found = [
        f"{path}: {line.strip()}"
        for package in ("fleet", "incidents", "herdsite")
        for path in Path(__file__).parents[2].joinpath(package).rglob("*.py")
        if path.name not in ("ledger.py", "ring.py", "lifecycle.py") and "migrations" not in path.parts
        for line in path.read_text().splitlines()
        if written.search(line) and begins not in line
    ]
    assert found == []
