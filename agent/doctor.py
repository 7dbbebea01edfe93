"""What this machine can and cannot do for the agent, each finding with its fix."""

import asyncio
import os
import platform
import shutil
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent.centre import Centre
from agent.config import FIRST_CUTS, AgentConfig
from agent.doctor_broker import broker_findings, order_findings
from agent.doctor_enforcers import enforcer_findings, sight_findings
from agent.errors import AgentError, IsolationError
from agent.exempt import THIS_BOX, Exempt, written_down
from agent.finding import Finding, State
from agent.isolation import Isolator, Lease, as_lease, target_of
from agent.isolation.enforcer import beginning_of, surroundings
from agent.isolation.lease_file import LeaseFile
from agent.isolation.on_this_box import chosen_isolator
from agent.isolation.snmp_switch import SnmpSwitchIsolator, SwitchLook
from agent.model_bundle import DEFAULT_BUNDLE, load_bundle
from agent.policy import NARROW, Policy
from agent.scoring import OnnxScorer
from runtime.errors import ConfigError

_SIGNS: Final[dict[State, str]] = {"fine": "ok  ", "warning": "warn", "broken": "FAIL"}
_MIN_FREE_BYTES: Final = 256 * 1024 * 1024
_POINTER_BITS: Final = 64


def check(config: AgentConfig) -> str:
    """Return one line that says the settings and the model can be used.

    Raises:
        AgentError: The model bundle or the centre's address cannot.
        ConfigError: Something of [policy] cannot.
    """
    written_down(config.policy.exempt)
    bundle = load_bundle(config.model.bundle or DEFAULT_BUNDLE, config.model.trusted_keys)
    metadata = OnnxScorer(bundle).metadata
    Policy(config.policy, config.device_id, metadata.model_id)
    if config.centre.url:
        Centre(config.centre.url, config.centre.ca_file)
    return f"settings fine; model {metadata.model_id}; policy mode {config.policy.mode}"


def examine(config: AgentConfig) -> int:
    """Print every finding; return 1 if something is broken, else 0."""
    findings = [finding for look in _LOOKS for finding in look(config)]
    for finding in findings:
        hint = f"\n       fix: {finding.fix}" if finding.fix else ""
        sys.stdout.write(f"{_SIGNS[finding.state]} {finding.what}{hint}\n")
    return int(any(finding.state == "broken" for finding in findings))


def _machine(_config: AgentConfig) -> Iterator[Finding]:
    bits = struct.calcsize("P") * 8
    what = f"{platform.machine()}, {bits} bit, Python {platform.python_version()}"
    if bits == _POINTER_BITS:
        yield Finding("fine", what)
    else:
        yield Finding("broken", what, "install a 64-bit system: onnxruntime has no 32-bit wheels")


def _model(config: AgentConfig) -> Iterator[Finding]:
    try:
        yield Finding("fine", check(config))
    except AgentError as error:
        yield Finding("broken", str(error), "leave [model] bundle empty to use the one that ships")
    except ConfigError as error:
        yield Finding("broken", str(error), "put it right: the agent does not start with it")


def _capture(config: AgentConfig) -> Iterator[Finding]:
    if not config.capture.interfaces:
        fix = 'name the bridge ports, such as interfaces = ["lan1", "lan2"]'
        yield Finding("broken", "[capture] interfaces is empty", fix)
    for name in config.capture.interfaces:
        yield _interface(name)


def _interface(name: str) -> Finding:
    state = Path("/sys/class/net") / name / "operstate"
    if not state.exists():
        present = ", ".join(sorted(path.name for path in Path("/sys/class/net").iterdir()))
        return Finding("broken", f"no interface {name}", f"this machine has: {present}")
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as probe:
            probe.bind((name, 0))
    except PermissionError:
        fix = "run as the service does, or: sudo edgewarden-agent doctor"
        return Finding("broken", f"{name}: no right to capture (CAP_NET_RAW)", fix)
    except OSError as error:
        return Finding("broken", f"{name}: {error.strerror}", f"ip link set {name} up")
    if state.read_text().strip() not in {"up", "unknown"}:
        return Finding("warning", f"{name} is down", f"ip link set {name} up, or plug it in")
    return Finding("fine", f"can capture on {name}")


def _isolation(config: AgentConfig) -> Iterator[Finding]:
    policy, enforcer = config.policy, config.isolation.enforcer
    groups = [group.mode for group in policy.groups.values()]
    if "enforce" not in {policy.mode, *policy.modes.values(), *groups}:
        what = f"policy mode {policy.mode}: nobody is cut off unless a person says so"
        yield Finding("fine", what)
    elif enforcer == "dry_run":
        fix = '[isolation] enforcer = "nft"'
        yield Finding("warning", "policy mode enforce, but the enforcer is dry_run", fix)
    if enforcer == "dry_run":
        return
    yield _first_cuts(config)


def _drift(config: AgentConfig) -> Iterator[Finding]:
    """Compare what should be cut off with what is."""
    if config.isolation.enforcer == "dry_run":
        return
    folder = config.spool.path.parent
    wanted = LeaseFile(folder).read().values()
    try:
        held = asyncio.run(_held(config))
    except ConfigError:
        return  # told of the switch
    except IsolationError as error:
        fix = "sudo edgewarden-agent doctor: reading what is cut off takes CAP_NET_ADMIN"
        yield Finding("warning", f"cannot read back who is cut off: {error}", fix)
        return
    # By the wall's clock: another boot's monotonic one says nothing here.
    now_ns = time.time_ns()
    # Of two isolations of one host nft knows the longer one; a bridge port forgets whose it is.
    ids, targets = {lease.isolation_id for lease in held}, {target_of(lease) for lease in held}
    missing = [
        isolation.host
        for isolation in (each.isolation for each in wanted)
        if isolation.expires_ns > now_ns
        and isolation.isolation_id not in ids
        and target_of(as_lease(isolation, 0)) not in targets
    ]
    if missing:
        what = f"should be cut off and is not: {', '.join(missing)}"
        yield Finding("warning", what, "start the agent: it puts back what remains within seconds")
    else:
        yield Finding("fine", f"cut off as it should be: {len(held)} isolations")


def _first_cuts(config: AgentConfig) -> Finding:
    """Say how little is cut off at first."""
    enforcer = config.isolation.enforcer
    if enforcer not in NARROW:
        return Finding("fine", f"{enforcer} closes whole ports: no part of a host is cut off")
    chosen = {**FIRST_CUTS, **config.policy.first_cuts}
    told = [f"{attack} by {' or '.join(cuts)}" for attack, cuts in chosen.items() if cuts]
    what = f"cut off in part at first: {', '.join(told) or 'nothing'}; all else as whole hosts"
    return Finding("fine", what)


def _switch(config: AgentConfig) -> Iterator[Finding]:
    host = config.isolation.switch.host
    if config.isolation.enforcer != "snmp_switch":
        return
    try:
        found = asyncio.run(_looked_at(config))
    except ConfigError as error:
        yield Finding("broken", str(error), "docs/operations.md shows the file")
        return
    except IsolationError as error:
        fix = "is it up, does it let this box in at UDP 161, are the credentials right?"
        yield Finding("broken", str(error), fix)
        return
    hosts, ports = sum(map(len, found.tables.hosts.values())), len(found.tables.interfaces)
    yield Finding("fine", f"switch {host} answers: {found.system[:100]}")
    if not hosts or not ports:
        fix = "let the account read BRIDGE-MIB and Q-BRIDGE-MIB; without them no host has a port"
        yield Finding("broken", f"switch {host} tells no host at any port", fix)
        return
    yield Finding("fine", f"switch {host} tells {hosts} hosts at {ports} ports")
    for port, why in found.uplinks.items():
        yield Finding("fine", f"port {port} is never closed: {why}")
    if found.lost:
        fix = "no port is closed until the switch has learnt where that is"
        yield Finding("warning", f"switch {host}: any port is {found.lost}", fix)
    yield _closing(host, found)


def _closing(host: str, found: SwitchLook) -> Finding:
    if not found.tried:
        fix = "max_macs and uplinks in [isolation.switch] leave no port that may be closed"
        return Finding("warning", f"switch {host}: every port is an uplink", fix)
    if found.refused:
        return Finding("broken", found.refused, "let the account write ifAdminStatus")
    return Finding("fine", f"switch {host} can close ports (set {found.tried} to what it is)")


async def _looked_at(config: AgentConfig) -> SwitchLook:
    switch = SnmpSwitchIsolator(config.isolation.switch, config.spool.path.parent)
    try:
        return await switch.look(await surroundings(beginning_of(config), switch).look())
    finally:
        switch.close()


def _exempt(config: AgentConfig) -> Iterator[Finding]:
    """List who is never cut off, whatever anybody asks for."""
    try:
        found = asyncio.run(_exempt_now(config)).exemptions
    except ConfigError:
        return  # told of the switch
    except IsolationError as error:
        fix = "apt install iproute2; until it is known who is exempt, nobody is isolated"
        yield Finding("broken", f"cannot tell whom this box needs: {error}", fix)
        return
    exempt = [each for each in found if not each.on_link]
    for who in dict.fromkeys(each.who for each in exempt):
        names = [
            (each.mac or each.network or "").removesuffix("/32").removesuffix("/128")
            + (f" behind {each.home}" if each.home not in {None, THIS_BOX} else "")
            for each in exempt
            if each.who == who
        ]
        yield Finding("fine", f"never cut off: {who} ({', '.join(dict.fromkeys(names))})")
    if "the gateway" not in {each.who for each in exempt}:
        fix = "put your router into [policy] exempt, by MAC and IP"
        yield Finding("warning", "this box has no gateway, so none is exempt by itself", fix)


async def _exempt_now(config: AgentConfig) -> Exempt:
    with _isolator(config) as isolator:
        return await surroundings(beginning_of(config), isolator).look()


async def _held(config: AgentConfig) -> tuple[Lease, ...]:
    with _isolator(config) as isolator:
        return await isolator.read_back()


@contextmanager
def _isolator(config: AgentConfig) -> Iterator[Isolator]:
    isolator = chosen_isolator(config.isolation, config.spool.path.parent)
    try:
        yield isolator
    finally:
        if isinstance(isolator, SnmpSwitchIsolator):
            isolator.close()


def _spool(config: AgentConfig) -> Iterator[Finding]:
    folder = config.spool.path.parent
    if not os.access(folder, os.W_OK):
        fix = f"mkdir -p {folder}, owned by the service's user; systemd's StateDirectory does it"
        yield Finding("broken", f"cannot write to {folder}", fix)
        return
    free = shutil.disk_usage(folder).free
    what = f"{free // 2**20:,} MiB free in {folder}"
    if free < config.spool.max_bytes + _MIN_FREE_BYTES:
        yield Finding("warning", what, "free some space, or lower [spool] max_bytes")
    else:
        yield Finding("fine", what)


_LOOKS: Final[tuple[Callable[[AgentConfig], Iterator[Finding]], ...]] = (
    _machine,
    _model,
    _capture,
    sight_findings,
    enforcer_findings,
    _isolation,
    _switch,
    _drift,
    _exempt,
    _spool,
    broker_findings,
    order_findings,
)
