"""/api/v1/alerts/…/pcap: the frames behind an alert, fetched from its device when they are asked for."""

import hashlib
import time
from http import HTTPStatus
from typing import Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec

from aggregator.api.alerts import find_alert
from aggregator.api.identity import ANALYST, ApiRequest, person
from aggregator.commands.commander import Commander
from aggregator.errors import ConflictError, NotFoundError
from aggregator.store.alerts import AlertRow
from aggregator.store.commands import CommandRow
from aggregator.store.database import Database
from aggregator.store.evidence import EvidenceFiles, collecting
from aggregator.store.users import SessionUser
from contract.commands import CollectEvidence
from contract.messages import CommandState

MEDIA_TYPE: Final = "application/vnd.tcpdump.pcap"
RETRY_S: Final = 2


class EvidenceComing(msgspec.Struct, frozen=True):
    """How far the device is with sending the frames."""

    message: str
    command_id: str
    state: CommandState


COMING = {
    HTTPStatus.ACCEPTED.value: ResponseSpec(
        EvidenceComing,
        description="The device still has the frames: ask again after `Retry-After` seconds",
        generate_examples=False,
    )
}


@get(
    "/{alert_id:str}/pcap",
    opt=ANALYST | {"errors": (HTTPStatus.CONFLICT,)},
    media_type=MEDIA_TYPE,
    responses=COMING,
)
async def get_evidence(
    request: ApiRequest,
    alert_id: str,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
    evidence: NamedDependency[EvidenceFiles],
) -> Response[bytes]:
    """Return the frames behind an alert; 202 while its device has yet to send them."""
    who = person(request).user
    row = await find_alert(database, who.organization, alert_id)
    if row.evidence_sha256 is None:
        message = "no frames were kept for this alert"
        raise NotFoundError(message)
    data = await evidence.read(who.organization, row.device_id, row.alert_id)
    if data is not None:
        return _file(row, data)
    command = await _asked_for(database, commander, who, row)
    coming = EvidenceComing(
        message=f"waiting for {row.device_id}: the command is {command.state}",
        command_id=command.command_id,
        state=command.state,
    )
    return Response(
        msgspec.json.encode(coming),
        status_code=HTTPStatus.ACCEPTED,
        media_type="application/json",
        headers={"Retry-After": str(RETRY_S)},
    )


def _file(row: AlertRow, data: bytes) -> Response[bytes]:
    if hashlib.sha256(data).hexdigest() != row.evidence_sha256:
        message = (
            "the frames that are here are not those that the alert names"
            f" (SHA-256 {row.evidence_sha256}): they were changed here, or the device lied"
        )
        raise ConflictError(message)
    name = f"alert-{row.alert_id}.pcap"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if row.community_id is not None:
        headers["X-Community-ID"] = row.community_id  # of the flow to look at in it
    return Response(data, headers=headers)


async def _asked_for(
    database: Database, commander: Commander, who: SessionUser, row: AlertRow
) -> CommandRow:
    """Return the command that is under way, a new one if there is none.

    Raises:
        ConflictError: The device has just said that it cannot, or too many commands wait for it.
    """
    known = await collecting(database, who.organization, row.device_id, row.alert_id)
    if known is None or known.expires_ns <= time.time_ns():
        command = CollectEvidence(alert_id=row.alert_id)
        return await commander.queue(who, row.device_id, command, "evidence.collect")
    if known.state in {"failed", "expired"}:
        message = f"{row.device_id} did not send them: {known.detail or known.state}"
        raise ConflictError(message)
    return known


router = Router("/alerts", route_handlers=[get_evidence], tags=["alerts"])
