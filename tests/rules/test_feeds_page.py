"""docs/feeds.md is what the description of MQTT and WebSockets says."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_of_mqtt_and_websockets_is_current():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "feeds.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
