"""docs/clients.md names every path of the clients that exist, and no path that is not there."""

import re
from pathlib import Path

from tests.aggregator.access import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
DEVICE = "/api/v1/devices/{device_id}"
OF_CLIENTS = re.compile(
    r" (/ws\b|/alerts|/message|/api/(health|devices)|/api/v1/(alerts|analytics|device-events|logs"
    r"|packets|system/(metrics|version)|devices/\{device_id\}/(readings|heartbeat|logs)))"
)


def named() -> set[str]:
    """Return the routes that the page names, as rules name them."""
    found: set[str] = set()
    for methods, path in re.findall(
        r"(GET|POST|PATCH|PUT|DELETE|WebSocket) (…?/[^\s?`,)]*)", PAGE
    ):
        method = "WS" if methods == "WebSocket" else methods
        whole = (
            path.replace("…", DEVICE)
            .rstrip(":.;")
            .replace("/api/devices/{id}", "/api/devices/{device_id}")
        )
        found.add(f"{method} {whole}")
    return found


def test_the_page_names_no_path_that_is_not_there():
    assert named() <= RULES.keys(), named() - RULES.keys()


def test_the_page_names_every_path_of_the_clients():
    wanted = {route for route in RULES if OF_CLIENTS.search(route)}
    assert wanted <= named(), wanted - named()
