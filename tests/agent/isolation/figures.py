"""How fast isolation is here: `python -m tests.agent.isolation.figures` prints rows for the docs."""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from agent.config import IsolationConfig
from agent.isolation.desired import DesiredIsolations
from agent.isolation.enforcer import started_enforcer
from agent.isolation.lease_file import LeaseFile
from agent.isolation.requests import Begin
from contract.cuts import Part
from contract.messages import Isolation
from tests.agent.isolation.lab import Lab, lab
from tests.agent.isolation.response import (
    agent,
    flooded,
    flooded_by_invented_macs,
    late_by_s,
    scanned,
)
from tests.agent.messages import isolation as any_isolation

Attack = Callable[[Lab, float], tuple[int, int]]

SECOND_NS = 1_000_000_000
RESPONSES = 5
DECISIONS = 50
ENDS = 30


def response_s(built: Lab, attack: Attack, *more: str, isolation: str = "") -> float:
    """From the first frame of an attack to the last one that arrived."""
    with (
        tempfile.TemporaryDirectory() as folder,
        agent(built, Path(folder), *more, isolation=isolation),
    ):
        began_ns, last_ns = attack(built, 4.0)
    return (last_ns - began_ns) / SECOND_NS


def decisions_s(built: Lab, part: Part | None) -> list[float]:
    """From a decision of the agent until it was read back from the kernel, and is on disk."""

    async def measure(desired: DesiredIsolations) -> list[float]:
        await enforcer.refresh()
        took = []
        for number in range(DECISIONS):
            wanted = _isolation(built, number, part)
            before_s = time.perf_counter()
            done = await desired.isolate(wanted)
            took.append(time.perf_counter() - before_s)
            assert done.state == "verified", done.detail
            await desired.release(wanted.isolation_id, "measured")
        return took

    begin = Begin(IsolationConfig(enforcer="nft"), [], {}, Path("/nonexistent"))
    with (
        tempfile.TemporaryDirectory() as folder,
        started_enforcer(begin, built.box) as enforcer,
    ):
        took = asyncio.run(measure(DesiredIsolations(enforcer, LeaseFile(Path(folder)))))
    built.on_box("nft", "flush", "ruleset")
    return took


def end_s(built: Lab) -> float:
    """From the end of a lease until the host is reached, agent and enforcer killed."""
    with tempfile.TemporaryDirectory() as folder:
        return late_by_s(built, Path(folder))


def _isolation(built: Lab, number: int, part: Part | None) -> Isolation:
    now_ns, mac = time.time_ns(), built.suspect.mac
    return msgspec.structs.replace(
        any_isolation(number),
        host=mac,
        isolated_mac=mac,
        part=part,
        enforcement="nft",
        state="applied",
        isolated_ns=now_ns,
        expires_ns=now_ns + 60 * SECOND_NS,
    )


def _row(what: str, took: list[float]) -> str:
    middle, most = statistics.median(took), max(took)
    return f"| {what} | {middle:.3f} s | {most:.3f} s | {len(took)} |"


def main() -> None:
    with lab() as built:
        pair = Part(kind="pair", peer_mac=built.victim.mac)
        few, uplink = "[window]\nmax_hosts = 64", 'uplinks = ["lan1"]'
        rows = [
            _row("scan, whole host", [response_s(built, scanned) for _ in range(RESPONSES)]),
            _row("flood of one, pair", [response_s(built, flooded) for _ in range(RESPONSES)]),
            _row(
                "flood of invented MACs, port",
                [
                    response_s(built, flooded_by_invented_macs, few, isolation=uplink)
                    for _ in range(RESPONSES)
                ],
            ),
            _row("decision to read back, whole host", decisions_s(built, None)),
            _row("decision to read back, pair", decisions_s(built, pair)),
        ]
    with lab() as built:  # a lab lasts five minutes
        rows.append(
            _row("end of a lease to reachable, all killed", [end_s(built) for _ in range(ENDS)])
        )
    sys.stdout.write("| what | median | most | runs |\n| --- | --- | --- | --- |\n")
    sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
