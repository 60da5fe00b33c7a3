"""Where logical backups lie: the storage that STORAGES names "backups", a directory that the hosts see, or an S3 bucket
by django-storages. Hosts have no credentials: to a bucket they get signed addresses, each good for one part.

curl carries the parts, since it is on every cloud image's base system. The other way, a worker that fetches the
finished dump over its Shell, would take a host's disk for all of it, and the worker's memory and turns for hours.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.storage import FileSystemStorage, storages

from fleet.logical import scripts
from fleet.postgres.commands import Script, enter
from fleet.subject import Subject
from fleet.transports.base import Shell, TransportError, checked

ADDRESS_S = 86_400  # how long a host may take for a dump or a restore
MOST_PARTS = 10_000  # of one object in S3
ENDING = ".dump"


class StorageAway(TransportError):
    """The storage could not be asked, or said no."""


class Place(Protocol):
    """One kind of storage. `label` is a backup's name there, `upload` what stands for one attempt to put it there;
    `root` is the directory that the hosts see, "" where there is none."""

    root: str

    def open(self, label: str) -> str:
        """Begin an attempt; its `upload`, which is "" where none is needed."""

    def forget(self, label: str, upload: str) -> None:
        """Give up an attempt; does nothing when it is over."""

    def dump(self, label: str, upload: str, subject: Subject, database: str, expected: int) -> Script:
        """The job that puts a dump of the database there. `expected` (bytes) is a generous guess of its size."""

    def complete(self, label: str, upload: str, said: dict[str, str], shell: Shell) -> bool:
        """Whether what the job `said` it wrote lies there whole; takes the last step to that, where one is left."""

    def source(self, label: str) -> tuple[str, str]:
        """What a host reads it from: a path and "", or "" and an address that needs no credentials."""

    def remove(self, label: str) -> None:
        """Take it away; does nothing when it is not there."""


def place() -> Place:
    """The Place that the settings name."""
    storage = storages["backups"]
    return Disk(storage) if isinstance(storage, FileSystemStorage) else Bucket(storage)


class Disk:
    """A directory that lies at the same path on every host, and where our own processes see it."""

    def __init__(self, storage: FileSystemStorage):
        self.storage, self.root = storage, str(storage.location)

    def open(self, label: str) -> str:  # noqa: ARG002 (what is half written is nobody's but its job's)
        return ""

    def forget(self, label: str, upload: str) -> None:
        pass

    def dump(self, label: str, upload: str, subject: Subject, database: str, expected: int) -> Script:  # noqa: ARG002
        where = (subject.bin, subject.data, *enter(subject), database)
        return Script(scripts.TO_DISK, (self.root, label, *where))

    def complete(self, label: str, upload: str, said: dict[str, str], shell: Shell) -> bool:  # noqa: ARG002
        argv = ["sh", "-c", scripts.ON_DISK, "herdsite", self.root, label]
        return checked(argv, shell.run(argv)).out.strip() == said["bytes"]

    def source(self, label: str) -> tuple[str, str]:
        return self.storage.path(label), ""

    def remove(self, label: str) -> None:
        try:
            self.storage.delete(label)
        except OSError as error:
            raise StorageAway(f"{label} can't be removed: {error.strerror}") from error


class Bucket:
    """A bucket of S3, or of something that speaks its language. An object appears when its last part is acknowledged
    by us, so a dump that was cut off is never there."""

    PART = 64 << 20
    root = ""

    def __init__(self, storage: Any):
        self.storage = storage

    @cached_property
    def client(self) -> Any:
        return self.storage.connection.meta.client

    def open(self, label: str) -> str:
        with _said():
            return self.client.create_multipart_upload(**self._key(label))["UploadId"]

    def forget(self, label: str, upload: str) -> None:
        with _said(), suppress(self.client.exceptions.NoSuchUpload):
            self.client.abort_multipart_upload(**self._key(label), UploadId=upload)

    def dump(self, label: str, upload: str, subject: Subject, database: str, expected: int) -> Script:
        size = max(self.PART, expected // (MOST_PARTS - 8))
        attempt = self._key(label) | {"UploadId": upload}
        with _said():
            addresses = [
                self.client.generate_presigned_url("upload_part", attempt | {"PartNumber": number}, ADDRESS_S)
                for number in range(1, expected // size + 8)
            ]
        where = (subject.bin, subject.data, *enter(subject), database, str(size))
        return Script(scripts.TO_S3, (subject.home, label, *where), "".join(f"{one}\n" for one in addresses).encode())

    def complete(self, label: str, upload: str, said: dict[str, str], shell: Shell) -> bool:  # noqa: ARG002
        key = self._key(label)
        with _said():
            with suppress(self.client.exceptions.NoSuchUpload):
                self._acknowledge(key | {"UploadId": upload}, said)
            return self._size(key) == int(said["bytes"])

    def source(self, label: str) -> tuple[str, str]:
        return "", self.link(label, ADDRESS_S)

    def link(self, label: str, seconds: int) -> str:
        """An address at which everybody may read it for so long."""
        with _said():
            return self.client.generate_presigned_url("get_object", self._key(label), seconds)

    def remove(self, label: str) -> None:
        with _said():
            self.client.delete_object(**self._key(label))

    def _key(self, label: str) -> dict[str, str]:
        return {"Bucket": self.storage.bucket_name, "Key": "/".join(filter(None, (self.storage.location, label)))}

    def _acknowledge(self, attempt: dict[str, str], said: dict[str, str]) -> None:
        """Make an object of the parts, if they are those that the job sent."""
        pages = self.client.get_paginator("list_parts").paginate(**attempt)
        parts = [part for page in pages for part in page.get("Parts", [])]
        if len(parts) == int(said["parts"]) and sum(part["Size"] for part in parts) == int(said["bytes"]):
            chosen = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
            self.client.complete_multipart_upload(**attempt, MultipartUpload={"Parts": chosen})

    def _size(self, key: dict[str, str]) -> int | None:
        try:
            return self.client.head_object(**key)["ContentLength"]
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise


@contextmanager
def _said() -> Iterator[None]:
    """What the bucket says against it, as a StorageAway."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageAway(f"the storage of backups: {error}") from error
