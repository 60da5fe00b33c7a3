"""Tokens in the admin: made here, shown once, and revoked. Nobody edits or deletes one: what it did stays its own."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectMultipleWidget

from fleet.admin.base import ReadOnly
from fleet.api import tokens
from fleet.api.models import Token
from fleet.api.roles import READ, SCOPES


class TokenForm(forms.ModelForm):
    """`days` rather than a date: what counts is how long it is good for."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope.name, f"{scope.name}: {scope.means}") for scope in SCOPES.values()],
        initial=[READ],
        widget=UnfoldAdminSelectMultipleWidget,
        help_text="At most what the role of the login allows.",
    )
    days = forms.IntegerField(
        min_value=1, max_value=tokens.LONGEST_DAYS, initial=90, required=False, widget=UnfoldAdminIntegerFieldWidget,
        help_text="How long the token is valid. Empty: until it is revoked.",
    )  # fmt: skip

    class Meta:
        model = Token
        fields = ("user", "name", "scopes", "customer")


@admin.register(Token)
class TokenAdmin(ReadOnly):
    form = TokenForm
    list_display = ("name", "user", "shown_scopes", "customer", "created", "last_used", "expiry", "revoked_at")
    list_filter = ("revoked_at",)
    list_select_related = ("user", "customer")
    search_fields = ("name", "user__username", "customer__name")
    autocomplete_fields = ("user", "customer")
    fields: Any = ("name", "user", "customer", "shown_scopes", ("created", "expiry"), ("last_used", "revoked_at"))
    readonly_fields: ClassVar[list[str]] = ["shown_scopes", "created", "last_used", "revoked_at"]
    actions: ClassVar[list[str]] = ["revoke"]

    @display(description="Scopes")
    def shown_scopes(self, token: Token) -> str:
        return ", ".join(token.scopes)

    def has_add_permission(self, request: Any) -> bool:
        return request.user.has_perm("api.add_token")

    def has_revoke_permission(self, request: Any) -> bool:
        return request.user.has_perm("api.change_token")

    def get_fields(self, _request: Any, obj: Any = None) -> Any:
        return self.fields if obj else ("user", "name", "scopes", "days", "customer")

    def save_model(self, _request: HttpRequest, obj: Any, form: Any, _change: bool) -> None:
        given = form.cleaned_data
        made, obj.text = tokens.make(given["user"], given["name"], given["scopes"], given["days"], given["customer"])
        obj.pk = made.pk

    def response_add(self, request: HttpRequest, obj: Any, _post_url_continue: Any = None) -> HttpResponse:
        """The one time that its text is shown: on this page, and in no message or address."""
        about = self.admin_site.each_context(request) | {"title": "Token made", "opts": self.opts}
        about |= {"token": obj, "text": obj.text}
        return TemplateResponse(request, "admin/api/made.html", about, headers={"Cache-Control": "no-store"})

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        messages.success(request, f"Revoked: {tokens.revoke(queryset)}.")
