"""The OpenAPI document, made from what the views say of themselves."""

import re
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from fleet.api import once, problems
from fleet.api.fields import Body

EMPTY = {"type": "string", "maxLength": 0}
FROM_ADDRESS = "$request.path.name"
JSON = "application/json"
# What may go wrong with any request, and what with those that change something.
ALWAYS = (400, 401, 403, 404, 406, 429, 503)
CHANGES = (409, 413, 415, 422)
EDITS = (412, 428)
MEANINGS = {
    200: "As it is now.",
    201: "Created.",
    202: "Requested; the Intent tells its progress.",
    304: "You have it already.",
    400: "The request is invalid; errors says why, by field.",
    401: "The request has no valid login or token.",
    403: "The login or token lacks the permission.",
    404: "There is nothing of that name that the asker may see.",
    406: "That media type is not supported.",
    409: "The request is valid, but conflicts with the present state.",
    412: "The object was changed since it was read.",
    413: "The body is too large.",
    415: "The body is not valid JSON.",
    422: "The Idempotency-Key belongs to another request.",
    428: "If-Match is missing.",
    429: "Too many requests; Retry-After says when to try again.",
    503: "herdsite's own database does not answer; try again.",
}


def ours(endpoints: list[Any]) -> list[Any]:
    """Of all addresses of the site, those that this document is about."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v1/")]


class Problem(serializers.Serializer[Any]):
    """A problem detail (RFC 9457). `detail` is a sentence for people, `errors` says what is wrong with which field."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    request_id = serializers.CharField()
    errors = serializers.DictField(child=serializers.ListField(child=serializers.CharField()), required=False)


class Schema(AutoSchema):
    """An operation as its view's `params`, `takes` and `gives` describe it."""

    def _is_list_view(self, _serializer: Any = None) -> bool:
        """Lists are described whole (`_body`); nothing has to be guessed."""
        return False

    def get_tags(self) -> list[str]:
        return [re.sub(r"^/api/v1/", "", self.path).split("/")[0]]

    def get_operation_id(self) -> str:
        """resources_list, resources_asks, incidents_ack."""
        words = [word for word in re.sub(r"^/api/v1/", "", self.path).split("/") if "{" not in word]
        plain = self.view.action in ("list", "retrieve", "create", "change")
        return "_".join([*words, *([self.view.action] if plain else [])])

    def get_summary(self) -> str:
        """The first sentence of what is said of the operation; a list and one of it are said of what they are of."""
        view, action = self.view, self.view.action
        about = view.about or (type(view).__doc__ or "").strip()
        own = getattr(view, action).__doc__ or ""
        whole = " ".join((own if own and not view.about else about).split())
        words = whole.split(". ")[0].removesuffix(".")
        more = {"list": "the list", "retrieve": "one of the values"}.get(action, "")
        return f"{words}: {more}" if more and not own else words

    def get_description(self) -> str:
        return (getattr(self.view, self.view.action).__doc__ or type(self.view).__doc__ or "").strip()

    def _get_parameters(self) -> list[dict[str, Any]]:
        found = [
            {"in": "path", "name": name, "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in re.findall(r"{(\w+)}", self.path)
        ]
        for name, param in self.view.params().items():
            one = {"in": "query", "name": name, "schema": param.schema()}
            found.append(one | ({"description": param.about} if param.about else {}) | {"required": param.required})
        if self.method == "POST":
            key = {"type": "string", "minLength": 1, "maxLength": once.LONGEST, "pattern": "^[ -~]+$"}
            found.append({"in": "header", "name": once.HEADER, "schema": key, "required": False})
        if self.method == "PATCH":
            found.append({"in": "header", "name": "If-Match", "schema": {"type": "string"}, "required": True})
        return found

    def get_request_serializer(self) -> Any:
        return self.view.takes.get(self.view.action)

    def get_response_serializers(self) -> Any:
        return self.view.gives.get(self.view.action, {})

    def _get_response_bodies(self, _direction: Any = "response") -> dict[str, Any]:
        found = {str(status): self._answer(status, shape) for status, shape in self._gives().items()}
        problem = {"schema": self.resolve_serializer(Problem, "response").ref}
        wrong = [*ALWAYS, *(CHANGES if self.method != "GET" else ()), *(EDITS if self.method == "PATCH" else ())]
        for status in sorted(wrong):
            content = {problems.MEDIA_TYPE: problem}
            found[str(status)] = {"description": MEANINGS[status], "content": content}
        return found

    def _gives(self) -> dict[int, Any]:
        view = self.view
        if given := view.gives.get(view.action):
            return given
        if view.action == "list":
            return {200: [view.in_list]}
        return {200: view.alone, 304: None}

    def _answer(self, status: int, shape: Any) -> dict[str, Any]:
        """`shape` is a serializer, [serializer] for a page of a list, {media type: either}, or None for no body."""
        shapes = shape if isinstance(shape, dict) else {} if shape is None else {JSON: shape}
        content = {media: {"schema": self._body(one)} for media, one in shapes.items()}
        answer = {"description": MEANINGS[status]} | ({"content": content} if content else {})
        return answer | ({"links": links} if (links := self._links()) else {})

    def _links(self) -> dict[str, Any]:
        """The operations that follow on an answer, and the field of it that says on what."""
        here = self.get_tags()[0]
        return {
            name: {"operationId": operation.format(here=here), "parameters": {"name": f"$response.body#/{field}"}}
            for name, (operation, field) in self.view.links.get(self.view.action, {}).items()
        }

    def _body(self, shape: Any) -> dict[str, Any]:
        if not isinstance(shape, list):
            return self.resolve_serializer(shape, "response").ref
        results = {"type": "array", "items": self._body(shape[0])}
        following = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {"next": following, "results": results},
        }

    def _postprocess_serializer_schema(self, schema: Any, serializer: Any, direction: Any) -> Any:
        schema = super()._postprocess_serializer_schema(schema, serializer, direction)
        if isinstance(serializer, Body):
            schema["additionalProperties"] = False
            for name, field in serializer.fields.items():
                if isinstance(field, serializers.CharField) and not field.allow_blank:
                    schema["properties"][name].setdefault("minLength", 1)
            if serializer.needed:
                schema["required"] = sorted({*schema.get("required", ()), *serializer.needed})
            if serializer.example or not serializer.fields:
                schema["examples"] = [dict(serializer.example)]
        elif isinstance(serializer, serializers.ModelSerializer):
            # A default is the model's, for who writes: whoever reads gets every field.
            schema["required"] = sorted(schema["properties"])
        for name, field in schema.get("properties", {}).items():
            if EMPTY in field.get("oneOf", ()):
                schema["properties"][name] = _or_empty(field)
        if takes := getattr(serializer, "params_of", None):
            schema["properties"]["params"] = self._params(takes)
        return schema

    def _params(self, takes: dict[str, type[Body]]) -> dict[str, Any]:
        """What each verb takes; the others take nothing."""
        told = "; ".join(f"{verb}: {', '.join(body().fields)}" for verb, body in takes.items())
        bodies = [self.resolve_serializer(body, "request").ref for body in takes.values()]
        return {"description": f"By verb. {told}.", "anyOf": [{"type": "object", "maxProperties": 0}, *bodies]}


def follow(result: dict[str, Any], **_more: Any) -> dict[str, Any]:
    """Reading an object leads to whatever can be done with it: the operations below its address."""
    for path, ways in result["paths"].items():
        if not path.endswith("/{name}"):
            continue
        below = {
            operation["operationId"]: {"operationId": operation["operationId"], "parameters": {"name": FROM_ADDRESS}}
            for place, others in result["paths"].items()
            for method, operation in others.items()
            if place.startswith(path) and (place, method) != (path, "get")
        }
        if below:
            answer = ways["get"]["responses"]["200"]
            answer["links"] = answer.get("links", {}) | below
    return result


def _or_empty(field: dict[str, Any]) -> dict[str, Any]:
    """Text of some form or none at all, as one schema. As one of two, a text that both take is invalid, and clients
    get a class for what is a string."""
    about = {name: value for name, value in field.items() if name != "oneOf"}
    form = next(dict(each) for each in field["oneOf"] if each != EMPTY)
    form.pop("format", None)
    if (pattern := form.get("pattern")) and not re.search(pattern, ""):
        form["pattern"] = f"^$|{pattern}"
    return form | about


class PasswordsScheme(OpenApiAuthenticationExtension):
    target_class = "fleet.api.logins.Passwords"
    name = "password"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "basic"}


class TokensScheme(OpenApiAuthenticationExtension):
    target_class = "fleet.api.logins.Tokens"
    name = "token"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer"}
