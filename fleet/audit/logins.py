"""Records who comes in, who goes, and who is not let in."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from fleet.audit import record


def watch() -> None:
    user_logged_in.connect(_came, dispatch_uid="audit")
    user_logged_out.connect(_went, dispatch_uid="audit")
    user_login_failed.connect(_failed, dispatch_uid="audit")


def _came(user: Any, **_more: Any) -> None:
    record.write("logged in", kind="user", subject=user.pk, name=user.get_username(), actor=user.get_username())


def _went(user: Any, **_more: Any) -> None:
    if user is not None:
        record.write("logged out", kind="user", subject=user.pk, name=user.get_username(), actor=user.get_username())


def _failed(credentials: dict[str, Any], **_more: Any) -> None:
    # What somebody typed in the wrong field may be a password: no more of it is kept than tells who it was.
    record.refusal("log-in failed", name=str(credentials.get("username", ""))[:40])
