"""The packet filter files, loaded into a real kernel inside a namespace."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.isolation.nft_table import KINDS
from tests.firmware.namespaces import FIRMWARE, in_namespace
from tests.tools import require

NFTABLES = FIRMWARE / "nftables"
BASE = NFTABLES / "edgewarden-base.nft"
REMOVE = NFTABLES / "edgewarden-remove.nft"
AGGREGATOR = NFTABLES / "edgewarden-aggregator.nft"

# Two hosts on a bridge of this box, the smallest network in which somebody can be cut off.
TWO_HOSTS = """
wait_for() { for _ in $(seq 100); do if "$@"; then return 0; fi; sleep 0.05; done; return 1; }
elsewhere() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
children=()
trap 'kill "${children[@]}"' EXIT
host() {
  unshare --net sleep 30 >/dev/null 2>&1 & pid=$!
  children+=("$pid")
  wait_for elsewhere "$pid"
  ip link add "lan$1" type veth peer name eth0 netns "$pid"
  ip link set "lan$1" master br0 up
  nsenter --target "$pid" --net ip link set eth0 address "02:00:00:00:00:0$1" up
  nsenter --target "$pid" --net ip addr add "10.0.0.$1/24" dev eth0
}
alive() { nsenter --target "$1" --net ping -c 1 -W 0.5 "$2" >/dev/null; }
dead() { ! alive "$@"; }
ip link set lo up
ip link add br0 type bridge forward_delay 0 mcast_snooping 0
ip addr add 10.0.0.9/24 dev br0
ip link set br0 up
host 1; first=$pid
host 2; second=$pid
nft -f "$1"
wait_for alive "$first" 10.0.0.2
"""


@pytest.fixture(autouse=True)
def tools() -> None:
    for program, package in (("nft", "nftables"), ("ip", "iproute2"), ("ping", "iputils-ping")):
        require(program, package=package)


def ruleset(script: str) -> list[dict[str, Any]]:
    objects = json.loads(in_namespace(script + "\nnft -j list ruleset", BASE, REMOVE))
    return [entry for entry in objects["nftables"] if "metainfo" not in entry]


@pytest.mark.parametrize("file", sorted(NFTABLES.glob("*.nft")), ids=lambda path: path.name)
def test_nft_accepts_the_file(file: Path):
    in_namespace('[ "$2" = "$1" ] || nft -f "$1"; nft -c -f "$2"', BASE, file)


def test_nft_would_refuse_a_misspelt_rule():
    with pytest.raises(AssertionError, match="syntax error"):
        in_namespace('sed "s/policy drop/polity drop/" "$1" | nft -c -f -', BASE)


def test_loading_twice_is_the_same_as_loading_once():
    def without_handles(objects: list[dict[str, Any]]) -> list[Any]:
        return [
            {key: value for key, value in body.items() if key != "handle"}
            for entry in objects
            for body in entry.values()
        ]

    once, twice = ruleset('nft -f "$1"'), ruleset('nft -f "$1"; nft -f "$1"')
    key = json.dumps
    assert sorted(without_handles(once), key=key) == sorted(without_handles(twice), key=key)


def test_a_reload_keeps_the_isolations_in_force():
    kept = ruleset("""
        nft -f "$1"
        nft add element bridge edgewarden isolated_macs '{ 02:00:00:00:00:01 timeout 60s }'
        nft -f "$1"
    """)
    sets = [entry["set"] for entry in kept if "set" in entry]
    (isolated,) = [one for one in sets if one["name"] == "isolated_macs"]
    assert isolated["elem"][0]["elem"]["val"] == "02:00:00:00:00:01"


def test_tables_of_others_are_left_alone_and_removal_is_complete_and_repeatable():
    left = ruleset("""
        nft add table inet somebody_elses
        nft -f "$1"
        nft -f "$2"
        nft -f "$2"
    """)
    assert [entry["table"]["name"] for entry in left] == ["somebody_elses"]


def test_every_isolation_set_is_bounded_and_lets_its_elements_expire():
    sets = [entry["set"] for entry in ruleset('nft -f "$1"') if "set" in entry]
    isolation_sets = [one for one in sets if one["table"] == "edgewarden"]
    assert len(isolation_sets) == len(KINDS)
    assert all("timeout" in one["flags"] and one["size"] == 4096 for one in isolation_sets)


def test_the_aggregators_file_opens_its_two_ports():
    answer = in_namespace(
        'nft -f "$1"; nft -f "$2"; nft -j list set inet edgewarden_base tcp_services',
        BASE,
        AGGREGATOR,
    )
    (services,) = [entry["set"] for entry in json.loads(answer)["nftables"] if "set" in entry]
    assert services["elem"] == [22, 8000, 8883]


@pytest.mark.parametrize(
    ("where", "who"),
    [
        ("isolated_macs", "02:00:00:00:00:01"),
        ("isolated_port_macs", '"lan1" . 02:00:00:00:00:01'),
        ("isolated_mac_pairs", "02:00:00:00:00:01 . 02:00:00:00:00:02"),
        ("isolated_ipv4", "10.0.0.1"),
        ("isolated_ipv4_pairs", "10.0.0.1 . 10.0.0.2"),
    ],
)
def test_an_isolated_host_is_cut_off(where: str, who: str):
    in_namespace(
        TWO_HOSTS
        + """
        nft add element bridge edgewarden "$2" "{ $3 timeout 60s }"
        dead "$first" 10.0.0.2
        nft flush set bridge edgewarden "$2"
        alive "$first" 10.0.0.2
        """,
        BASE,
        where,
        who,
    )


def test_the_kernel_lets_an_isolated_host_go_by_itself():
    in_namespace(
        TWO_HOSTS
        + """
        nft add element bridge edgewarden isolated_macs '{ 02:00:00:00:00:01 timeout 2s }'
        dead "$first" 10.0.0.2
        wait_for alive "$first" 10.0.0.2
        """,
        BASE,
    )


def test_an_isolated_host_does_not_reach_this_box_either_and_its_neighbour_does():
    in_namespace(
        TWO_HOSTS
        + """
        nft add element bridge edgewarden isolated_macs '{ 02:00:00:00:00:01 timeout 60s }'
        dead "$first" 10.0.0.9
        alive "$second" 10.0.0.9
        """,
        BASE,
    )


LISTEN = """
import socket, sys, time
listeners = [socket.create_server(("10.0.0.9", port)) for port in (22, 23)]
print("up", flush=True)
time.sleep(20)
"""


def test_this_box_answers_on_ssh_and_on_no_other_port(tmp_path: Path):
    reached = in_namespace(
        TWO_HOSTS
        + """
        python3 -c "$2" >"$3" 2>/dev/null & children+=("$!")
        wait_for grep -q up "$3"
        for port in 22 23; do
          if nsenter --target "$first" --net timeout 1 bash -c "exec 2>/dev/null </dev/tcp/10.0.0.9/$port"
          then echo "$port open"; else echo "$port closed"; fi
        done
        """,
        BASE,
        LISTEN,
        tmp_path / "ready",
    )
    assert reached.splitlines() == ["22 open", "23 closed"]
