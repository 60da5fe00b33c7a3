"""Compresses answers, where nobody can learn a secret from how long they have become (BREACH)."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

# Where no page holds a password, a token or a key, unless its answer says that it is not to be stored.
OPEN = ("/metrics", "/tables", "/rings", "/incidents", "/things/", "/family/")
OPEN_UNLESS_SECRET = ("/api/",)


class Compressed(GZipMiddleware):
    """Django's own, which also makes the length vary at random; never for what holds a token of ours or a secret."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return super().process_response(request, response) if may_compress(request, response) else response


def may_compress(request: HttpRequest, response: HttpResponseBase) -> bool:
    if response.streaming or request.method not in ("GET", "HEAD"):
        # What streams is a file; who does not take it would hold the thread that compresses it.
        return False
    if isinstance(response, HttpResponse) and (response.cookies or b"csrfmiddlewaretoken" in response.content):
        # A page that shows a token against forgery sets its cookie anew.
        return False
    if request.path == "/" or request.path.startswith(OPEN):
        return True
    return request.path.startswith(OPEN_UNLESS_SECRET) and "no-store" not in response.headers.get("Cache-Control", "")
