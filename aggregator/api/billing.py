"""/api/v1/billing/usage and plans: what an organization has and used, and how much it may."""

import time
from datetime import date
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from litestar import Router, get, put
from litestar.di import NamedDependency
from litestar.params import Parameter

from aggregator.api.calls import Calls
from aggregator.api.identity import ADMIN, EVEN_OVER_PLAN, ApiRequest, person
from aggregator.config import AuthConfig
from aggregator.errors import ForbiddenError, LimitError, NotFoundError
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.organizations import Named
from aggregator.store.usage import Plan, UsageRow, find_seats, find_usage, month_of, set_plan
from contract.identifiers import whole

NEARLY = 0.8  # of what a plan allows: it is said

NO_SUCH: Final = "no such organization"
OVER_PLAN: Final = {"errors": (HTTPStatus.PAYMENT_REQUIRED,)}

Days = Annotated[int, msgspec.Meta(ge=1, le=36500)]
Most = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Month = Annotated[str | None, Parameter(pattern=whole(r"20\d\d-(0[1-9]|1[0-2])"))]


class PlanGiven(msgspec.Struct, frozen=True):
    """What an organization may have from now on; null: as much as it likes."""

    devices: Most | None = None
    users: Most | None = None
    messages: Most | None = None  # a month
    api_calls: Most | None = None  # a month
    keep_days: Days | None = None  # at most as long as [store] says; alerts and isolations:
    keep_alerts_days: Days | None = None


class Used(msgspec.Struct, frozen=True):
    """What an organization has, and what it used in the month."""

    devices: int
    users: int
    messages: int
    message_bytes: int
    api_calls: int
    alerts: int
    archive_bytes: int


class UsageShape(msgspec.Struct, frozen=True):
    """An organization's month."""

    organization: str
    month: str
    plan: PlanGiven
    usage: Used
    warnings: list[str]  # what is nearly, or more than, used up


@get("/billing/usage", opt=ADMIN)
async def usage(
    request: ApiRequest,
    database: NamedDependency[Database],
    calls: NamedDependency[Calls],
    month: Month = None,
) -> UsageShape:
    """Return what the own organization has, used in a month (UTC; the current one), and may."""
    wanted = date.fromisoformat(f"{month}-01") if month else month_of(time.time_ns())
    row = await find_usage(database, request.user.organization, wanted)
    if row is None:
        raise NotFoundError(NO_SUCH)
    unwritten = calls.unwritten(request.user.organization, wanted)
    counted = msgspec.structs.replace(row, api_calls=row.api_calls + unwritten)
    return _shape(counted, wanted)


@put("/organizations/{organization:str}/plan", opt=ADMIN)
async def change_plan(  # noqa: PLR0913  what a request needs
    request: ApiRequest,
    organization: str,
    data: PlanGiven,
    database: NamedDependency[Database],
    *,
    auth: NamedDependency[AuthConfig],
    calls: NamedDependency[Calls],
) -> PlanGiven:
    """Say how much an organization may have; this is for who runs the installation."""
    who = person(request).user
    if who.organization not in {auth.organization, organization}:
        raise NotFoundError(NO_SUCH)
    if who.organization != auth.organization:
        message = "plans are made by who runs the installation"
        raise ForbiddenError(message)
    plan = Plan(
        max_devices=data.devices,
        max_users=data.users,
        max_messages=data.messages,
        max_api_calls=data.api_calls,
        keep_days=data.keep_days,
        keep_alerts_days=data.keep_alerts_days,
    )
    changed = await database.change(
        Named,
        set_plan(organization, plan),
        audit(who, "plan.change", organization, now_ns=time.time_ns(), after=data),
    )
    if not changed:
        raise NotFoundError(NO_SUCH)
    calls.forget(organization)
    return data


async def check_plan(
    database: Database, organization: str, *, devices: int = 0, users: int = 0
) -> None:
    """Refuse what would be more than a plan allows.

    Raises:
        LimitError: It would.
    """
    row = await find_seats(database, organization)
    if row is None:
        return
    for what, have, more, most in (
        ("devices", row.devices, devices, row.max_devices),
        ("users", row.users, users, row.max_users),
    ):
        if more and most is not None and have + more > most:
            message = f"the plan allows {most} {what}, and there are {have}"
            raise LimitError(message)


def _shape(row: UsageRow, month: date) -> UsageShape:
    counted = (
        ("devices", row.devices, row.max_devices),
        ("users", row.users, row.max_users),
        ("messages", row.messages, row.max_messages),
        ("api_calls", row.api_calls, row.max_api_calls),
    )
    return UsageShape(
        organization=row.organization,
        month=f"{month:%Y-%m}",
        plan=PlanGiven(
            devices=row.max_devices,
            users=row.max_users,
            messages=row.max_messages,
            api_calls=row.max_api_calls,
            keep_days=row.keep_days,
            keep_alerts_days=row.keep_alerts_days,
        ),
        usage=Used(
            devices=row.devices,
            users=row.users,
            messages=row.messages,
            message_bytes=row.payload_bytes,
            api_calls=row.api_calls,
            alerts=row.alerts,
            archive_bytes=row.archive_bytes,
        ),
        warnings=[
            f"{what}: {have} of {most}"
            for what, have, most in counted
            if most is not None and have >= NEARLY * most
        ],
    )


router = Router("/", route_handlers=[usage, change_plan], tags=["billing"], opt=EVEN_OVER_PLAN)
