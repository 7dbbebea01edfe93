"""An isolation goes as far as it may: modes, budget, exemptions."""

import pytest

from agent.config import PolicyConfig
from agent.effects import Isolate
from agent.policy import (
    Policy,
)
from contract.messages import Isolation
from runtime.errors import ConfigError
from tests.agent.policy_runs import (
    MAC,
    SECOND,
    Run,
    messages,
    modes,
    opened,
    verdict,
)

# --- strikes


def test_observing_never_isolates() -> None:
    run = opened(Run(mode="observe"), 20)
    assert not [effect for effect in run.effects if isinstance(effect, Isolate)]
    assert modes(run) == ["simulated"] * 20


def test_suggesting_never_isolates() -> None:
    run = opened(Run(mode="suggest"), 3)
    assert not [effect for effect in run.effects if isinstance(effect, Isolate)]
    assert modes(run) == ["suggested"] * 3


def test_enforcing_isolates_once_for_each_alert() -> None:
    run = Run(mode="enforce")
    run.strike(*(verdict(at) for at in range(20)))
    (isolation,) = run.isolations()
    (alert, *_) = run.alerts()
    assert isolation.state == "applied"
    assert isolation.alert_id == alert.alert_id
    assert isolation.isolated_mac == MAC
    assert isolation.isolated_ip is None


def test_what_is_applied_is_not_published_before_it_was_read_back() -> None:
    run = opened(Run(mode="enforce"))
    assert not [m for m in messages(run.effects) if isinstance(m, Isolation)]


def test_an_isolation_ends_by_itself() -> None:
    run = opened(Run(mode="enforce", isolation_s=90))
    (isolation,) = run.isolations()
    assert isolation.expires_ns - isolation.isolated_ns == 90 * SECOND


def test_the_budget_of_an_hour_is_kept_and_the_rest_suggested() -> None:
    run = opened(Run(mode="enforce", max_isolations_per_hour=3), 10)
    assert sorted(modes(run)) == ["applied"] * 3 + ["suggested"] * 7
    assert run.policy.dropped["policy.over_budget"] == 7
    opened(run, at=3610)
    assert modes(run).count("applied") == 4


def test_a_clock_that_was_set_back_does_not_use_up_the_budget() -> None:
    run = opened(Run(mode="enforce", max_isolations_per_hour=1), at=100_000)
    opened(run, at=0)
    assert modes(run) == ["applied", "applied"]


def test_the_mode_can_change_while_it_runs() -> None:
    run = Run(mode="observe")
    run.policy.mode = "enforce"
    opened(run)
    assert modes(run) == ["applied"]


@pytest.mark.parametrize(
    "exempt",
    [
        MAC,
        MAC.upper(),
        MAC.replace(":", "-"),
        "192.168.1.66",
        "192.168.1.0/24",
        "192.168.1.77/24",
        "0.0.0.0/0",
    ],
)
def test_who_is_exempt_is_reported_and_never_isolated(exempt: str) -> None:
    run = Run(mode="enforce", exempt=["2001:db8::/32", exempt])
    run.strike(verdict(0), verdict(1))
    assert len(run.alerts()) == 1
    assert modes(run) == ["simulated"]
    assert run.isolations()[0].detail == WOULD_HAVE


WOULD_HAVE = "would have isolated, but it is exempt by [policy] exempt"


@pytest.mark.parametrize("exempt", ["02:00:00:00:00:99", "192.168.2.0/24", "::/0", "192.168.1.6"])
def test_exempting_somebody_else_changes_nothing(exempt: str) -> None:
    run = Run(mode="enforce", exempt=[exempt])
    run.strike(verdict(0), verdict(1))
    assert modes(run) == ["applied"]


def test_an_ipv6_network_can_be_exempt() -> None:
    run = Run(mode="enforce", exempt=["2001:db8::/32"])
    run.strike(*(verdict(at, src_ip="2001:db8::7") for at in (0, 1)))
    assert modes(run) == ["simulated"]


@pytest.mark.parametrize("exempt", ["gateway", "192.168.1", "02:00:00", "", "02:00:00:00:00:0g"])
def test_an_exemption_that_means_nothing_is_refused_by_name(exempt: str) -> None:
    with pytest.raises(ConfigError, match=r"policy\.exempt: '.*' is neither a MAC"):
        Policy(PolicyConfig(exempt=[exempt]), "pi-1", "model-1")


def test_exemptions_cost_no_budget() -> None:
    run = Run(mode="enforce", exempt=["192.168.1.66"], max_isolations_per_hour=1)
    run.strike(verdict(0), verdict(1))
    opened(run, src_ip="192.168.1.9")
    assert sorted(modes(run)) == ["applied", "simulated"]


def test_a_host_behind_a_router_is_isolated_by_its_ip() -> None:
    run = Run(mode="enforce")
    remote = "203.0.113.5"
    run.strike(*(verdict(at, host=remote, src_ip=remote) for at in (0, 1)))
    (isolation,) = run.isolations()
    assert (isolation.host, isolation.isolated_ip, isolation.isolated_mac) == (
        remote,
        remote,
        None,
    )


def test_many_hosts_that_were_judged_together_are_never_isolated_together() -> None:
    run = Run(mode="enforce")
    run.strike(*(verdict(at, host="00:00:00:00:00:00", src_ip=None) for at in (0, 1)))
    assert len(run.alerts()) == 1
    assert run.isolations() == []
