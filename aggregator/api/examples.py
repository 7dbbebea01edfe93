"""What the description of the API says of each route: what for, who may, and examples of what travels."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import OpenAPIMediaType, Operation, Reference, RequestBody, Schema
from litestar.openapi.spec.response import OpenAPIResponse
from litestar.routes import HTTPRoute

from aggregator.api.errors import PROBLEM_TYPE
from aggregator.api.example_answers import ANSWERS, problem
from aggregator.api.example_requests import EXAMPLES, SPECIAL


def describe_requests(app: Litestar) -> None:
    """Write into an application's description what each route is for, who may, and examples."""
    for route in app.routes:
        item = (app.openapi_schema.paths or {}).get(route.path_format)
        if not isinstance(route, HTTPRoute) or item is None:
            continue
        for handler in route.route_handlers:
            for method in handler.http_methods:
                operation = getattr(item, method.lower(), None)
                if operation is not None:
                    name = f"{method} {route.path_format}"
                    _describe(operation, handler, EXAMPLES.get(name, SPECIAL.get(name)))


def _describe(
    operation: Operation, handler: HTTPRouteHandler, example: dict[str, object] | None
) -> None:
    summary, _, more = (handler.fn.__doc__ or "").partition("\n")
    operation.summary = summary.rstrip(".")
    operation.description = " ".join([who_may(handler.opt), *more.split()])
    if example is not None and isinstance(operation.request_body, RequestBody):
        for content in operation.request_body.content.values():
            content.example = _kept(example)
    for status, answer in (operation.responses or {}).items():
        if isinstance(answer, OpenAPIResponse):
            _show(answer.content or {}, HTTPStatus(int(status)))


def _show(content: Mapping[str, OpenAPIMediaType], status: HTTPStatus) -> None:
    for media_type, body in content.items():
        if media_type == PROBLEM_TYPE:
            body.example = _kept(problem(status))
        elif body.example is None and (example := _answer(body.schema)) is not None:
            body.example = _kept(example)


def _kept(example: object) -> msgspec.Raw:
    # The framework leaves out whatever is null, in examples as well.
    return msgspec.Raw(msgspec.json.encode(example))


def _answer(schema: Reference | Schema | None) -> object:
    if isinstance(schema, Reference):
        return ANSWERS.get(schema.ref.rpartition("/")[2])
    if isinstance(schema, Schema) and (one := _answer(_items(schema))) is not None:
        return [one]
    return None


def _items(schema: Schema) -> Reference | Schema | None:
    return schema.items if isinstance(schema.items, Reference | Schema) else None


def who_may(opt: dict[str, Any]) -> str:
    """Return in words who may use a route."""
    if opt.get("public"):
        return "Needs no token."
    role = opt.get("role", "viewer")
    people = "For everybody who signed in." if role == "viewer" else f"For {role}s and above."
    if role == "admin":
        people = "For admins."
    device = " The device itself may, with its key." if opt.get("own_device") else ""
    place = opt.get("place")
    guests = f" For guests as well, if the setting [{place}] open says so." if place else ""
    return people + device + guests
