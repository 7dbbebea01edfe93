"""Whom a cut would hit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.exempt import (
    MAX_EXEMPTIONS,
    ON_LINK,
    THIS_BOX,
    WRITTEN_DOWN,
    Exempt,
    Exemption,
    written_down,
)

ROUTER = "02:00:00:00:00:01"
OURS = "02:00:00:00:00:fe"
STRANGER = "02:00:00:00:00:66"
EXEMPT = Exempt(
    [
        Exemption(who="the gateway", mac=ROUTER, home="lan1"),
        Exemption(who="the gateway", network="192.168.1.1"),
        Exemption(who=THIS_BOX, mac=OURS, home=THIS_BOX),
        Exemption(who="a DNS server", network="2001:db8::53"),
        Exemption(who=WRITTEN_DOWN, mac="02:00:00:00:00:05"),
        Exemption(who="exempt by hand", network="10.9.0.0/16"),
        Exemption(who=ON_LINK, network="192.168.1.0/24", on_link=True),
    ]
)


@pytest.mark.parametrize(
    ("mac", "ip", "bridge_port", "who"),
    [
        (ROUTER, None, None, "the gateway"),
        (ROUTER, None, "lan1", "the gateway"),
        (ROUTER, "192.168.1.66", None, "the gateway"),
        (STRANGER, "192.168.1.1", None, "the gateway"),
        (None, "192.168.1.1", None, "the gateway"),
        (None, "192.168.1.66", None, ON_LINK),
        (None, "2001:DB8:0::53", None, "a DNS server"),
        (None, "10.9.200.1", None, "exempt by hand"),
        (OURS, None, None, THIS_BOX),
        ("02:00:00:00:00:05", None, None, WRITTEN_DOWN),
        (None, None, "lan1", "the way to the gateway"),
        ("ff:ff:ff:ff:ff:ff", None, "lan2", "no single host"),
        ("01:00:5e:00:00:fb", None, None, "no single host"),
        ("00:00:00:00:00:00", None, None, "no single host"),
        (None, "224.0.0.251", None, "no single host"),
        (None, "::", None, "no single host"),
        (None, "127.0.0.1", None, "no single host"),
        (STRANGER, "192.168.1.66", None, None),
        (STRANGER, None, "lan1", None),
        (None, "203.0.113.66", None, None),
        (None, None, "lan2", None),
    ],
)
def test_a_cut_that_hits_the_exempt_names_whom(mac, ip, bridge_port, who):
    assert EXEMPT.why(mac, ip, bridge_port) == who


@pytest.mark.parametrize("mac", [ROUTER, OURS])
def test_a_mac_is_not_its_owner_at_a_port_where_the_owner_does_not_live(mac):
    assert EXEMPT.why(mac, None, "lan2") is None


def test_a_port_is_not_cut_while_it_is_unknown_where_somebody_needed_lives():
    lost = Exempt([Exemption(who="the gateway", mac=ROUTER)])
    assert lost.why(None, None, "lan2") == "perhaps the way to the gateway"
    assert lost.why(STRANGER) is None
    assert Exempt(written_down([ROUTER])).why(None, None, "lan2") is None


def test_a_mac_whose_home_is_unknown_may_be_its_owner_at_every_port():
    assert EXEMPT.why("02:00:00:00:00:05", None, "lan2") == WRITTEN_DOWN


def test_a_home_is_known_whichever_of_two_reasons_tells_it():
    first = Exemption(who="exempt by hand", mac=ROUTER)
    both = Exempt([first, Exemption(who="the gateway", mac=ROUTER, home="lan1")])
    assert both.why(ROUTER) == "exempt by hand"
    assert both.why(ROUTER, None, "lan2") is None


def test_the_exempt_are_bounded():
    many = (Exemption(who="x", network=f"10.0.{n >> 8}.{n & 255}") for n in range(5000))
    assert len(Exempt(many).exemptions) == MAX_EXEMPTIONS


MACS = st.sampled_from([ROUTER, OURS, STRANGER, None])
IPS = st.sampled_from(["192.168.1.1", "10.9.0.7", "192.168.1.66", None])
PORTS = st.sampled_from(["lan1", "lan2", None])


@given(mac=MACS, ip=IPS, port=PORTS)
def test_no_cut_that_is_allowed_takes_a_frame_from_or_to_an_exempt_host(mac, ip, port):
    """Walk through the frames of the exempt, as the rules of the kernel match them."""
    if EXEMPT.why(mac, ip, port) is not None or mac == ip == port is None:
        return
    alone = mac is None and ip is None
    for owner_mac, owner_ip, home in ((ROUTER, "192.168.1.1", "lan1"), (OURS, "", THIS_BOX)):
        by_mac = mac == owner_mac and port in {None, home}
        assert not by_mac
        assert ip != owner_ip
        assert not (alone and port == home)
