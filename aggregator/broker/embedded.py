"""amqtt as a program: the broker for machines without mosquitto; a small network is enough."""

import asyncio
import contextlib
import logging
import signal
import sys

from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig
from amqtt.errors import BrokerError

STOP_TIMEOUT_S = 1.0


async def serve(host: str, port: int) -> None:
    """Serve MQTT 3.1.1 until SIGTERM."""
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    told_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_stop.set)
    broker = Broker(BrokerConfig.from_dict(config))
    await broker.start()
    await told_to_stop.wait()
    with contextlib.suppress(BrokerError, TimeoutError):
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await broker.shutdown()


def main() -> int:
    """Serve on the host and port given as arguments."""
    logging.basicConfig(level=logging.ERROR)
    try:
        asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
    except BrokerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
