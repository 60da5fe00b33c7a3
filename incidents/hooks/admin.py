"""Webhooks in the admin: who is told of what, the log of what each was told and answered, and the actions that send
again. An action writes a row; the workers send."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminURLInputWidget,
)

from fleet.admin.base import Endless
from fleet.models.member import KINDS
from fleet.transports import outward
from incidents.hooks import sending
from incidents.hooks.models import Attempt, Delivery, Endpoint, new_secret
from incidents.notices.webhook import signature

LABELS = {Delivery.QUEUED: "info", Delivery.SENT: "success", Delivery.FAILED: "danger"}


class EndpointForm(forms.ModelForm):
    """The secret is written and never shown, except once when it was made here."""

    url = forms.URLField(label="URL", max_length=500, assume_scheme="https", widget=UnfoldAdminURLInputWidget)
    kinds = forms.MultipleChoiceField(
        required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget, help_text="Nothing chosen means all."
    )
    verbs = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Verbs of Events with commas between: go_down, come_back. Empty means all.",
    )
    secret = forms.CharField(
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
        help_text="Leave empty to keep it; a new endpoint gets a secret, which is shown once.",
    )

    class Meta:
        model = Endpoint
        fields = ("name", "url", "secret", "kinds", "verbs", "moves_only", "customer", "resource", "active")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["kinds"].choices = [(kind, kind.capitalize()) for kind in KINDS]  # type: ignore[attr-defined]
        self.initial["verbs"] = ", ".join(self.instance.verbs)
        self.initial["secret"] = ""

    def clean_url(self) -> str:
        try:
            outward.judge(url := self.cleaned_data["url"])
        except outward.NotAllowed as error:
            raise ValidationError(str(error)) from error
        return url

    def clean_verbs(self) -> list[str]:
        return [verb for part in self.cleaned_data["verbs"].split(",") if (verb := part.strip())]

    def clean_secret(self) -> str:
        secret = self.cleaned_data["secret"] or (new_secret() if self.instance._state.adding else self.instance.secret)
        try:
            signature(secret, "", "", b"")
        except ValueError as error:
            raise ValidationError(str(error)) from error
        return secret


@admin.register(Endpoint)
class EndpointAdmin(ModelAdmin):
    form = EndpointForm
    actions = ("prove", "send_failed_again")
    list_display = ("name", "shown_state", "kinds", "customer", "resource", "queued", "failed", "problem")
    list_filter = ("active",)
    list_select_related = ("customer", "resource")
    search_fields = ("name", "customer__name", "resource__name")
    autocomplete_fields = ("customer", "resource")
    readonly_fields = ("problem", "silences", "quiet_until", "created_at")
    fields = (
        *(("name", "active"), "url", "secret", "kinds", "verbs", "moves_only", ("customer", "resource")),
        *("problem", ("silences", "quiet_until", "created_at")),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        queued, failed = (
            Count("deliveries", filter=Q(deliveries__state=state)) for state in (Delivery.QUEUED, Delivery.FAILED)
        )
        return super().get_queryset(request).annotate(queued=queued, failed=failed)

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change and not form.data.get("secret"):
            text = f"The secret of {obj.name} is {obj.secret}: give it to the receiver. The secret is not shown again."
            self.message_user(request, text, messages.WARNING)

    @display(description="State", label={"active": "success", "silent": "warning", "off": "default"})
    def shown_state(self, endpoint: Endpoint) -> tuple[str, str]:
        if not endpoint.active:
            return "off", "Off"
        return ("silent", "Silent") if endpoint.silences else ("active", "Active")

    @admin.display(description="Queued", ordering="queued")
    def queued(self, endpoint: Any) -> int:
        return endpoint.queued

    @admin.display(description="Failed", ordering="failed")
    def failed(self, endpoint: Any) -> int:
        return endpoint.failed

    @action(description="Send a message to prove it", permissions=["change"])
    def prove(self, request: HttpRequest, queryset: Any) -> None:
        for endpoint in queryset:
            sending.prove(endpoint)
        self.message_user(request, "Queued: see the deliveries of this endpoint.", messages.SUCCESS)

    @action(description="Send what failed again", permissions=["change"])
    def send_failed_again(self, request: HttpRequest, queryset: Any) -> None:
        n = sending.again(Q(endpoint__in=list(queryset.values_list("pk", flat=True)), state=Delivery.FAILED))
        self.message_user(request, f"Queued again: {n}.", messages.SUCCESS)


class AttemptInline(TabularInline):
    model = Attempt
    fields = readonly_fields = ("at", "status", "answer", "took_ms")
    extra = 0
    can_delete = False

    def has_add_permission(self, _request: Any, _obj: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: Any, _obj: Any = None) -> bool:
        return False


@admin.register(Delivery)
class DeliveryAdmin(Endless):
    actions = ("send_again",)
    inlines = (AttemptInline,)
    list_display = ("created_at", "endpoint", "event", "shown_state", "attempts", "status", "answer", "next_at")
    list_filter = ("state", "endpoint")
    list_select_related = ("endpoint", "event")
    search_fields = ("event__name",)
    search_help_text = "The whole name of a thing or an incident"
    fields = (
        *(("endpoint", "event"), ("state", "attempts"), ("status", "answer")),
        ("created_at", "queued_at", "next_at", "tried_at", "sent_at"),
    )

    def get_search_results(self, _request: Any, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return (queryset.filter(event__name=search_term.strip()) if search_term else queryset), False

    def has_send_permission(self, request: Any) -> bool:
        return request.user.has_perm("hooks.change_delivery")

    @display(description="State", ordering="state", label=LABELS)
    def shown_state(self, delivery: Delivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    @action(description="Send again", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: Any) -> None:
        n = sending.again(Q(pk__in=list(queryset.values_list("pk", flat=True))))
        self.message_user(request, f"Queued again: {n}. Deliveries in progress were not changed.", messages.SUCCESS)
