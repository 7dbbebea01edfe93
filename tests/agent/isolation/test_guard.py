from agent.errors import IsolationError
from agent.exempt import Exempt, Exemption
from agent.isolation.desired import DesiredIsolations
from agent.isolation.guard import Guard
from tests.agent.isolation.desired_runs import macs, wanted


class Neighbourhood:
    """Who is exempt, as it changes."""

    def __init__(self) -> None:
        self.exempt = [Exemption(who="the gateway", mac="02:00:00:00:00:01", home="lan1")]

    async def look(self) -> Exempt:
        return Exempt(self.exempt)


async def test_an_exempt_host_is_refused_whoever_asks_and_others_are_not(enforcer, clock, file):
    guard = Guard(enforcer, Neighbourhood().look)
    desired = DesiredIsolations(guard, file, clock, clock.passed)
    refused = await desired.isolate(wanted(1))
    assert (refused.state, refused.detail) == ("failed", "refused: it is the gateway")
    assert (await desired.isolate(wanted(2))).state == "verified"
    assert await macs(enforcer) == ["02:00:00:00:00:02"]
    assert await desired.settle() == []


async def test_who_becomes_exempt_while_isolated_is_let_go(enforcer, clock, file):
    around = Neighbourhood()
    guard = Guard(enforcer, around.look)
    desired = DesiredIsolations(guard, file, clock, clock.passed)
    await desired.isolate(wanted(2))
    around.exempt.append(Exemption(who="a DNS server", mac="02:00:00:00:00:02"))
    await guard.refresh()
    (told,) = await desired.settle()
    assert (told.state, told.detail) == ("lifted", "it is a DNS server")
    assert await macs(enforcer) == []
    assert desired.slipped == []  # it is no drift


async def test_nobody_is_isolated_while_it_is_not_known_who_is_exempt(enforcer, clock, file):
    async def blind() -> Exempt:
        message = "ip: No such file or directory"
        raise IsolationError(message)

    desired = DesiredIsolations(Guard(enforcer, blind), file, clock, clock.passed)
    failed = await desired.isolate(wanted(2))
    assert (failed.state, failed.detail) == ("failed", "ip: No such file or directory")
    assert await macs(enforcer) == []
