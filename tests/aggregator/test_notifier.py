"""Who is told what: each thing once, soon, not too often, and nothing is lost or dropped in silence."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from aggregator.config import NotificationsConfig
from aggregator.notify import notifier as notifier_module
from aggregator.notify.address import KEY_FILE, Address, closed
from aggregator.notify.delivery import Delivery
from aggregator.notify.notifier import Notifier
from aggregator.notify.quiet import MINUTE_NS, Minute, QuietHours
from aggregator.seal import Seal, load_seal
from aggregator.store.alert_changes import (
    AlertChange,
    Undone,
    change_alerts,
    expire_decisions,
    new_change_id,
    take_back,
)
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.channels import ChannelRow, NewChannel, add_channel, find_channels
from aggregator.store.database import Database
from aggregator.store.devices import Added, Page
from aggregator.store.isolations import save_isolations
from aggregator.store.notifications import forget_notifications
from aggregator.store.reported import Reported
from contract.attacks import SEVERITIES, AttackType
from contract.messages import Alert, Isolation
from tests.aggregator.agents import until
from tests.aggregator.messages import BOOT, SECOND_NS, alert, isolation, now_ns
from tests.aggregator.people import ADA
from tests.aggregator.receivers import Receiver, receiver
from tests.aggregator.taking import save

SCAN = "medium: Scan by 192.168.1.7"
MITM = "critical: MITM by 192.168.1.7"
LENIENT = NotificationsConfig(allow_private=True, allow_plain=True)


class Told:
    """A notifier, what it works on, and how time goes on for it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.delivery = Delivery(LENIENT, load_seal(folder / KEY_FILE))
        self.notifier = Notifier(database, self.delivery)
        self.now_ns = now_ns()

    def restart(self) -> None:
        self.notifier = Notifier(self.database, self.delivery)

    async def channel(self, url: str, organization: str = "default", **settings: object) -> int:
        new = NewChannel(
            organization=organization,
            name="on call",
            kind="webhook",
            target="somewhere",
            sealed=self.delivery.sealed(organization, Address(url, "key")),
            severities=list(SEVERITIES),
            attack_types=[],
            per_minute=60,
            quiet=None,
            recovery=True,
            created_by="ada",
        )
        new = msgspec.structs.replace(new, **settings)
        return (await self.database.change(Added, add_channel(new, self.now_ns)))[0].id

    async def quiet_channel(self, url: str) -> None:
        """Add a channel whose quiet hours begin now, and last for an hour."""
        self.now_ns -= self.now_ns % (3600 * SECOND_NS)
        hour = time.gmtime(self.now_ns // SECOND_NS).tm_hour
        hours = {"from": f"{hour:02}:00", "until": f"{(hour + 1) % 24:02}:00"}
        await self.channel(url, quiet=msgspec.json.encode(hours).decode())

    async def state(self, channel_id: int, organization: str = "default") -> ChannelRow:
        return (await find_channels(self.database, organization, Page(), channel_id))[0]

    async def alerts(self, *alerts: Alert, organization: str = "default") -> None:
        told = [Reported(organization, "pi", BOOT, now_ns(), each) for each in alerts]
        await save(self.database, told)

    async def isolated(self, told: Isolation) -> None:
        await self.database.write(
            save_isolations([Reported("default", "pi", BOOT, now_ns(), told)])
        )

    async def resolve(self, number: int = 1, *, for_s: float | None = None) -> str:
        until_ns = None if for_s is None else self.now_ns + int(for_s * SECOND_NS)
        change = AlertChange(status="resolved", expires_ns=until_ns)
        return await self._decide(number, change)

    async def undo(self, change_id: str) -> None:
        undone = take_back(ADA, new_change_id(), change_id, "r", self.now_ns)
        assert await self.database.change(Undone, *undone)

    async def reopen(self, number: int = 1) -> None:
        await self._decide(number, AlertChange(status="active"))

    async def put_off(self, number: int = 1, *, for_s: float = 0.0) -> None:
        """Decide about an alert for so long from now on."""
        until_ns = self.now_ns + int(for_s * SECOND_NS)
        await self._decide(number, AlertChange(status="acknowledged", expires_ns=until_ns))

    async def _decide(self, number: int, change: AlertChange) -> str:
        wanted = AlertFilter(alert_ids=[alert(number).alert_id])
        (row,) = await find_alerts(self.database, "default", wanted, limit=1)
        change_id = new_change_id()
        await self.database.write(*change_alerts(ADA, change_id, [row.id], change, self.now_ns))
        return change_id

    async def expire(self) -> None:
        expired = expire_decisions("default", new_change_id(), self.now_ns, 200)
        await self.database.write(*expired)

    async def look(self, seconds: float = 0.0) -> None:
        """Let time pass and the notifier look, and wait until it has sent what is due."""
        self.now_ns += int(seconds * SECOND_NS)
        async with asyncio.TaskGroup() as tasks:
            await self.notifier.look(tasks, self.now_ns)


@pytest.fixture
def told(database: Database, tmp_path: Path) -> Told:
    return Told(database, tmp_path)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as there:
        yield there


async def test_an_alert_is_told_once_however_often_it_is_reported(told: Told, there: Receiver):
    await told.channel(there.url)
    await told.alerts(alert(1))
    await told.look()
    await told.alerts(alert(1, windows=9))
    await told.look(1)
    told.restart()
    await told.look(1)
    assert there.events() == [("alert", SCAN)]
    notice = there.received[0].notice
    assert notice["alert"]["alert_id"] == alert(1).alert_id
    assert "tried 240 ports" in notice["text"]
    assert there.received[0].headers["x-edgewarden-delivery"] == notice["id"]


async def test_an_alert_that_turns_out_graver_is_told_again(told: Told, there: Receiver):
    await told.channel(there.url, severities=["critical"])
    await told.alerts(alert(1))
    await told.look()
    assert not there.received
    await told.alerts(alert(1, attack_type="MITM"))
    await told.look(1)
    for attack_type in ("Scan", "MITM"):
        await told.alerts(alert(1, attack_type=attack_type))
        await told.look(1)
    assert there.events() == [("alert", "critical: MITM by 192.168.1.7")]


async def test_a_channel_is_told_what_it_wants_of_its_own_organization(
    told: Told, there: Receiver
):
    await told.alerts(alert(8, attack_type="DOS"))  # before there was a channel
    channel_id = await told.channel(there.url, attack_types=["DOS"])
    await told.alerts(alert(1), alert(2, attack_type="DOS"))
    await told.alerts(alert(3, attack_type="DOS"), organization="elsewhere")
    await told.look()
    assert [each.notice["alert"]["alert_id"] for each in there.received] == [alert(2).alert_id]
    assert (await told.state(channel_id)).sent == 1


async def test_what_is_too_much_for_a_minute_is_told_as_and_so_many_more(
    told: Told, there: Receiver
):
    channel_id = await told.channel(there.url, per_minute=3)
    await told.alerts(*map(alert, range(1, 15)), alert(15, attack_type="DOS"))
    await told.look()
    assert there.events() == [("alert", SCAN)] * 3
    await told.look(30)
    assert len(there.received) == 3
    await told.look(31)
    notice = there.received[-1].notice
    assert (notice["event"], notice["more"]) == ("more", {"Scan": 11, "DOS": 1})
    assert notice["text"].startswith("and 12 more alerts since ")
    assert notice["text"].endswith("11 Scan, 1 DOS; the gravest is medium")
    await told.look(61)
    assert len(there.received) == 4
    state = await told.state(channel_id)
    assert (state.sent, state.withheld, state.queued, state.dropped) == (4, 12, 0, 0)


async def test_a_flood_of_small_alerts_holds_back_nothing_that_is_critical(
    told: Told, there: Receiver
):
    channel_id = await told.channel(there.url, per_minute=3)
    await told.alerts(*map(alert, range(1, 6)))
    await told.look()
    await told.alerts(*(alert(number, attack_type="MITM") for number in range(10, 15)))
    await told.look(1)
    assert there.events() == [("alert", SCAN)] * 3 + [("alert", MITM)] * 3  # it has a bound, too
    await told.look(61)
    assert there.received[-1].notice["more"] == {"Scan": 2, "MITM": 2}
    assert (await told.state(channel_id)).withheld == 4


async def test_what_is_over_takes_no_turn_of_what_is_critical(told: Told, there: Receiver):
    await told.channel(there.url, per_minute=1)
    await told.alerts(alert(1, attack_type="MITM"))
    await told.look()
    await told.alerts(alert(2))  # takes the turn of all else
    await told.look(61)
    await told.resolve(1)
    await told.look(6)
    await told.alerts(alert(3, attack_type="MITM"))
    await told.look(1)
    assert there.events() == [("alert", MITM), ("alert", SCAN), ("alert", MITM)]


async def test_in_quiet_hours_only_what_is_critical_is_told_and_the_rest_afterwards(
    told: Told, there: Receiver
):
    await told.quiet_channel(there.url)
    await told.alerts(alert(1), alert(2, attack_type="MITM"), alert(3))
    await told.look()
    await told.look(120)
    assert there.events() == [("alert", "critical: MITM by 192.168.1.7")]
    await told.look(3600)
    assert there.events()[1:] == [("more", "More alerts")]
    assert there.received[1].notice["more"] == {"Scan": 2}


async def test_an_alert_that_was_put_off_is_told_again_each_time_its_time_is_over(
    told: Told, there: Receiver
):
    await told.channel(there.url)
    await told.alerts(alert(1), alert(2))
    await told.look()
    for _ in range(2):
        await told.put_off(1, for_s=60)
        await told.look(59)
        await told.expire()
        await told.look()
        assert there.events()[2:] == []
        await told.look(2)
        await told.expire()
        for _ in range(3):
            await told.look(3)
        told.restart()
        await told.look(3)
        assert there.events()[2:] == [("reopened", "Active again: medium, Scan by 192.168.1.7")]
        del there.received[2:]


async def test_what_somebody_made_active_again_is_told_to_nobody(told: Told, there: Receiver):
    await told.channel(there.url)
    await told.alerts(alert(1))
    await told.look()
    await told.put_off(1, for_s=60)
    await told.reopen(1)
    await told.look(3)
    assert there.events() == [("alert", SCAN)]


async def test_what_became_active_again_waits_for_the_end_of_quiet_hours(
    told: Told, there: Receiver
):
    await told.quiet_channel(there.url)
    await told.alerts(alert(1), alert(2, attack_type="MITM"), alert(3))
    for number in (1, 2, 3):
        await told.put_off(number, for_s=1)
    await told.look()
    await told.look(1)
    await told.expire()
    await told.look(60)
    assert there.events() == [
        ("alert", MITM),
        ("reopened", "Active again: critical, MITM by 192.168.1.7"),
    ]
    await told.resolve(3)
    await told.look(3600)
    assert ("reopened", "Active again: medium, Scan by 192.168.1.7") in there.events()[2:]
    assert [event for event, _ in there.events()[2:]].count("reopened") == 1


@pytest.mark.parametrize("how", ["by the device", "by a person"])
async def test_what_was_told_is_told_to_be_over_once(told: Told, there: Receiver, how: str):
    await told.channel(there.url)
    await told.alerts(alert(1), alert(2))
    await told.look()
    if how == "by a person":
        await told.resolve(1)
    else:
        await told.alerts(alert(1, state="closed"))
    for _ in range(3):
        await told.look(6)
    told.restart()
    await told.look(6)
    assert there.events()[2:] == [("recovered", "Over: Scan by 192.168.1.7")]


@pytest.mark.parametrize("how", ["taken back", "by a person", "by its time", "by the device"])
async def test_what_was_told_to_be_over_and_is_active_again_is_told_and_each_end_after_it(
    told: Told, there: Receiver, how: str
):
    classes: Iterator[AttackType] = iter(("DOS", "BruteForce"))
    attack_type: AttackType = "Scan"
    await told.channel(there.url)
    await told.alerts(alert(1), alert(2))
    await told.look()
    del there.received[:]
    for _ in range(2):
        change_id = await told.resolve(1, for_s=60 if how == "by its time" else None)
        await told.look(3)
        over = ("recovered", f"Over: {attack_type} by 192.168.1.7")
        begun = ("reopened", f"Active again: medium, {attack_type} by 192.168.1.7")
        if how == "taken back":
            await told.undo(change_id)
        elif how == "by a person":
            await told.reopen(1)
        elif how == "by its time":
            await told.look(60)
            await told.expire()
        else:
            attack_type = next(classes)
            begun = ("alert", f"medium: {attack_type} by 192.168.1.7")
            await told.alerts(alert(1, attack_type=attack_type))
        for _ in range(3):
            await told.look(3)
        told.restart()
        await told.look(3)
        assert there.events() == [over, begun]
        del there.received[:]
    await told.alerts(alert(1, attack_type=attack_type, state="closed"))
    for _ in range(3):
        await told.look(3)
    assert there.events() == [("recovered", f"Over: {attack_type} by 192.168.1.7")]


async def test_what_turns_out_to_be_what_it_was_once_told_as_is_told_to_be_active_again(
    told: Told, there: Receiver
):
    await told.channel(there.url)
    for attack_type in ("Scan", "DOS", "Scan"):
        await told.alerts(alert(1, attack_type=attack_type))
        await told.look(3)
        await told.look(3)
        await told.resolve(1)
        await told.look(3)
    assert [event for event, _ in there.events()] == [
        *("alert", "recovered", "alert", "recovered", "reopened", "recovered"),
    ]


async def test_what_its_device_has_closed_stays_over_whatever_people_set(
    told: Told, there: Receiver
):
    await told.channel(there.url)
    await told.alerts(alert(1))
    await told.look()
    await told.alerts(alert(1, state="closed"))
    await told.look(3)
    await told.resolve(1)
    await told.look(3)
    await told.reopen(1)
    await told.look(3)
    assert [event for event, _ in there.events()] == ["alert", "recovered"]


async def test_who_wanted_to_look_again_is_told_so_though_the_device_has_closed_it(
    told: Told, there: Receiver
):
    await told.channel(there.url)
    await told.alerts(alert(1))
    await told.look()
    await told.resolve(1, for_s=60)
    await told.look(3)
    await told.alerts(alert(1, state="closed"))
    await told.look(60)
    await told.expire()
    for _ in range(3):
        await told.look(3)
    assert there.events()[2:] == [("expired", "Look again: medium, Scan by 192.168.1.7")]
    await told.resolve(1)
    for _ in range(3):
        await told.look(3)
    assert there.events()[3:] == [("recovered", "Over: Scan by 192.168.1.7")]


async def test_what_was_withheld_since_it_was_over_is_told_with_the_others_and_not_anew(
    told: Told, there: Receiver
):
    await told.channel(there.url, per_minute=1)
    await told.alerts(alert(1))
    await told.look()
    await told.resolve(1)
    await told.look(61)
    await told.alerts(alert(1, attack_type="DOS"))
    await told.look(3)
    for seconds in (61, 61, 3 * 24 * 3600):
        await told.look(seconds)
        await told.database.write(forget_notifications(0, told.now_ns - 2 * 24 * 3600 * SECOND_NS))
    await told.look(61)
    assert [event for event, _ in there.events()] == ["alert", "recovered", "more"]


async def test_a_channel_that_is_not_told_of_ends_is_not_told_that_it_goes_on(
    told: Told, there: Receiver
):
    await told.channel(there.url, recovery=False)
    await told.alerts(alert(1))
    await told.look()
    await told.resolve(1)
    await told.look(3)
    await told.reopen(1)
    await told.look(3)
    assert there.events() == [("alert", SCAN)]


async def test_what_may_not_be_told_in_quiet_hours_holds_back_nothing_that_is_critical(
    told: Told, there: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(notifier_module, "EACH_TIME", 1)
    told.now_ns -= told.now_ns % (3600 * SECOND_NS)
    hour = time.gmtime(told.now_ns // SECOND_NS).tm_hour
    hours = {"from": f"{(hour + 1) % 24:02}:00", "until": f"{(hour + 2) % 24:02}:00"}
    await told.channel(there.url, quiet=msgspec.json.encode(hours).decode())
    await told.alerts(alert(1), alert(2, attack_type="MITM"))
    for _ in range(2):
        await told.look()
    await told.resolve(1)
    await told.resolve(2)
    await told.look(3600)
    await told.look(3)
    assert there.events()[2:] == [("recovered", "Over: MITM by 192.168.1.7")]


async def test_that_a_host_is_let_go_is_told_once(told: Told, there: Receiver):
    await told.channel(there.url)
    await told.alerts(alert(1))
    await told.isolated(isolation(1, alert_id=alert(1).alert_id))
    await told.look()
    await told.look(6)
    assert len(there.received) == 1
    await told.isolated(isolation(1, alert_id=alert(1).alert_id, state="lifted"))
    for _ in range(3):
        await told.look(6)
    assert there.events()[1:] == [("lifted", "No longer isolated: 192.168.1.7 (Scan)")]


async def test_what_was_never_told_is_not_told_to_be_over(told: Told, there: Receiver):
    await told.channel(there.url, per_minute=1)
    await told.channel(there.url, recovery=False)
    await told.alerts(alert(1))
    await told.look()
    await told.alerts(alert(2))
    await told.look(1)
    await told.resolve(1)
    await told.resolve(2)
    for _ in range(4):
        await told.look(61)
    events = [event for event, _ in there.events()]
    assert sorted(events) == ["alert", "alert", "alert", "more", "recovered"]


async def test_a_receiver_that_is_down_is_tried_again_ever_more_seldom_and_loses_nothing(
    told: Told, there: Receiver
):
    there.status = 503
    channel_id = await told.channel(there.url)
    await told.alerts(alert(1), alert(2))
    await told.look()
    await told.look(1)
    assert len(there.received) == 1
    assert (await told.state(channel_id)).last_error == "127.0.0.1 answered 503"
    await told.look(6)
    await told.look(1)
    assert len(there.received) == 2
    told.restart()
    there.status = 200
    await told.look(10)
    state = await told.state(channel_id)
    assert (state.sent, state.failed, state.queued, state.last_error) == (2, 0, 0, None)
    ids = [each.headers["x-edgewarden-delivery"] for each in there.received]
    assert ids[0] == ids[1] == ids[2] != ids[3]


async def test_what_cannot_be_delivered_is_given_up_counted_and_holds_back_nothing(
    told: Told, there: Receiver
):
    channel_id = await told.channel(there.url)
    there.status = 404
    await told.alerts(alert(1))
    await told.look()
    assert (await told.state(channel_id)).failed == 1
    there.status = 500
    await told.alerts(alert(2))
    for _ in range(notifier_module.MOST_TRIES):
        await told.look(301)
    state = await told.state(channel_id)
    assert (state.failed, state.queued) == (2, 0)
    there.status = 200
    await told.alerts(alert(3))
    await told.look(301)
    assert (await told.state(channel_id)).sent == 1


async def test_what_waits_for_one_receiver_is_bounded_and_what_is_dropped_counted(
    told: Told, there: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(notifier_module, "MOST_QUEUED", 5)
    there.status = 503
    channel_id = await told.channel(there.url)
    await told.alerts(*map(alert, range(1, 9)))
    await told.look()
    state = await told.state(channel_id)
    assert (state.queued, state.dropped, state.withheld) == (5, 3, 0)


async def test_what_waits_for_a_receiver_leaves_places_for_what_is_critical(
    told: Told, there: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(notifier_module, "MOST_QUEUED", 5)
    there.status = 503
    channel_id = await told.channel(there.url)
    await told.alerts(*map(alert, range(1, 9)))
    await told.look()
    await told.alerts(*(alert(number, attack_type="MITM") for number in range(10, 18)))
    await told.look(1)
    state = await told.state(channel_id)
    assert (state.queued, state.dropped) == (10, 6)


async def test_who_does_not_answer_keeps_nobody_else_waiting(told: Told, there: Receiver):
    with receiver() as slow:
        slow.go_on.clear()
        await told.channel(slow.url)
        await told.channel(there.url)
        await told.alerts(alert(1))
        async with asyncio.TaskGroup() as tasks:
            await told.notifier.look(tasks, told.now_ns)
            await until(lambda: there.received and slow.received)
            await told.alerts(alert(2))
            await told.notifier.look(tasks, told.now_ns)
            await until(lambda: len(there.received) == 2)
            assert len(slow.received) == 1
            slow.go_on.set()


async def test_many_alerts_at_once_are_all_looked_at(
    told: Told, there: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(notifier_module, "MOST_AT_ONCE", 7)
    first, second = [await told.channel(there.url, per_minute=2) for _ in range(2)]
    await told.alerts(*map(alert, range(1, 21)))
    for _ in range(8):
        await told.look(0.1)
    for channel_id in (first, second):
        state = await told.state(channel_id)
        assert state.sent + state.withheld == 20


async def test_a_channel_sealed_with_another_key_says_so(
    told: Told, there: Receiver, tmp_path: Path
):
    sealed = closed(Seal(b"x" * 32, KEY_FILE), "default", Address(there.url))
    channel_id = await told.channel(there.url, sealed=sealed)
    stolen = told.delivery.sealed("elsewhere", Address(there.url))
    other_id = await told.channel(there.url, sealed=stolen)
    await told.alerts(alert(1))
    await told.look()
    for number in (channel_id, other_id):
        state = await told.state(number)
        assert state.failed == 1
        assert "notifications.key" in (state.last_error or "")
    assert not there.received
    assert (tmp_path / "notifications.key").stat().st_mode & 0o777 == 0o600


async def test_what_was_told_long_ago_is_forgotten_and_not_told_again(told: Told, there: Receiver):
    await told.channel(there.url)
    await told.alerts(alert(1))
    await told.look()
    await told.database.write(forget_notifications(2**62, 2**62))
    await told.alerts(alert(1, windows=9))
    await told.look(61)
    assert len(there.received) == 1


def test_a_minute_has_so_many_turns_wherever_it_begins():
    minute = Minute(2)
    taken = [minute.take(at) for at in (0, MINUTE_NS // 2, MINUTE_NS - 1, MINUTE_NS)]
    assert taken == [True, True, False, True]
    assert not minute.take(MINUTE_NS + MINUTE_NS // 2 - 1)


@pytest.mark.parametrize(
    ("at", "quiet"), [("21:59", False), ("22:00", True), ("03:00", True), ("07:00", False)]
)
def test_quiet_hours_go_over_midnight_by_the_clock_of_a_place(at: str, *, quiet: bool):
    hours = QuietHours(begin="22:00", end="07:00", time_zone="Asia/Kolkata")
    there = time.strptime(f"2026-03-01 {at}", "%Y-%m-%d %H:%M")
    kolkata_s = 5 * 3600 + 1800
    seconds = int(time.mktime(there)) - time.timezone - kolkata_s
    assert hours.hold(seconds * SECOND_NS) == quiet
