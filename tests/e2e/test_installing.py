"""Another model for an agent, over the real line: tried, refused with a reason, kept, taken back."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from model_training.bundle import public_pem
from model_training.export import to_onnx, to_trees
from tests.aggregator.conftest import Centre
from tests.e2e.box import playing, settings
from tests.model_bundles import MAKER, STRANGER, tar_of, told, trusting, write_bundle
from tests.tiny_models import booster

PI = "model-pi"
SETTINGS = """
[model]
trusted_keys = "{folder}/keys"

[centre]
url = "{url}"
api_key_file = "{folder}/api.key"
"""

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(240)]


class Line:
    """A centre that trusts two makers, a box that trusts one, and a person."""

    def __init__(self, folder: Path, centre: Centre, admin: httpx.Client) -> None:
        self.folder = folder
        self.admin = admin
        given = {"device_id": PI, "type": "edge_ml"}
        made = admin.post("/devices", json=given).raise_for_status().json()
        (folder / "api.key").write_text(made["api_key"] + "\n")
        more = SETTINGS.format(folder=folder, url=centre.url)
        self.config = settings(centre, folder, PI, more)

    def agent(self) -> AbstractContextManager[None]:
        return playing(self.config, 0.5)

    def upload(self, model_id: str, key: Ed25519PrivateKey = MAKER, **changes: object) -> None:
        said = told(model_id, **changes)
        parts = {"model": to_onnx(booster(), said), "trees": to_trees(booster())}
        folder = write_bundle(self.folder / model_id, said, key, **parts)
        self.admin.post("/models", content=tar_of(folder)).raise_for_status()

    def desire(self, model_id: str) -> None:
        self.admin.put(f"/devices/{PI}/desired", json={"model_id": model_id}).raise_for_status()

    def until(self, done: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return what the device is to be and is, once that is as it should be."""
        deadline = time.monotonic() + 60
        while not done(shown := self.admin.get(f"/devices/{PI}/desired").json()):
            assert time.monotonic() < deadline, (shown, (self.folder / "agent.log").read_text())
            time.sleep(0.2)
        return dict(shown)

    def judges(self, model_id: str) -> dict[str, Any]:
        return self.until(lambda shown: shown["reported"]["model_id"] == model_id)

    def refuses(self, model_id: str) -> str:
        """Wish for a model, and return why the device does not take it."""
        self.desire(model_id)

        def is_over(shown: dict[str, Any]) -> bool:
            last = shown["last_install"]
            ours = last is not None and last["parameters"]["model_id"] == model_id
            return ours and last["state"] == "failed"

        shown = self.until(is_over)
        assert [one["desired"] for one in shown["differences"]] == [model_id]
        return str(shown["last_install"]["detail"])


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    trusting(tmp_path / "keys")
    makers = trusting(tmp_path / "makers")
    (makers / "stranger.pem").write_bytes(public_pem(STRANGER))
    centre = Centre(tmp_path)
    centre.more["EDGEWARDEN_MODELS__TRUSTED_KEYS"] = str(makers)
    centre.start()
    try:
        with centre.client() as admin:
            yield Line(tmp_path, centre, admin)
    finally:
        assert centre.stop() == 0


def test_a_model_is_installed_survives_a_restart_and_is_taken_back(line: Line):
    line.upload("home-1")
    line.upload("home-2")
    line.upload("of-a-stranger", STRANGER)
    line.upload("of-another-version", feature_schema_id="0" * 16)
    with line.agent():
        shipped = line.until(lambda shown: shown["reported"]["model_id"])["reported"]["model_id"]
        line.desire("home-1")
        shown = line.judges("home-1")
        assert shown["differences"] == []
        line.until(lambda shown: shown["last_install"]["state"] == "verified")
        assert "not signed by a trusted key" in line.refuses("of-a-stranger")
        assert "feature_schema_id is 0000000000000000" in line.refuses("of-another-version")
        assert line.judges("home-1")["models"] == ["home-1", shipped]
        line.desire("home-2")
        line.judges("home-2")
    with line.agent():
        assert line.judges("home-2")["models"] == ["home-2", "home-1", shipped]
        wait_for_verdicts(line, "home-2")
        line.admin.delete("/models/home-1").raise_for_status()
        for model_id in ("home-1", shipped):  # the centre has neither; the box holds both
            line.desire(model_id)
            line.judges(model_id)
        health = line.admin.get(f"/devices/{PI}").json()
        assert (health["model_id"], health["drifting_since"]) == (shipped, None)


def wait_for_verdicts(line: Line, model_id: str) -> None:
    deadline = time.monotonic() + 60
    while model_id not in {one["model_id"] for one in line.admin.get("/verdicts").json()}:
        assert time.monotonic() < deadline
        time.sleep(0.2)
