"""`/heroku/resources`: provision, change of plan, deprovision. Nothing here reaches further than our own database."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from fleet.addon import asked, provisioning, sso
from fleet.addon.http import body, for_platforms, speaks_json, third_generation


@for_platforms("POST")
def resources(request: HttpRequest) -> HttpResponse:
    return _said(provisioning.provision(asked.provision(body(request), third_generation(request))))


@csrf_exempt
@speaks_json
def resource(request: HttpRequest, id: str) -> HttpResponse:
    """GET is a customer's browser (sign-on of the first generation), all else the platform."""
    return sso.enter(request, id) if request.method in ("GET", "HEAD") else _resource(request, id)


@for_platforms("PUT", "DELETE")
def _resource(request: HttpRequest, id: str) -> HttpResponse:
    if request.method == "PUT":
        return _said(provisioning.change_plan(id, asked.plan(body(request))))
    third = third_generation(request)
    if provisioning.deprovision(id, third):
        return JsonResponse(
            {"message": "The database is being destroyed; a message follows when it is gone."}, status=202
        )
    if third:
        return HttpResponse(status=204)
    return JsonResponse({"message": "The database is being destroyed."})


def _said(answer: provisioning.Answer) -> HttpResponse:
    return JsonResponse(answer.body, status=answer.status)
