"""`/ca.pem`: the CAs by which the herd's servers prove who they are, for whoever connects to them. No login: they are
what everybody may know, and a client that has no password yet needs them as well."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from fleet import certificates
from fleet.connecting import FILE


@never_cache
@require_safe
def ca(_request: HttpRequest) -> HttpResponse:
    pem = certificates.roots()
    if not pem:
        return HttpResponse("The herd has no CA yet: creating the first database makes one.\n", "text/plain", 404)
    return HttpResponse(
        pem, "application/x-pem-file", headers={"Content-Disposition": f'attachment; filename="{FILE}"'}
    )
