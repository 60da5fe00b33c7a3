"""Records whatever a person changes, by watching Django's models: no page, command or verb has to remember to.

What is watched is every model but those that the machinery keeps for itself. A row is read before and after; columns
that hold secrets are told as changed, never with what is in them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models
from django.db.models.query import QuerySet
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from fleet.audit import record
from fleet.audit.acting import acting
from fleet.models.credential import Secret

# Rows that come and go with the machinery, whoever acts.
UNWATCHED = (
    "admin.logentry", "api.asked", "audit.entry", "audit.link", "contenttypes.contenttype", "django_q.ormq",
    "django_q.success", "django_q.failure", "django_q.task", "django_q.schedule", "fleet.worker", "hooks.attempt",
    "hooks.cursor", "hooks.delivery", "observations.observation", "drains.line", "drains.meter", "sessions.session",
)  # fmt: skip
# Columns that the machinery writes whenever it looks.
QUIET = frozenset(
    ("due_at", "lease", "leased_until", "last_used", "last_login", "queue", "probed", "facts", "felt_at", "watch",
     "tries", "problem", "informed_at", "heard_at", "looked_at", "told_at", "state_since", "acting", "acting_until")
)  # fmt: skip
MOST_ROWS = 200  # of one statement


def watch() -> None:
    pre_save.connect(_before_save, dispatch_uid="audit")
    post_save.connect(_after_save, dispatch_uid="audit")
    post_delete.connect(_after_delete, dispatch_uid="audit")
    m2m_changed.connect(_after_m2m, dispatch_uid="audit")
    if not hasattr(QuerySet.update, "watched"):
        QuerySet.update = _watched(QuerySet.update)  # type: ignore[method-assign]


def is_watched(model: type[models.Model]) -> bool:
    return acting() is not None and model._meta.label_lower not in UNWATCHED


def _before_save(sender: Any, instance: Any, raw: bool, **_more: Any) -> None:
    if is_watched(sender) and not raw:
        instance._audit_before = None if instance._state.adding else _row(sender, instance.pk)


def _after_save(sender: Any, instance: Any, raw: bool, **_more: Any) -> None:
    if not is_watched(sender) or raw:
        return
    before = instance.__dict__.pop("_audit_before", None)
    _tell(sender, before, _row(sender, instance.pk))


def _after_delete(sender: Any, instance: Any, **_more: Any) -> None:
    if is_watched(sender):
        _tell(sender, {name: getattr(instance, name) for name in _columns(sender)}, None)


def _after_m2m(instance: Any, action: str, model: Any, pk_set: Any, **_more: Any) -> None:
    if action not in ("post_add", "post_remove", "post_clear") or not is_watched(type(instance)):
        return
    what = f"{model._meta.verbose_name_plural}"
    names = sorted(str(one) for one in model._base_manager.filter(pk__in=pk_set or ()))
    if names or action == "post_clear":
        told = {str(what): names or "all"}
        before, after = (None, told) if action == "post_add" else (told, None)
        meta = type(instance)._meta
        record.write(
            "changed", kind=str(meta.verbose_name), subject=instance.pk, name=str(instance), before=before, after=after
        )


def _watched(update: Any) -> Any:
    def recorded(self: Any, **values: Any) -> int:
        if not is_watched(self.model) or QUIET.issuperset(values):
            return update(self, **values)
        before = {row["pk"]: row for row in self.order_by().values("pk", *_columns(self.model))[:MOST_ROWS]}
        count = update(self, **values)
        for pk, row in before.items():
            _tell(self.model, {name: row[name] for name in _columns(self.model)}, _row(self.model, pk))
        return count

    recorded.watched = True  # type: ignore[attr-defined]
    return recorded


def _columns(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def _row(model: type[models.Model], pk: Any) -> Mapping[str, Any] | None:
    return model._base_manager.filter(pk=pk).values(*_columns(model)).first()


def _tell(model: type[models.Model], before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
    row = after or before
    if row is None:
        return
    names = [name for name in row if (before or {}).get(name) != (after or {}).get(name)]
    if before is not None and after is not None and QUIET.issuperset(names):
        return
    about = model._meta.label_lower
    if about == "fleet.event" and str(row["verb"]).startswith("asked to "):
        return  # its Intent is on record, with all that was asked
    action = "created" if before is None else "deleted" if after is None else "changed"
    if about == "fleet.event":
        action = str(row["verb"])
    elif about == "fleet.intent" and before is None:
        action = f"asked to {row['verb']}"
    record.write(
        action,
        kind=str(row.get("kind") or row.get("subject_kind") or model._meta.verbose_name),
        subject=row.get("subject") or row.get("resource_id") or row.get(model._meta.pk.attname),
        name=str(row.get("name") or row.get("username") or row.get("role") or row.get(model._meta.pk.attname)),
        reason=str(row.get("reason") or row.get("why") or ""),
        before=before and _shown(model, before, names),
        after=after and _shown(model, after, names),
        actor=str(row.get("actor") or "") if about in ("fleet.event", "fleet.intent") and before is None else "",
    )


def _shown(model: type[models.Model], row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    secret = {field.attname for field in model._meta.concrete_fields if isinstance(field, Secret)}
    return {
        name: record.HIDDEN if (name in secret or record.is_secret(name)) and row[name] else row[name]
        for name in names
        if row[name] not in (None, "", {}, [])
    }
