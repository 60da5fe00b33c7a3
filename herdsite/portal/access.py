"""Who may see the herd: operators are the staff users. What they may ask is in the table of verbs."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse


def operators_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Sends strangers to the login, and forbids those who are not staff."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not request.user.is_staff:
            raise PermissionDenied("Only operators may look at the herd: ask for staff status.")
        return view(request, *args, **kwargs)

    return guarded
