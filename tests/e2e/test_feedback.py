"""From what people said of alerts to labelled captures that training takes as they are."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.attacks import CLASSES
from model_training.captures import check_capture, read_captures
from model_training.dataset import load_scene
from tests.aggregator.conftest import Centre
from tests.e2e.box import playing, settings

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(240)]


def alerts(client: httpx.Client, least: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 60
    while len(found := client.get("/alerts").json()) < least:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return [dict(alert) for alert in found]


def gather(folder: Path, centre: Centre) -> str:
    program = [sys.executable, "-m", "model_training", "feedback", "--url", centre.url]
    program += ["--token-file", str(folder / "token"), "--folder", str(folder / "said")]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_people_said_of_alerts_can_be_learned_from(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.start()
    try:
        config = settings(centre, tmp_path, "evidence-pi")
        with playing(config, 2), centre.client() as admin:
            scan = next(a for a in alerts(admin, 1) if a["attack_type"] == "Scan")
            flood = next(a for a in alerts(admin, 2) if a["attack_type"] == "DOS")
            said = {"name": "training", "role": "analyst"}
            (tmp_path / "token").write_text(admin.post("/auth/tokens", json=said).json()["token"])
            admin.patch(f"/alerts/{flood['alert_id']}", json={"status": "resolved"})
            admin.patch(f"/alerts/{scan['alert_id']}", json={"status": "false_positive"})
            deadline = time.monotonic() + 60
            while "1 attacks, 1 false positives" not in (told := gather(tmp_path, centre)):
                assert "on their way" in told
                assert time.monotonic() < deadline
                time.sleep(0.5)
    finally:
        assert centre.stop() == 0
    found: dict[str, Counter[str]] = {}
    for capture in read_captures([tmp_path / "said"], ["train"]):
        check_capture(capture)
        assert capture.entry.origin.name == "centre/evidence-pi"
        scene = load_scene(capture, tmp_path / "cache")
        labels = Counter(CLASSES[one] if one >= 0 else "unknown" for one in scene.label.tolist())
        found[Path(capture.entry.file).stem] = labels
    assert found[flood["alert_id"]]["DOS"] > 0
    assert found[flood["alert_id"]].keys() <= {"DOS", "benign", "unknown"}
    assert found[scan["alert_id"]].keys() == {"benign"}
