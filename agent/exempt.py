"""Who may be reported and is never isolated: by the settings, or because this box needs them."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

import msgspec

from runtime.errors import ConfigError

WRITTEN_DOWN: Final = "exempt by [policy] exempt"
THIS_BOX: Final = "this box"  # where its own MACs live
ON_LINK: Final = "an address of this link, which may be another's: cut off its MAC"
MAX_EXEMPTIONS: Final = 4096
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_GROUP_BIT: Final = 1  # of a MAC's first byte: nobody's address, but a group's
_NOBODY: Final = "00:00:00:00:00:00"


class Exemption(msgspec.Struct, frozen=True, kw_only=True):
    """One who is exempt, by a MAC or by an address or network, not by both; or a bridge port alone."""

    who: str  # for people, behind "it is"
    mac: str | None = None
    network: str | None = None
    # The network is this box's own link: nobody there is behind a router, so nobody is cut by IP alone.
    on_link: bool = False
    # The bridge port behind which the MAC lives, or THIS_BOX; None: unknown.
    home: str | None = None


class Exempt:
    """Answers whether a cut would hit somebody exempt. Knows at most MAX_EXEMPTIONS."""

    def __init__(self, exemptions: Iterable[Exemption] = ()) -> None:
        self.exemptions = list(exemptions)[:MAX_EXEMPTIONS]
        # The first of several reasons is told.
        backwards = self.exemptions[::-1]
        self._macs = {each.mac: each.who for each in backwards if each.mac}
        self._homes = {each.mac: each.home for each in backwards if each.mac and each.home}
        self._ports = {each.home: each.who for each in backwards if each.home}
        self._networks = [
            (ipaddress.ip_network(each.network), each.who)
            for each in self.exemptions
            if each.network and not each.on_link
        ]
        self._links = [
            ipaddress.ip_network(e.network) for e in self.exemptions if e.network and e.on_link
        ]

    @property
    def ways(self) -> set[str]:
        """The bridge ports behind which anybody exempt is known to live, but for this box."""
        return self._ports.keys() - {THIS_BOX}

    def why(
        self, mac: str | None, ip: str | None = None, bridge_port: str | None = None
    ) -> str | None:
        """Return who would be hit by a cut, None if nobody exempt.

        A MAC at a bridge port is not its owner where the owner is known to live elsewhere: then
        somebody borrowed it, and frames from that port alone may be dropped.

        Args:
            mac: What is cut, or None.
            ip: What is cut, or None.
            bridge_port: The only port at which the MAC is cut; alone, the port that is cut.
        """
        found = self._mac(mac, bridge_port) if mac is not None else None
        if found is None and ip is not None:
            found = self._ip(ip)
            if found is None and mac is None and self._is_on_link(ip):
                found = ON_LINK
        if found is None and mac is None and ip is None and bridge_port is not None:
            found = self._port(bridge_port)
        return found

    def _mac(self, mac: str, bridge_port: str | None) -> str | None:
        if mac == _NOBODY or int(mac[:2], 16) & _GROUP_BIT:
            return "no single host"
        is_elsewhere = bridge_port is not None and self._homes.get(mac, bridge_port) != bridge_port
        return None if is_elsewhere else self._macs.get(mac)

    def _ip(self, ip: str) -> str | None:
        address = ipaddress.ip_address(ip)
        if address.is_multicast or address.is_unspecified or address.is_loopback:
            return "no single host"
        return next((who for network, who in self._networks if address in network), None)

    def _is_on_link(self, ip: str) -> bool:
        address = ipaddress.ip_address(ip)
        return any(address in link for link in self._links)

    def _port(self, bridge_port: str) -> str | None:
        who = self._ports.get(bridge_port)
        if who is not None:
            return f"the way to {who}"
        # Whom the box needs now may be behind any port until it is known where.
        lost = [each.who for each in self.exemptions if each.mac not in {None, *self._homes}]
        return next((f"perhaps the way to {who}" for who in lost if who != WRITTEN_DOWN), None)


def uplinks(names: Iterable[str]) -> list[Exemption]:
    """Return the bridge ports that `[isolation] uplinks` names."""
    return [Exemption(who="the rest of the network", home=name) for name in names]


def configured(texts: Iterable[str], who: str, setting: str) -> list[Exemption]:
    """Return the exemptions that a person wrote down.

    Args:
        texts: MACs, IPs and networks.
        who: What they are, for people.
        setting: Where they are written.

    Raises:
        ConfigError: One is neither a MAC nor an IP nor a network.
    """
    return [_configured(text, who, setting) for text in texts]


def _configured(text: str, who: str, setting: str) -> Exemption:
    try:
        return Exemption(who=who, network=str(ipaddress.ip_network(text, strict=False)))
    except ValueError:
        mac = text.lower().replace("-", ":")
    if _MAC.fullmatch(mac):
        return Exemption(who=who, mac=mac)
    message = f"{setting}: {text!r} is neither a MAC nor an IP nor a network"
    raise ConfigError(message)


def written_down(texts: Iterable[str]) -> list[Exemption]:
    """Return whom `[policy] exempt` names.

    Raises:
        ConfigError: One is neither a MAC nor an IP nor a network.
    """
    return configured(texts, WRITTEN_DOWN, "policy.exempt")
