"""What the description of the API says beyond the handlers: credentials, and every error."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIType
from litestar.routes import HTTPRoute

from aggregator.api.errors import PROBLEM_TYPE

BEARER = "bearer"
CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
TEXT: Reference | Schema = Schema(type=OpenAPIType.STRING)


@dataclass  # or nobody calls __post_init__
class SignIn(Operation):
    """The operation of signing in, whose body is told apart by its content."""

    def __post_init__(self) -> None:
        """Say what the body may be."""
        named = {"username": TEXT, "password": TEXT}
        form = Schema(
            type=OpenAPIType.OBJECT,
            properties=named | {"grant_type": TEXT},
            required=["username", "password"],
        )
        json = Schema(
            type=OpenAPIType.OBJECT,
            properties=named | {"email": TEXT},
            required=["password"],
        )
        self.request_body = RequestBody(
            required=True,
            content={
                "application/json": OpenAPIMediaType(schema=json),
                "application/x-www-form-urlencoded": OpenAPIMediaType(schema=form),
            },
        )


def describe_errors(app: Litestar) -> None:
    """Write into an application's description how to show who one is, and what can go wrong."""
    described = app.openapi_schema
    components = described.components
    components.security_schemes = {
        BEARER: SecurityScheme(
            type="http",
            scheme="bearer",
            description="an access token, an API token, or a device's key",
        )
    }
    components.schemas = dict(components.schemas) | {"Problem": _problem()}
    taken = {
        route.path_format: route.methods for route in app.routes if isinstance(route, HTTPRoute)
    }
    for route in app.routes:
        item = (described.paths or {}).get(route.path_format)
        if not isinstance(route, HTTPRoute) or item is None:
            continue
        for handler in route.route_handlers:
            for method in handler.http_methods:
                operation = getattr(item, method.lower(), None)
                if operation is not None:
                    errors = _errors(method, handler, route)
                    if _may_lead_elsewhere(route.path_format, method, taken):
                        errors.add(HTTPStatus.METHOD_NOT_ALLOWED)
                    _describe(operation, handler, errors)


def _describe(
    operation: Operation, handler: HTTPRouteHandler, errors: Iterable[HTTPStatus]
) -> None:
    responses = dict(operation.responses or {})
    for status in errors:
        responses[str(status.value)] = _response(status)
    operation.responses = responses
    if not handler.opt.get("public"):
        operation.security = [{BEARER: []}]


def _errors(method: str, handler: HTTPRouteHandler, route: HTTPRoute) -> set[HTTPStatus]:
    public = handler.opt.get("public")
    found = {HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE}
    if not public:
        found |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
    if route.path_parameters:
        found.add(HTTPStatus.NOT_FOUND)
    if method in CHANGES:
        found |= {HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
    found |= set(handler.opt.get("errors", ()))
    if method in CHANGES and "/auth/" in route.path:
        found |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
    return found


def _may_lead_elsewhere(path: str, method: str, taken: Mapping[str, Collection[str]]) -> bool:
    """Return whether some word for a parameter makes it another path, which does not take a method."""
    pieces = path.split("/")
    return any(
        method not in methods
        and other != path
        and len(others := other.split("/")) == len(pieces)
        and all(own == piece or own[:1] == "{" for own, piece in zip(pieces, others, strict=True))
        for other, methods in taken.items()
    )


def _response(status: HTTPStatus) -> OpenAPIResponse:
    schema = Reference("#/components/schemas/Problem")
    return OpenAPIResponse(
        description=status.phrase, content={PROBLEM_TYPE: OpenAPIMediaType(schema=schema)}
    )


def _problem() -> Schema:
    return Schema(
        type=OpenAPIType.OBJECT,
        title="Problem",
        description="What went wrong (RFC 9457); `detail` says it to a person.",
        properties={
            "type": TEXT,
            "title": TEXT,
            "status": Schema(type=OpenAPIType.INTEGER),
            "detail": TEXT,
        },
        required=["type", "title", "status", "detail"],
        examples=[
            {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "no such device",
            }
        ],
    )
