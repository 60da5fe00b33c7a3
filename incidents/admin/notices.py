"""Who was told what, when, and whether it arrived, in the admin: pages and messages to read, drafts for customers to
let go or to withdraw, the rota of who is on call, and customers' webhooks to edit."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget

from fleet.admin.base import Endless
from fleet.admin.story import Section, when
from fleet.transports import outward
from incidents.models import Hook, Notice, Page, Rota
from incidents.notices import desk

DELIVERED = {
    Notice.HELD: ("waits for approval", "warning"),
    Notice.QUEUED: ("on its way", "info"),
    Notice.SENT: ("delivered", "success"),
    Notice.FAILED: ("not delivered", "danger"),
    Notice.CANCELLED: ("withdrawn", "default"),
}
HELD, OUT, ACKNOWLEDGED, OVER = "held back", "not acknowledged yet", "acknowledged", "over"


def _decision(name: str, words: str, decide: Callable[[Iterable[UUID], str], int]) -> Any:
    """An action on drafts that wait for approval; what is out already stays as it is."""

    def action(self: Any, request: HttpRequest, queryset: Any) -> None:
        done = decide(queryset.values_list("pk", flat=True), request.user.get_username())
        level = messages.SUCCESS if done else messages.WARNING
        self.message_user(request, f"{words}: {done}. Only what waits for approval can be decided.", level)

    action.__name__ = name
    action.short_description = words  # type: ignore[attr-defined]
    action.allowed_permissions = ("decide",)  # type: ignore[attr-defined]
    return action


@admin.register(Notice)
class NoticeAdmin(Endless):
    actions = [_decision("approve", "Let go", desk.approve), _decision("withdraw", "Withdraw", desk.withdraw)]
    list_display = ("created_at", "subject", "shown_state", "purpose", "channel", "recipient", "sent_at", "answer")
    list_display_links = ("created_at", "subject")
    list_filter = ("state", "purpose", "channel", "moment")
    list_select_related = ("customer",)
    search_fields = ("incident_name", "recipient", "customer__name")
    search_help_text = "An incident, an address, or a customer"
    fieldsets = (
        (None, {"fields": (("state", "purpose", "moment"), ("channel", "recipient", "customer"), "subject", "body")}),
        ("Delivery", {"fields": (("attempts", "tried_at", "next_at"), ("sent_at", "answer", "passed_on"))}),
        ("Of", {"fields": (("incident_name", "page"), ("created_at", "decided_by"), ("key", "thread"))}),
    )

    @display(description="State", ordering="state", label=dict(DELIVERED.values()))
    def shown_state(self, notice: Notice) -> str:
        return DELIVERED[notice.state][0]

    def has_decide_permission(self, request: Any) -> bool:
        return request.user.has_perm("incidents.change_notice")


@admin.register(Page)
class PageAdmin(Endless):
    """Calls for people. They are acknowledged where their incident is."""

    change_form_outer_after_template = "admin/fleet/story.html"
    list_display = ("created_at", "incident_name", "n", "shown_state", "severity", "summary", "acknowledged_by")
    list_display_links = ("created_at", "incident_name")
    list_filter = ("severity", "type", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("incident_name", "source")
    fieldsets = (
        (None, {"fields": (("incident_name", "n", "type"), ("severity", "component", "source"), "summary")}),
        ("What it said", {"fields": ("evidence", "runbook")}),
        (
            "Result",
            {
                "fields": (
                    ("created_at", "let_out_at", "repeat_at"),
                    ("acknowledged_at", "acknowledged_by", "assignee"),
                    ("ended_at", "ended_by", "heard_at"),
                )
            },
        ),
    )

    @display(description="State", label={HELD: "warning", OUT: "danger", ACKNOWLEDGED: "info", OVER: "default"})
    def shown_state(self, page: Page) -> str:
        if page.ended_at:
            return OVER
        return ACKNOWLEDGED if page.acknowledged_at else OUT if page.let_out_at else HELD

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        page = self.get_object(request, object_id) if self.has_view_permission(request) else None
        return super().change_view(
            request, object_id, form_url, (extra_context or {}) | {"sections": [told(page)] if page else []}
        )


def told(page: Page) -> Section:
    """Every message that went out for a page, the first at the top."""
    rows = [
        (when(one.created_at), one.purpose, one.channel, one.recipient, DELIVERED[one.state][0], one.answer)
        for one in page.notices.order_by("created_at", "id")
    ]
    return Section("Messages", ("When", "What", "Channel", "To", "State", "Answer"), rows)


@admin.register(Rota)
class RotaAdmin(ModelAdmin):
    list_display = ("who", "email", "starts", "ends", "order")
    search_fields = ("who", "email")
    date_hierarchy = "starts"
    fields = (("who", "email"), ("starts", "ends"), "order")


class Url(forms.URLField):
    """Without a scheme it is a secure one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(assume_scheme="https", **options)


class HookForm(forms.ModelForm):
    """The secret can be set and is never shown: an empty field leaves it as it is."""

    class Meta:
        model = Hook
        fields = ("customer", "url", "secret")
        field_classes = {"secret": forms.CharField, "url": Url}
        widgets = {"secret": UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["secret"].required = False
            self.fields["secret"].help_text = "Leave empty to keep the present one."

    def clean_url(self) -> str:
        try:
            outward.judge(url := self.cleaned_data["url"])
        except outward.NotAllowed as error:
            raise ValidationError(str(error)) from error
        return url

    def clean_secret(self) -> str:
        return self.cleaned_data["secret"] or self.instance.secret


@admin.register(Hook)
class HookAdmin(ModelAdmin):
    form = HookForm
    list_display = ("customer", "url")
    list_select_related = ("customer",)
    search_fields = ("customer__name", "url")
    autocomplete_fields = ("customer",)

    def get_queryset(self, request: Any) -> Any:
        """The list reads no secret."""
        return super().get_queryset(request).defer("secret")
