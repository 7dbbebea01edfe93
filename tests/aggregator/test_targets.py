"""Where notifications may go: not into the network of the centre, nor where all can read them."""

import logging
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aggregator.config import NotificationsConfig
from aggregator.errors import DeliveryError, InvalidError
from aggregator.notify.services import Note, Services
from aggregator.notify.targets import Targets, is_public
from aggregator.notify.webhook import Webhooks, signature
from tests.aggregator.receivers import Receiver, certificate, receiver
from tests.brokers import free_port

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # apprise loads it

LENIENT = NotificationsConfig(allow_private=True, allow_plain=True)
HOME = NotificationsConfig(allow_private=True)
MAIL = "mailtos://ann:hush@localhost?from=ann@example.org"
GOTIFY = "gotifys://127.0.0.1/AAAAAAAAAAAAAAA"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return certificate(tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "224.0.0.251", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%lo"),
        *("fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001::1"),
        *("168.63.129.16", "192.0.0.192", "::ffff:168.63.129.16", "64:ff9b:1::7f00:1", "fec0::1"),
        *("::127.0.0.1", "64:ff9b::a83f:8110"),
    ],
)
def test_an_address_that_is_not_of_the_whole_internet_is_none_to_tell(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_an_address_of_the_internet_is_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "::1"])
async def test_however_this_machine_is_called_it_is_not_told(
    threads: ThreadPoolExecutor, host: str
):
    with pytest.raises(DeliveryError, match="not a public address") as refused:
        await Targets(NotificationsConfig(), threads).addresses(host, 443)
    assert refused.value.final
    assert await Targets(HOME, threads).addresses(host, 443)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://hooks.example.org/x",
            "ftp://hooks.example.org",
            "https://",
            "hooks.example.org",
        ),
        *("https://ann:pw@hooks.example.org/", "https://h:99999/", "https://h/a b", "https://[x/"),
        *("https://h/\r\nX-Evil: 1", "file:///etc/passwd", "https://h/" + "x" * 2000),
    ],
)
def test_an_address_that_is_no_webhook_is_refused(threads: ThreadPoolExecutor, url: str):
    with pytest.raises(InvalidError, match="url"):
        Targets(NotificationsConfig(), threads).destination(url)


async def test_a_webhook_is_signed_over_its_time_and_its_body(
    threads: ThreadPoolExecutor, pem: Path
):
    trust = ssl.create_default_context(cafile=str(pem))
    with receiver(pem) as there:
        await Webhooks(Targets(HOME, threads), trust).post(there.url, "key", "d1", b'{"a":1}')
    (got,) = there.received
    timestamp = got.headers["x-edgewarden-timestamp"]
    assert abs(int(timestamp) - time.time_ns() / 1e9) < 5
    assert got.headers["x-edgewarden-signature"] == signature("key", timestamp, b'{"a":1}')
    assert signature("key", "1700000000", b'{"a":1}') == (  # by openssl dgst -sha256 -hmac key
        "sha256=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
    )
    assert got.headers["x-edgewarden-delivery"] == "d1"
    assert (got.path, got.body) == ("/hook?token=hush-hush", b'{"a":1}')


async def test_a_receiver_whose_certificate_nobody_vouches_for_is_told_nothing(
    threads: ThreadPoolExecutor, pem: Path
):
    webhooks = Webhooks(Targets(HOME, threads), ssl.create_default_context())
    with receiver(pem) as there, pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
        await webhooks.post(there.url, "key", "d1", b"{}")
    assert not there.received


@pytest.fixture
def plain(threads: ThreadPoolExecutor) -> Webhooks:
    return Webhooks(Targets(LENIENT, threads), ssl.create_default_context())


async def refusal(webhooks: Webhooks, there: Receiver) -> DeliveryError:
    with pytest.raises(DeliveryError) as refused:
        await webhooks.post(there.url, "key", "d1", b"{}")
    assert "hush" not in str(refused.value)
    return refused.value


async def test_a_redirect_is_not_followed(plain: Webhooks):
    with receiver() as there, receiver() as elsewhere:
        there.status, there.location = 302, elsewhere.url
        assert (await refusal(plain, there)).final
        assert not elsewhere.received


@pytest.mark.parametrize(
    ("status", "final"), [(500, False), (503, False), (429, False), (404, True), (410, True)]
)
async def test_what_a_receiver_refuses_is_tried_again_where_time_may_mend_it(
    plain: Webhooks, status: int, *, final: bool
):
    with receiver() as there:
        there.status = status
        assert (await refusal(plain, there)).final == final


async def test_a_receiver_that_says_nothing_is_not_waited_for(
    plain: Webhooks, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("aggregator.notify.webhook.TIMEOUT_S", 0.2)
    with receiver() as there:
        there.go_on.clear()
        assert "did not answer" in str(await refusal(plain, there))


async def test_a_receiver_that_is_not_there_is_tried_again(plain: Webhooks):
    there = Receiver(free_port(), "http")
    assert not (await refusal(plain, there)).final


def services(threads: ThreadPoolExecutor, config: NotificationsConfig) -> Services:
    return Services(config, Targets(config, threads), threads)


@pytest.mark.parametrize(
    "url",
    [
        *("nonsense", "slack://", "jsons://hooks.example.org/", "syslog://", "windows://"),
        *("matrixs://u:p@matrix.example.org", "mailto://ann:pw@example.org"),
        "mailtos://ann:pw@example.org?mode=insecure",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=/etc/passwd",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?verify=no",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?redirect=yes",
        "mailtos://ann:pw@example.org?+X-Header=1",
    ],
)
async def test_a_service_that_reaches_further_than_it_says_is_refused(
    threads: ThreadPoolExecutor, url: str
):
    with pytest.raises(InvalidError, match="url"):
        await services(threads, NotificationsConfig()).check(url)


@pytest.mark.parametrize(
    "url", [MAIL, GOTIFY, "ntfys://localhost/t", "mailtos://ann:pw@gmail.com?smtp=127.0.0.1"]
)
async def test_a_service_on_a_host_of_ones_own_is_no_way_into_the_network(
    threads: ThreadPoolExecutor, url: str
):
    with pytest.raises(DeliveryError, match="not a public address"):
        await services(threads, NotificationsConfig()).check(url)
    assert await services(threads, HOME).check(url) == url.partition(":")[0]


async def test_nothing_of_an_address_is_logged(
    threads: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    config = NotificationsConfig(
        allow_private=True, allow_plain=True, services=("json", "mailtos")
    )
    ours = services(threads, config)
    with pytest.raises(InvalidError):
        await ours.check("mailtos://ann:hush@127.0.0.1")
    with receiver() as there:
        url = there.url.replace("http://", "json://").replace("/hook?token=hush-hush", "/hush")
        await ours.tell(url, Note("high: Scan", "by a printer"))
        there.status = 500
        with pytest.raises(DeliveryError):
            await ours.tell(url, Note("high: Scan", "by a printer"))
    assert there.received
    assert "hush" not in caplog.text


async def test_a_service_with_a_host_of_its_own_needs_no_look_at_hosts(
    threads: ThreadPoolExecutor,
):
    url = "tgram://123456789:abcdefg_hijklmnop/12315544/"
    assert await services(threads, NotificationsConfig()).check(url) == "tgram"


async def test_a_service_is_told_through_apprise(threads: ThreadPoolExecutor):
    config = NotificationsConfig(allow_private=True, allow_plain=True, services=("jsons", "json"))
    with receiver() as there:
        url = there.url.replace("http://", "json://").partition("?")[0]
        await services(threads, config).tell(url, Note("high: Scan", "by a printer"))
        there.status = 500
        with pytest.raises(DeliveryError, match="json did not take it") as refused:
            await services(threads, config).tell(url, Note("high: Scan", "by a printer"))
        there.status, there.location = 307, there.url.replace("/hook", "/elsewhere")
        with pytest.raises(DeliveryError):
            await services(threads, config).tell(url, Note("high: Scan", "by a printer"))
    assert there.received[0].notice["title"] == "high: Scan"
    assert "by a printer" in there.received[0].notice["message"]
    assert not refused.value.final
    assert {each.path for each in there.received} == {"/hook"}
