"""Tokens in the admin: made here, shown once, and revoked. Nobody edits or deletes one: what it did stays its own."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectMultipleWidget

from fleet import askers
from fleet.admin.base import ReadOnly
from fleet.api import tokens
from fleet.api.models import Token
from fleet.askers import Asker
from fleet.choices import AskError
from fleet.roles import MANAGE, READ, SCOPES


class TokenForm(forms.ModelForm):
    """`days` rather than a date: what counts is how long it is good for."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope.name, f"{scope.name}: {scope.means}") for scope in SCOPES.values()],
        initial=[READ],
        widget=UnfoldAdminSelectMultipleWidget,
        help_text="At most what the role of the login allows.",
    )
    days = forms.IntegerField(
        min_value=1, max_value=tokens.LONGEST_DAYS, initial=90, widget=UnfoldAdminIntegerFieldWidget,
        help_text="For how long it counts.",
    )  # fmt: skip

    by: Asker
    made: tuple[Token, str]

    class Meta:
        model = Token
        fields = ("user", "name", "scopes", "customer")

    def clean(self) -> Any:
        """Makes it, unless something is wrong already: whether this may be made is said once, where tokens are made."""
        given = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                words = (given["user"], given["name"], given["scopes"], given["days"], given["customer"])
                self.made = tokens.make(*words, by=self.by)
            except AskError as error:
                raise forms.ValidationError(str(error)) from error
        return given


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
        return not askers.missing(askers.of_login(request.user), MANAGE)

    def has_revoke_permission(self, request: Any) -> bool:
        return not askers.missing(askers.of_login(request.user), MANAGE)

    def get_fields(self, _request: Any, obj: Any = None) -> Any:
        return self.fields if obj else ("user", "name", "scopes", "days", "customer")

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change, **kwargs)
        return type(made.__name__, (made,), {"by": askers.of_login(request.user)})

    def save_model(self, _request: HttpRequest, obj: Any, form: Any, _change: bool) -> None:
        obj.pk, obj.text = form.made[0].pk, form.made[1]

    def response_add(self, request: HttpRequest, obj: Any, _post_url_continue: Any = None) -> HttpResponse:
        """The one time that its text is shown: on this page, and in no message or address."""
        about = self.admin_site.each_context(request) | {"title": "Token made", "opts": self.opts}
        about |= {"token": obj, "text": obj.text}
        return TemplateResponse(request, "admin/api/made.html", about, headers={"Cache-Control": "no-store"})

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        messages.success(request, f"Revoked: {tokens.revoke(queryset)}.")
