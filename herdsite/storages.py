"""Where files of ours lie, as Django's STORAGES wants it told."""

from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config

# A storage that hangs must not hold a worker's turn.
_PATIENCE = {"connect_timeout": 5, "read_timeout": 15, "retries": {"total_max_attempts": 2}}


def backups(where: str) -> dict[str, Any]:
    """The storage of logical backups: a directory's path, or s3://BUCKET/PREFIX. Credentials, region and endpoint of a
    bucket are those that every S3 client takes: AWS_ACCESS_KEY_ID, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3, …"""
    if not where.startswith("s3://"):
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": where}}
    parts = urlsplit(where)
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, **_PATIENCE)
    options = {"bucket_name": parts.netloc, "location": parts.path.strip("/"), "client_config": config}
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
