"""Whatever happens in whatever order: nobody exempt is cut off, and nobody past the end of a lease."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from contract.attacks import AttackType
from contract.cuts import Part
from tests.agent.isolation.lab import Lab
from tests.agent.isolation.world import (
    ELSEWHERE,
    GATEWAY,
    HOME,
    HOSTS,
    SECOND_NS,
    TICKS_NS,
    NftWorld,
    World,
)

MACS = st.sampled_from(HOSTS)
ATTACKS = st.sampled_from(["Scan", "DOS", "BruteForce"])
PORTS = st.sampled_from([HOME, HOME, ELSEWHERE])
FLOWS = [(HOSTS[0], 22), (HOSTS[1], 22), (HOSTS[1], 23)]
PARTS = st.none() | st.sampled_from(
    [
        Part(kind="rate"),
        Part(kind="pair", peer_mac=HOSTS[0]),
        Part(kind="pair", peer_ip="10.77.0.1"),
        Part(kind="flow", peer_mac=HOSTS[1], protocol="tcp", port=22),
    ]
)
AIMS = st.none() | st.sampled_from(
    [Part(kind="flow", peer_mac=mac, protocol="tcp", port=port) for mac, port in FLOWS]
)
SEQUENCES = 1000  # of each kind


class AnySequence(RuleBasedStateMachine):
    """An agent in a world where all of this happens at once."""

    def __init__(self, world: World | None = None) -> None:
        super().__init__()
        self.world = world or World()

    def teardown(self) -> None:
        self.world.close()

    @rule(host=MACS, attack=ATTACKS, port=PORTS, aimed_at=AIMS)
    def a_host_attacks(
        self, host: str, attack: AttackType, port: str, aimed_at: Part | None
    ) -> None:
        self.world.attack(host, attack, port, aimed_at)

    @rule(host=MACS, attack=ATTACKS, aims=st.lists(AIMS, min_size=2, max_size=4))
    def a_host_goes_on_attacking(
        self, host: str, attack: AttackType, aims: list[Part | None]
    ) -> None:
        for aimed_at in aims:
            self.world.attack(host, attack, HOME, aimed_at)
            self.world.wait(5)

    @rule(host=MACS, seconds=st.integers(60, 90_000), part=PARTS)
    def a_person_isolates(self, host: str, seconds: int, part: Part | None) -> None:
        self.world.command(host, seconds, part)

    @rule(which=st.integers(0, 100))
    def a_person_lifts(self, which: int) -> None:
        known = sorted(self.world.until)
        if known:
            self.world.lift(known[which % len(known)])

    @rule(host=MACS | st.none())
    def a_person_releases_on_the_box(self, host: str | None) -> None:
        self.world.release_on_the_box(host)
        assert not [key for key in self.world.cut_off() if host in {key[0], None}]

    @rule()
    def the_agent_dies_and_comes_back(self) -> None:
        self.world.start()

    @rule()
    def the_box_reboots(self) -> None:
        self.world.reboot()

    @rule()
    def somebody_flushes_the_ruleset(self) -> None:
        self.world.flush()

    @rule(seconds=st.integers(-90_000, 90_000))
    def the_clock_is_set(self, seconds: int) -> None:
        self.world.step_ns += seconds * SECOND_NS

    @rule(seconds=st.integers(1, 4000))
    def time_passes(self, seconds: int) -> None:
        self.world.wait(seconds)

    @rule(host=st.sampled_from(HOSTS[1:]))
    def a_host_becomes_exempt_or_ceases_to_be(self, host: str) -> None:
        if self.world.exempt.pop(host, None) is None:
            self.world.exempt[host] = "a DNS server"
        self.world.run(self.world.guard.refresh())
        # Of what the agent before this one cut off, this one knows when it has settled.
        self.world.settle()

    @rule()
    def the_kernel_refuses_for_a_while(self) -> None:
        self.world.kernel.refuses = True
        self.world.settle()
        self.world.command(HOSTS[4], 60)
        self.world.kernel.refuses = False

    @rule()
    def the_agent_settles(self) -> None:
        self.world.settle()
        self.world.settle()
        assert set(self.world.cut_off()) == self.world.wanted()

    @invariant()
    def nobody_is_cut_off_who_is_exempt_or_past_the_end_of_a_lease(self) -> None:
        for (mac, _, port, _), isolation_id in self.world.cut_off().items():
            borrowed = mac == GATEWAY and port == ELSEWHERE
            assert mac not in self.world.exempt or borrowed
            assert self.world.true_ns < self.world.until[isolation_id] + TICKS_NS

    @invariant()
    def what_ends_without_any_program_ends_in_time(self) -> None:
        for isolation_id, ends_ns in self.world.ends().items():
            assert ends_ns <= self.world.until[isolation_id] + TICKS_NS


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_same_holds_on_the_real_kernel(built: Lab) -> None:
    class OnNft(AnySequence):
        def __init__(self) -> None:
            super().__init__(NftWorld(built))

    run_state_machine_as_test(
        OnNft,
        settings=settings(
            max_examples=SEQUENCES, stateful_step_count=12, deadline=None, phases=[Phase.generate]
        ),
    )


TestAnySequence = pytest.mark.slow(pytest.mark.timeout(300)(AnySequence.TestCase))
TestAnySequence.settings = settings(
    max_examples=SEQUENCES,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
