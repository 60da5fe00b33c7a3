"""Logins in the admin, in its looks. Nobody is deleted: a login that is not wanted any more is made inactive, and
what it did stays its own. The queue's tables are machinery, to be seen at /rings and not to be edited by hand."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from fleet.admin.base import Undeletable

for machinery in (Schedule, Success, Failure, OrmQ, User, Group):
    if admin.site.is_registered(machinery):
        admin.site.unregister(machinery)


@admin.register(User)
class LoginAdmin(UserAdmin, Undeletable):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    filter_horizontal = ()
    list_display: Any = ("username", "email", "is_staff", "is_superuser", "is_active", "last_login")


@admin.register(Group)
class TeamAdmin(GroupAdmin, Undeletable):
    filter_horizontal = ()
