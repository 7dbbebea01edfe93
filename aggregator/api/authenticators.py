"""/api/v1/auth/totp: the authenticator that makes a person's authorization codes."""

from typing import Annotated

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from aggregator.api.auth import Said
from aggregator.api.authenticator import Authenticator
from aggregator.api.authorization import AuthorizationCodes, Enrolment
from aggregator.api.identity import EVEN_OVER_PLAN, SESSION, ApiRequest, person

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class EnrolmentState(msgspec.Struct, frozen=True):
    """Whether a person can make authorization codes."""

    enrolled: bool
    recovery_codes_left: int


class PasswordGiven(msgspec.Struct, frozen=True):
    """One's own password once more: a stolen session must not enrol an authenticator."""

    password: str


class CodeGiven(msgspec.Struct, frozen=True):
    """A code of one's authenticator."""

    authorization_code: Code


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Codes that are good once each, where the authenticator is lost; shown here and never again."""

    recovery_codes: list[str]


@get("/", opt=SESSION)
async def get_totp(
    request: ApiRequest, codes: NamedDependency[AuthorizationCodes]
) -> EnrolmentState:
    """Say whether an authenticator is enrolled."""
    known = await codes.state(person(request).user)
    enrolled = known is not None and known.confirmed_ns is not None
    return EnrolmentState(enrolled, len(known.recovery_hashes) if known else 0)


@post("/", opt=SESSION)
async def enrol_totp(
    request: ApiRequest,
    data: PasswordGiven,
    codes: NamedDependency[AuthorizationCodes],
    authenticator: NamedDependency[Authenticator],
) -> Enrolment:
    """Give the secret for an authenticator; a first code of it then confirms it."""
    who = person(request).user
    await authenticator.check_password(who.username, data.password, who.address)
    return await codes.enrol(who)


@post("/confirm", opt=SESSION, status_code=HTTP_200_OK)
async def confirm_totp(
    request: ApiRequest, data: CodeGiven, codes: NamedDependency[AuthorizationCodes]
) -> RecoveryCodes:
    """Take the first code of an authenticator, and give recovery codes."""
    return RecoveryCodes(await codes.confirm(person(request).user, data.authorization_code))


@post("/remove", opt=SESSION, status_code=HTTP_200_OK)
async def remove_totp(
    request: ApiRequest, data: CodeGiven, codes: NamedDependency[AuthorizationCodes]
) -> Said:
    """Forget an authenticator; one code of it, or a recovery code, is needed."""
    await codes.remove(person(request).user, data.authorization_code)
    return Said("the authenticator is removed")


router = Router(
    "/auth/totp",
    route_handlers=[get_totp, enrol_totp, confirm_totp, remove_totp],
    tags=["auth"],
    opt=EVEN_OVER_PLAN,
)
