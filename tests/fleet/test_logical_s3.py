"""Logical backups in a bucket: a real endpoint of S3's language, and hosts that have no credentials."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from logical_world import HOLD, World, built, leader, waits

from fleet import jobs, logical
from fleet.logical import storage
from fleet.postgres.tls import authority, certificate
from fleet.providers.local import spawn
from herdsite import storages
from tests.clusters import Cluster
from tests.localhosts import until
from tests.localshell import ended

pytestmark = pytest.mark.django_db

KEY, SECRET, BUCKET = "AKIDHERDSITETEST", "a-secret-of-this-test", "herd"
RCLONE = Path(__file__).parents[2] / ".venv/bin/rclone"
# Twelve megabytes that do not shrink: more than two parts of the least size that S3 takes.
BULK = "CREATE TABLE bulk AS SELECT n, decode(string_agg(md5(n || '/' || m), ''), 'hex') AS raw "
BULK += "FROM generate_series(1, 750) AS n, generate_series(1, 1024) AS m GROUP BY n"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with built() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("s3")) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def served(root: Path, *more: str) -> Iterator[int]:
    """A store with a bucket below `root`, on that port of 127.0.0.1."""
    (root / BUCKET).mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = [str(RCLONE), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", *more]
    server = spawn.start([*argv, "--config", "/dev/null", f":local:{root}"], env={"HOME": str(root)})
    until(lambda: answers(port), "the endpoint answers")
    yield port
    server.terminate()
    server.wait()


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def world(cluster: Cluster, endpoint: str, settings, monkeypatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(storage.Bucket, "PART", 5 << 20)
    settings.STORAGES = settings.STORAGES | {"backups": storages.backups(f"s3://{BUCKET}/some/where")}
    world = World(cluster)
    world.forget()
    yield world


@pytest.fixture
def secure(world: World, tmp_path: Path, monkeypatch) -> Iterator[World]:
    """The same over TLS, with a certificate that we trust. Hosts don't yet."""
    shown = certificate(["s3", "127.0.0.1"], authority("s3"))
    files = {"--cert": tmp_path / "cert.pem", "--key": tmp_path / "key.pem"}
    for path, text in zip(files.values(), (shown.cert, shown.key), strict=True):
        path.write_text(text)
    root = tmp_path / "s3"
    root.mkdir()
    with served(root, *(str(word) for pair in files.items() for word in pair)) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"https://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(files["--cert"]))
        yield world


@contextmanager
def trusted(world: World) -> Iterator[None]:
    """The host takes the endpoint's certificate for good."""
    home = Path(world.cluster.subject.home)
    authority, config = home / "s3.pem", home / ".curlrc"
    authority.write_text(Path(os.environ["AWS_CA_BUNDLE"]).read_text())
    config.write_text(f'cacert = "{authority}"\n')
    yield
    config.unlink()


def objects() -> list[str]:
    place = storage.place()
    found = place.client.list_objects_v2(Bucket=BUCKET, Prefix="some/where").get("Contents", [])
    return [one["Key"] for one in found]


def test_a_dump_of_many_parts_comes_back(world: World) -> None:
    shop, other = world.resource("shop"), world.resource("other")
    world.fill("shop")
    world.fill("shop", BULK)
    backup = world.taken(shop)
    assert backup.bytes > 2 * storage.Bucket.PART
    assert objects() == [f"some/where/{backup.label}"]
    look = world.loaded(other, {"backup": backup.name, "across_customers": True})
    assert look.job == jobs.DONE, look.why
    assert world.sees("other") == world.sees("shop")
    bulk = "SELECT count(*), md5(string_agg(md5(raw), '' ORDER BY n)) FROM bulk"
    assert world.sees("other", bulk) == world.sees("shop", bulk)
    logical.remove(backup)
    assert objects() == []
    logical.remove(backup)


def test_over_tls_a_dump_of_many_parts_comes_back(secure: World) -> None:
    shop, other = secure.resource("shop"), secure.resource("other")
    secure.fill("shop")
    secure.fill("shop", BULK)
    with trusted(secure):
        backup = secure.taken(shop)
        assert backup.bytes > 2 * storage.Bucket.PART
        assert objects() == [f"some/where/{backup.label}"]
        look = secure.loaded(other, {"backup": backup.name, "across_customers": True})
        assert look.job == jobs.DONE, look.why
    assert secure.sees("other") == secure.sees("shop")


def test_a_host_that_does_not_trust_the_endpoint_sends_nothing(secure: World) -> None:
    shop = secure.resource("shop")
    secure.fill("shop")
    backup = secure.begin(shop)
    look = ended(secure.cluster.shell, f"{backup.name}-take")
    assert look.job == jobs.FAILED
    assert "certificate" in look.why
    assert logical.kept(backup, secure.cluster.shell) is None
    assert objects() == []


def test_confirmed_twice_is_kept_once(world: World) -> None:
    """The worker died after the bucket had acknowledged the last step."""
    shop = world.resource("shop")
    world.fill("shop")
    backup = world.begin(shop)
    assert ended(world.cluster.shell, f"{backup.name}-take").job == jobs.DONE
    first = logical.kept(backup, world.cluster.shell)
    assert first is not None
    assert logical.kept(backup, world.cluster.shell) == first
    logical.remove(backup)


def test_an_upload_that_is_cut_off_is_never_there_and_the_next_is(world: World) -> None:
    shop = world.resource("shop")
    world.fill("shop")
    with world.cluster.connect("shop", "shop-secret", "shop") as session:
        session.execute(HOLD)
        backup = world.begin(shop)
        job = f"{backup.name}-take"
        until(lambda: waits(world), "pg_dump waits")
        os.killpg(leader(world, job), signal.SIGKILL)
        assert ended(world.cluster.shell, job).job == jobs.LOST
    assert logical.kept(backup, world.cluster.shell) is None
    cut_off = backup.attrs["upload"]
    world.clean(job)
    world.start(job, logical.script(backup, world.cluster.subject))
    look = ended(world.cluster.shell, job)
    assert look.job == jobs.DONE, look.why
    assert logical.kept(backup, world.cluster.shell) is not None
    assert backup.attrs["upload"] != cut_off
    place = storage.place()
    with pytest.raises(place.client.exceptions.NoSuchUpload):
        place.client.list_parts(Bucket=BUCKET, Key=f"some/where/{backup.label}", UploadId=cut_off)
    logical.remove(backup)


def test_a_part_that_got_lost_is_missed(world: World) -> None:
    """The job said how much it sent, and the bucket does not have all of it."""
    shop = world.resource("shop")
    world.fill("shop")
    backup = world.begin(shop)
    job = f"{backup.name}-take"
    assert ended(world.cluster.shell, job).job == jobs.DONE
    log = Path(world.cluster.subject.home, "jobs", job, "log")
    text = log.read_text()
    log.write_text(text.replace("bytes=", "bytes=1"))
    assert logical.kept(backup, world.cluster.shell) is None
    assert objects() == []


def test_an_endpoint_that_is_away_is_said_so(world: World, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
    shop = world.resource("shop")
    backup = logical.begin(shop, shop.created_at)
    with pytest.raises(storage.StorageAway):
        logical.script(backup, world.cluster.subject)


def test_the_host_learns_no_credentials(world: World) -> None:
    shop = world.resource("shop")
    backup = logical.begin(shop, shop.created_at)
    script = logical.script(backup, world.cluster.subject)
    told = script.text.encode() + json.dumps(script.args).encode() + script.stdin
    assert b"X-Amz-Signature=" in script.stdin
    assert SECRET.encode() not in told
    assert b"Signature" not in json.dumps(script.args).encode()
