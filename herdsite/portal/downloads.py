"""`/downloads`: a logical backup by a signed link that expires (fleet/logical/links.py). An operator who posts the name
of a backup is led to a new link. The storage is read here; the fleet is not touched."""

from django.core.exceptions import PermissionDenied
from django.core.files.storage import storages
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.views.decorators.http import require_http_methods

from fleet import askers
from fleet.logical import links, storage
from herdsite.portal.access import operators_only


@require_http_methods(["GET", "HEAD", "POST"])
def downloads(request: HttpRequest) -> HttpResponseBase:
    response = _make(request) if request.method == "POST" else _send(request)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


@operators_only
def _make(request: HttpRequest) -> HttpResponse:
    try:
        return HttpResponseRedirect(links.make(request.POST.get("backup", ""), askers.of_login(request.user)))
    except askers.Forbidden as error:
        raise PermissionDenied(str(error)) from error
    except links.NoLink as error:
        return _no(error, 422)


def _send(request: HttpRequest) -> HttpResponseBase:
    """The file itself from a directory; from a bucket, where the client gets it for as long as the link is good."""
    try:
        backup = links.follow(request.GET.get("token", ""))
    except links.NoLink as error:
        return _no(error, 403)
    where = storage.place()
    if isinstance(where, storage.Bucket):
        return HttpResponseRedirect(where.link(backup.label, links.GOOD_FOR_S))
    try:
        return FileResponse(storages["backups"].open(backup.label), as_attachment=True, filename=backup.label)
    except OSError:
        return _no("The backup is kept, but can't be read where the pages are served: ask the operators.", 503)


def _no(why: object, status: int) -> HttpResponse:
    return HttpResponse(f"{why}\n", status=status, content_type="text/plain; charset=utf-8")
