"""The name of a flow is the one that other tools give it."""

import json
from pathlib import Path
from typing import Any

import pytest

from contract.community_id import community_id
from contract.messages import Flow

# The numbers that the specification publishes, by seed.
VECTORS = json.loads((Path(__file__).parent.parent / "golden" / "community_ids.json").read_text())


def flow(protocol: int, source: str, target: str, src_port: int = 0, dst_port: int = 0) -> Flow:
    return Flow(
        protocol=protocol,
        src_ip=source,
        dst_ip=target,
        src_port=src_port,
        dst_port=dst_port,
        packets=1,
    )


@pytest.mark.parametrize("vector", VECTORS)
def test_a_flow_has_the_name_that_the_specification_publishes(vector: list[Any]):
    seed, *ends, name = vector
    assert community_id(flow(*ends), seed) == name


def test_the_published_names_are_of_every_kind():
    assert {vector[1] for vector in VECTORS} == {1, 6, 17, 46, 58, 132}
    assert {vector[0] for vector in VECTORS} == {0, 1}


def test_both_directions_have_one_name_unless_the_message_has_no_reply():
    there, back = flow(6, "10.0.0.2", "10.0.0.1", 4, 5), flow(6, "10.0.0.1", "10.0.0.2", 5, 4)
    assert community_id(there) == community_id(back)
    unreachable = flow(1, "10.0.0.2", "10.0.0.1", 3, 1)
    assert community_id(unreachable) == "1:JHjlyD5IJJjl3wHWOMj46lLWZag="  # by pycommunityid 1.5
    assert community_id(flow(1, "10.0.0.1", "10.0.0.2", 3, 1)) != community_id(unreachable)


def test_the_code_of_a_request_or_reply_does_not_matter():
    ask, answer = flow(1, "10.0.0.2", "10.0.0.1", 8, 7), flow(1, "10.0.0.1", "10.0.0.2", 0, 0)
    assert community_id(ask) == community_id(answer)


@pytest.mark.parametrize("other", ["2001:db8::1", "1.2.3", "...", ":::::"])
def test_what_are_no_two_addresses_of_one_kind_has_no_name(other: str):
    assert community_id(flow(6, "10.0.0.1", other, 1, 2)) is None
