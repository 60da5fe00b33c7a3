"""Which forms of dumps are taken, and what those are told whose dump is not: on real PostgreSQL."""

import bz2
import gzip
import io
import lzma
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from logical_world import World, built, on_disk, serving

from fleet import jobs
from fleet.logical import leaving
from fleet.transports.base import checked
from tests.clusters import Cluster
from tests.localshell import ended

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with built() as cluster:
        yield cluster


@pytest.fixture
def world(cluster: Cluster, settings, tmp_path: Path) -> World:
    return on_disk(cluster, settings, tmp_path.name)


def dumped(world: World, *form: str) -> bytes:
    """What pg_dump makes of the database shop; a directory comes in a tar."""
    subject = world.cluster.subject
    to = Path(subject.home, "dumped")
    world.cluster.shell.run(["rm", "-rf", str(to)])
    argv = [f"{subject.bin}/pg_dump", "-h", subject.socket, "-p", str(subject.port), "-U", "postgres"]
    argv += [*form, "-f", str(to), "shop"]
    checked(argv, world.cluster.shell.run(["env", "PGCLIENTENCODING=UTF8", *argv], timeout=60))
    return (
        tarred({f"backup/{path.name}": path.read_bytes() for path in to.iterdir()}) if to.is_dir() else to.read_bytes()
    )


def tarred(files: dict[str, bytes], *links: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for link in links:
            tar.addfile(link)
    return out.getvalue()


def extracted(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def zstd(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=content, capture_output=True, check=True).stdout


FORMS = {
    "custom": ("-Fc", lambda content: content),
    "custom, gzip": ("-Fc", gzip.compress),
    "tar": ("-Ft", lambda content: content),
    "tar, xz": ("-Ft", lzma.compress),
    "directory in a tar": ("-Fd", lambda content: content),
    "directory in a tar, gzip": ("-Fd", gzip.compress),
    "plain": ("-Fp", lambda content: content),
    "plain with lines of Windows": ("-Fp", lambda content: content.replace(b"\n", b"\r\n")),
    "plain, gzip": ("-Fp", gzip.compress),
    "plain, bzip2": ("-Fp", bz2.compress),
    "plain, xz": ("-Fp", lzma.compress),
    "plain, zstd": ("-Fp", zstd),
    "plain of INSERTs": ("-Fp --inserts", lambda content: content),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_dump_is_loaded_in_any_form_and_by_any_name(world: World, tmp_path: Path, form: str) -> None:
    options, packed = FORMS[form]
    shop, other = world.resource("shop"), world.resource("other")
    world.fill("shop")
    world.fill("shop", "SELECT lo_from_bytea(4242, '\\x00ff')")
    before = world.sees("shop")
    (tmp_path / "a file.txt").write_bytes(packed(dumped(world, *options.split())))
    with serving(tmp_path) as address:
        look = world.loaded(other, {"url": f"{address}/a%20file.txt"})
    assert look.job == jobs.DONE, look.why
    assert world.sees("other") == before
    assert world.sees("other", "SELECT lo_get(4242)") == [[(b"\x00\xff",)]]
    assert world.databases() == []
    assert shop.dbname == "shop"


def plain(world: World, change: Callable[[str], str]) -> bytes:
    return change(dumped(world, "-Fp").decode()).encode()


def before_the_end(text: str) -> Callable[[str], str]:
    return lambda dump: dump.replace(
        "--\n-- PostgreSQL database dump complete", f"{text}\n--\n-- PostgreSQL database dump complete"
    )


def link(kind: bytes, to: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo("backup/9999.dat")
    member.type, member.linkname = kind, to
    return member


def pointed_elsewhere(world: World) -> bytes:
    """A directory whose contents name a file of the host's instead of one of its own, by a name of the same length."""
    with tarfile.open(fileobj=io.BytesIO(dumped(world, "-Fd", "--compress=0"))) as tar:
        files = {member.name: extracted(tar, member) for member in tar if member.isfile()}
    name = next(name for name in files if re.fullmatch(r"backup/\d+\.dat", name)).removeprefix("backup/")
    contents = files["backup/toc.dat"]
    assert contents.count(name.encode()) == 1
    return tarred(files | {"backup/toc.dat": contents.replace(name.encode(), f"../{'x' * (len(name) - 3)}".encode())})


def bad_blobs(world: World) -> bytes:
    world.fill("shop", "SELECT lo_from_bytea(4242, '\\x00ff')")
    with tarfile.open(fileobj=io.BytesIO(dumped(world, "-Fd"))) as tar:
        files = {member.name: extracted(tar, member) for member in tar if member.isfile()}
    lists = {name: b"4242 ../../secret\n" for name in files if re.search(r"blobs.*\.toc", name)}
    assert lists
    return tarred(files | lists)


REFUSED = {
    "a command of psql": (lambda world: plain(world, before_the_end("\\! touch MARK")), "pg_dump -Fc"),
    "one behind a statement": (lambda world: plain(world, before_the_end("SELECT 1 \\g | touch MARK")), "pg_dump -Fc"),
    "a file of the host's": (
        lambda world: plain(world, before_the_end("\\copy goods FROM '/etc/passwd'")),
        "pg_dump -Fc",
    ),
    "one that is included": (lambda world: plain(world, before_the_end("\\i /etc/passwd")), "pg_dump -Fc"),
    "an end to the restriction": (
        lambda world: plain(world, before_the_end("\\unrestrict x\n\\! touch MARK")),
        "pg_dump -Fc",
    ),
    "a program on the server": (
        lambda world: plain(world, before_the_end("COPY goods (name) TO PROGRAM 'touch MARK';")),
        "permission denied to COPY to or from an external program",
    ),
    "a table that is not its own": (
        lambda world: plain(world, before_the_end("CREATE TABLE pg_catalog.mine (n int);")),
        "permission denied",
    ),
    "half of a plain dump": (lambda world: dumped(world, "-Fp")[:-400], "its last line is missing"),
    "half of a compressed one": (lambda world: gzip.compress(dumped(world, "-Fp"))[:-400], "it can't be unpacked"),
    "a dump of a whole server": (
        lambda world: plain(world, lambda dump: f"{dump}--\n-- PostgreSQL database cluster dump complete\n--\n"),
        "dump the one database with pg_dump -Fc",
    ),
    "a zip file": (lambda _world: b"PK\x03\x04" + bytes(100), "it is a zip file"),
    "bytes of something else": (lambda _world: bytes(range(256)) * 20, "make one with pg_dump -Fc"),
    "a tar of something else": (lambda _world: tarred({"a/b": b"c"}), "tar what pg_dump -Fd made"),
    "a tar with a link": (
        lambda world: tarred({"backup/toc.dat": b"x"}, link(tarfile.SYMTYPE, "/etc/passwd")),
        "something else than files",
    ),
    "a tar with another name for a file": (
        lambda world: tarred({"backup/toc.dat": b"x"}, link(tarfile.LNKTYPE, "backup/toc.dat")),
        "something else than files",
    ),
    "a directory that names files elsewhere": (pointed_elsewhere, "name files elsewhere"),
    "large objects that name files elsewhere": (bad_blobs, "name files elsewhere"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_taken_says_what_to_do_and_runs_nothing_on_the_host(
    world: World, tmp_path: Path, what: str
) -> None:
    make, why = REFUSED[what]
    shop = world.resource("shop")
    world.fill("shop")
    before = world.sees("shop")[:2]
    mark = Path(world.cluster.subject.home, "struck")
    (tmp_path / "dump").write_bytes(make(world).replace(b"MARK", str(mark).encode()))
    with serving(tmp_path) as address:
        intent = world.intent(shop, {"url": f"{address}/dump"})
        look = ended(world.cluster.shell, world.start_load(shop, intent))
    assert look.job == jobs.FAILED
    assert why in f"{look.why} {world.told(intent, leaving.OBSTACLE)}"
    assert not mark.exists()
    assert world.sees("shop")[:2] == before
    assert world.databases() == []
    assert world.cluster.shell.run(["sh", "-c", "ls -d .load-*"]).code != 0


@pytest.mark.parametrize(
    "destroys", ["DROP DATABASE shop;", "ALTER DATABASE shop SET work_mem = '64kB';", "DROP OWNED BY shop;"]
)
def test_whatever_a_dump_says_the_old_content_is_out_of_its_reach(world: World, tmp_path: Path, destroys: str) -> None:
    """It fails in the end, when all of it has been tried: what it was to replace is as it was."""
    shop = world.resource("shop")
    world.fill("shop")
    before = world.sees("shop")[:2]
    broken = before_the_end(f"{destroys}\nCREATE TABLE public.goods (n int);")
    (tmp_path / "dump").write_bytes(plain(world, broken))
    with serving(tmp_path) as address:
        look = world.loaded(shop, {"url": f"{address}/dump"})
    assert look.job == jobs.FAILED
    assert 'relation "goods" already exists' in look.why
    assert world.sees("shop")[:2] == before
    assert (
        world.cluster.sql("SELECT count(*) FROM pg_db_role_setting JOIN pg_database ON setdatabase = pg_database.oid")
        == "0"
    )
