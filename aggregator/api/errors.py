"""Errors to answers (RFC 9457): the only place that knows which error is which HTTP status."""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from aggregator.errors import (
    AggregatorError,
    ConflictError,
    ForbiddenError,
    FullError,
    InvalidError,
    LimitError,
    LoginRefusedError,
    NotFoundError,
    SealError,
    StoppingError,
    StoreError,
    TooManyAttemptsError,
    UnauthenticatedError,
    UnreachableError,
    WrongCodeError,
)

log = logging.getLogger(__name__)

STATUS: dict[type[AggregatorError], HTTPStatus] = {
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    WrongCodeError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    LimitError: HTTPStatus.PAYMENT_REQUIRED,
    InvalidError: HTTPStatus.BAD_REQUEST,
    UnreachableError: HTTPStatus.BAD_GATEWAY,
    LoginRefusedError: HTTPStatus.BAD_GATEWAY,
    SealError: HTTPStatus.CONFLICT,
    TooManyAttemptsError: HTTPStatus.TOO_MANY_REQUESTS,
    FullError: HTTPStatus.SERVICE_UNAVAILABLE,
    StoppingError: HTTPStatus.SERVICE_UNAVAILABLE,
}

REQUEST_ID = "request_id"  # where the state of a request holds its number
PROBLEM_TYPE = "application/problem+json"

AnyRequest = Request[Any, Any, Any]


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, as RFC 9457 wants it."""

    type: str
    title: str
    status: int
    detail: str


def problem(
    status: HTTPStatus, detail: str, headers: dict[str, str] | None = None
) -> Response[Problem]:
    """Return an answer that says what went wrong."""
    return Response(
        Problem("about:blank", status.phrase, status, detail),
        status_code=status,
        media_type=PROBLEM_TYPE,
        headers=headers,
    )


def problem_body(status: HTTPStatus, detail: str) -> bytes:
    """Return what `problem` sends, for where there is no request to answer."""
    return msgspec.json.encode(Problem("about:blank", status.phrase, status, detail))


def _ours(_: AnyRequest, error: AggregatorError) -> Response[Problem]:
    status = STATUS[type(error)]
    headers = {}
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, WrongCodeError):  # RFC 9470: signed in, but not surely enough for this
        headers["WWW-Authenticate"] = 'Bearer error="insufficient_user_authentication"'
    if isinstance(error, TooManyAttemptsError | FullError):
        headers["Retry-After"] = str(error.retry_after_s)
    return problem(status, str(error), headers)


def _from_framework(_: AnyRequest, error: HTTPException) -> Response[Problem]:
    status = HTTPStatus(error.status_code)
    detail = error.detail
    if isinstance(error.extra, list) and error.extra:
        faults = [_fault(fault) for fault in error.extra if isinstance(fault, dict)]
        detail = "; ".join(faults) or detail
    return problem(status, detail, dict(error.headers or {}))


def _fault(fault: dict[str, Any]) -> str:
    key, message = str(fault.get("key", "")), str(fault.get("message", ""))
    if (key, message) == ("data", "'data'"):  # as the framework says that there was no body
        return "a body is missing: JSON is expected"
    return f"{key}: {message}".strip(": ")


def _too_deep(_: AnyRequest, __: RecursionError) -> Response[Problem]:
    return problem(HTTPStatus.BAD_REQUEST, "the JSON is nested too deeply")


def _store(_: AnyRequest, error: StoreError) -> Response[Problem]:
    log.error("store_failed", extra={"why": str(error)})
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "the database does not answer")


def _unforeseen(request: AnyRequest, error: Exception) -> Response[Problem]:
    extra = {
        "method": request.method,
        "path": request.scope["path"],
        "request_id": request.scope["state"].get(REQUEST_ID),
    }
    log.error("request_failed", extra=extra, exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here; it was logged")


HANDLERS: ExceptionHandlersMap = {
    AggregatorError: _ours,
    HTTPException: _from_framework,
    RecursionError: _too_deep,
    StoreError: _store,
    Exception: _unforeseen,
}
