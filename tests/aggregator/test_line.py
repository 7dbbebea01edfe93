"""The whole line: what a device tells is in the API, on the live feed and in the database."""

import asyncio
from pathlib import Path

import duckdb
import httpx

from tests.aggregator.conftest import Centre, next_event
from tests.aggregator.messages import MAC, alert, health, isolation, presence, verdicts
from tests.brokers import amqtt, mosquitto


async def test_an_alert_is_in_the_api_on_the_live_feed_and_in_the_database(tmp_path: Path):
    centre = Centre(tmp_path)
    await asyncio.to_thread(centre.start)
    async with asyncio.timeout(30), centre.watch("?types=new_alert") as socket:
        async with centre.device("edge-1") as device:
            await device.tell(verdicts())
            await device.tell(alert(7, attack_type="MITM"))
        pushed = (await next_event(socket, "new_alert"))["data"]

    with centre.client() as client:
        listed = client.get("/alerts").json()
    assert listed == [pushed]
    assert pushed["attack_type"] == "MITM"
    assert pushed["host"] == MAC
    assert pushed["reason"] == "tried 240 ports on one host; usually 1"

    assert centre.stop() == 0
    with duckdb.connect(str(centre.data / "edgewarden.duckdb"), read_only=True) as stored:
        rows = stored.sql(
            "SELECT alert_id, attack_type, severity, status, src_ip, dst_ip, src_mac, host,"
            " device_id, confidence, year(detected_at) > 2024, first_seen_at < detected_at"
            " FROM alerts"
        ).fetchall()
        assert rows == [
            (
                f"{7:032x}",
                "MITM",
                "critical",
                "active",
                "192.168.1.7",
                "192.168.1.1",
                MAC,
                MAC,
                "edge-1",
                0.97,
                True,
                True,
            )
        ]
        assert stored.sql("SELECT label FROM verdicts ORDER BY label").fetchall() == [
            ("Scan",),
            ("benign",),
        ]


async def test_a_receipt_is_told_once_and_waits_for_no_word_of_the_device(centre: Centre):
    async with asyncio.timeout(20), centre.device("receipted") as device:
        await device.publish(health(), 1)
        receipt = await anext(device.client.messages)
    assert (receipt.qos, receipt.retain) == (0, False)


async def test_everything_a_device_tells_reaches_those_who_watch(centre: Centre):
    async with asyncio.timeout(20), centre.watch() as socket, centre.device("talker") as device:
        await device.publish(presence(), 1)
        assert (await next_event(socket, "presence", "talker"))["data"]["status"] == "online"
        await device.tell(health(cpu=95.0))
        event = await next_event(socket, "device_health")
        assert (event["device_id"], event["data"]["status"]) == ("talker", "warning")
        await device.tell(verdicts(("benign", "Scan")))
        detection = (await next_event(socket, "detection"))["data"]
        assert (detection["attack_type"], detection["confidence"]) == ("Scan", 0.875)
        await device.tell(alert(101))
        assert not (await next_event(socket, "new_alert"))["data"]["mitigation_applied"]
        await device.tell(isolation(101, alert_id=f"{101:032x}", state="applied"))
        updated = await next_event(socket, "alert_updated")
        assert not updated["data"]["mitigation_applied"]
        await device.tell(isolation(101, alert_id=f"{101:032x}", state="verified"))
        assert (await next_event(socket, "alert_updated"))["data"]["mitigation_applied"]
        assert (await next_event(socket, "isolation"))["data"]["is_active"]
        await device.tell(alert(101, state="closed", windows=9))
        updated = await next_event(socket, "alert_updated")
        assert (updated["data"]["state"], updated["data"]["windows"]) == ("closed", 9)


async def test_a_broker_that_speaks_mqtt_3_1_1_alone_is_enough(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.more["EDGEWARDEN_BROKER__HOST"] = "127.0.0.1"
    async with asyncio.timeout(50), amqtt(tmp_path, centre.broker_port):
        await asyncio.to_thread(centre.start)
        async with centre.watch() as socket, centre.device("old-pi") as device:
            await device.publish(presence(), 1)
            assert (await next_event(socket, "presence"))["data"]["status"] == "online"
            await device.tell(alert(8))
            await next_event(socket, "new_alert")
        assert await asyncio.to_thread(centre.stop) == 0


async def test_a_broker_that_comes_back_is_used_again(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.more["EDGEWARDEN_BROKER__HOST"] = "127.0.0.1"
    async with asyncio.timeout(50):
        async with mosquitto(tmp_path, centre.broker_port):
            await asyncio.to_thread(centre.start)
            async with centre.device() as device:
                await device.tell(health())
        async with mosquitto(tmp_path, centre.broker_port), centre.device() as device:
            device.seq = 1
            # Not /readyz alone: it is good until the loss is noticed.
            while '"broker_back"' not in centre.log.read_text():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            assert (await asyncio.to_thread(httpx.get, f"{centre.url}/readyz")).is_success
            await device.tell(health())
            assert await asyncio.to_thread(centre.stop) == 0
    said = centre.log.read_text()
    assert said.count('"broker_lost"') == said.count('"broker_back"') == 1
