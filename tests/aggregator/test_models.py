"""Models at the centre: uploaded signed, shown with their cards, given to whom they are meant for."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.store.archive import Archive
from aggregator.store.backups import Backups
from aggregator.store.database import Database
from aggregator.store.models import MAX_MODELS, ModelFiles, NewModel, add_model
from contract.model_bundle import MAX_BUNDLE_BYTES
from tests.aggregator.conftest import TLS, Centre
from tests.model_bundles import MAKER, STRANGER, tar_of, told, write_bundle


@pytest.fixture
def admin(centre: Centre) -> Iterator[httpx.Client]:
    with centre.client() as client:
        yield client


def bundle(folder: Path, model_id: str, key: Ed25519PrivateKey = MAKER) -> bytes:
    return tar_of(write_bundle(folder / secrets.token_hex(4), told(model_id), key))


def uploaded(admin: httpx.Client, data: bytes) -> dict[str, Any]:
    answer = admin.post("/models", content=data)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return dict(answer.json())


def name() -> str:
    return f"model-{secrets.token_hex(4)}"


def desire(admin: httpx.Client, device_id: str, model_id: str | None) -> httpx.Response:
    return admin.put(f"/devices/{device_id}/desired", json={"model_id": model_id})


def test_an_uploaded_model_is_shown_with_its_card_and_kept_privately(
    centre: Centre, admin: httpx.Client, tmp_path: Path
):
    data, model_id = bundle(tmp_path, one := name()), one
    made = uploaded(admin, data)
    assert made["card"] == f"# {model_id}\n\nFor tests.\n"
    assert made["size_bytes"] == len(data)
    assert made["retired_at"] is None
    with centre.client("viewer") as viewer:
        assert viewer.get(f"/models/{model_id}").json() == made
        listed = {item["model_id"]: item for item in viewer.get("/models").json()}
    assert listed[model_id] == {key: made[key] for key in made if key != "card"}
    file = ModelFiles(centre.data).path("default", made["sha256"])
    assert file.read_bytes() == data
    modes = [path.stat().st_mode & 0o777 for path in (file, file.parent, file.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]
    (entry,) = admin.get(f"/audit?action=model.upload&target={model_id}").json()[:1]
    assert entry["target"] == model_id
    assert admin.post("/models", content=data).status_code == httpx.codes.CONFLICT


@pytest.mark.parametrize(
    ("spoil", "status", "said"),
    [
        (lambda data: data[:0], 400, "manifest.json: is missing"),
        (lambda data: b"no tar" + data, 400, "not a tar file"),
        (lambda data: data[:1500], 400, "ends early"),
        (lambda data: data.replace(b"onnx", b"xnno").replace(b".xnno", b".onnx"), 400, "altered"),
        (lambda data: data + bytes(MAX_BUNDLE_BYTES), 413, ""),
    ],
)
def test_what_is_no_bundle_is_refused_and_leaves_nothing(
    admin: httpx.Client,
    tmp_path: Path,
    spoil: Callable[[bytes], bytes],
    status: int,
    said: str,
):
    answer = admin.post("/models", content=spoil(bundle(tmp_path, one := name())))
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert admin.get(f"/models/{one}").status_code == 404


def test_a_bundle_of_somebody_who_is_not_trusted_is_refused(admin: httpx.Client, tmp_path: Path):
    answer = admin.post("/models", content=bundle(tmp_path, name(), STRANGER))
    assert answer.status_code == httpx.codes.CONFLICT
    assert answer.json()["detail"] == "not signed by a key that is trusted here (1 tried)"


def test_a_device_gets_the_model_that_is_meant_for_it_and_no_other(
    centre: Centre, admin: httpx.Client, tmp_path: Path
):
    device_id = f"modelled-{secrets.token_hex(4)}"
    made = admin.post("/devices", json={"device_id": device_id, "type": "edge_ml"}).json()
    data = bundle(tmp_path, meant := name())
    uploaded(admin, data)
    uploaded(admin, bundle(tmp_path, other := name()))
    assert desire(admin, device_id, meant).status_code == 200
    headers = {"Authorization": f"Bearer {made['api_key']}"}
    with httpx.Client(
        base_url=f"{centre.url}/api/v1/devices", headers=headers, verify=TLS
    ) as device:
        given = device.get(f"/{device_id}/models/{meant}")
        assert (given.status_code, given.content) == (200, data)
        assert given.headers["content-type"] == "application/x-tar"
        assert device.get(f"/{device_id}/models/{other}").status_code == 404
        assert device.get(f"/{device_id}-2/models/{meant}").status_code == 403
        assert device.post("/../models", content=data).status_code == 403


def test_a_model_that_a_device_is_to_have_is_not_deleted(admin: httpx.Client, tmp_path: Path):
    device_id = f"modelled-{secrets.token_hex(4)}"
    admin.post("/devices", json={"device_id": device_id, "type": "edge_ml"}).raise_for_status()
    uploaded(admin, bundle(tmp_path, meant := name()))
    desire(admin, device_id, meant)
    refused = admin.delete(f"/models/{meant}")
    assert refused.status_code == httpx.codes.CONFLICT
    assert "1 devices are to judge with it" in refused.json()["detail"]
    assert desire(admin, device_id, None).json()["desired"] == {"model_id": None, "mode": None}
    assert admin.delete(f"/models/{meant}").status_code == httpx.codes.NO_CONTENT
    assert admin.get(f"/models/{meant}").status_code == httpx.codes.NOT_FOUND


def test_a_retired_model_is_given_to_no_further_device(admin: httpx.Client, tmp_path: Path):
    device_id = f"modelled-{secrets.token_hex(4)}"
    admin.post("/devices", json={"device_id": device_id, "type": "edge_ml"}).raise_for_status()
    uploaded(admin, bundle(tmp_path, one := name()))
    retired = admin.patch(f"/models/{one}", json={"retired": True})
    assert retired.json()["retired_at"] is not None
    refused = desire(admin, device_id, one)
    assert (refused.status_code, "is retired" in refused.json()["detail"]) == (409, True)
    assert desire(admin, device_id, "never-heard-of").status_code == 404
    admin.patch(f"/models/{one}", json={"retired": False}).raise_for_status()
    assert desire(admin, device_id, one).status_code == 200


def test_a_wish_for_what_is_no_agent_is_refused(admin: httpx.Client):
    device_id = f"modelled-{secrets.token_hex(4)}"
    admin.post("/devices", json={"device_id": device_id}).raise_for_status()
    refused = admin.put(f"/devices/{device_id}/desired", json={"mode": "enforce"})
    assert (refused.status_code, "is no agent" in refused.json()["detail"]) == (400, True)


async def test_an_organization_has_so_many_models_and_strays_are_removed(
    database: Database, tmp_path: Path
):
    files = ModelFiles(tmp_path)
    for number in range(MAX_MODELS + 1):
        new = NewModel(
            model_id=f"m{number}",
            sha256=f"{number:064x}",
            file_bytes=1,
            metadata="{}",
            card="",
            signer="0" * 16,
            created_by="ada",
        )
        await database.write(add_model("default", new, 1))
        await files.write("default", new.sha256, b"x")
    await files.tidy(database)
    assert len(list((tmp_path / "models").glob("*/*.tar"))) == MAX_MODELS


async def test_bundles_are_in_backups(database: Database, tmp_path: Path):
    archive = Archive(database)
    await archive.open()
    await ModelFiles(tmp_path).write("default", "a" * 64, b"x")
    async with Backups(database, archive).everything() as pieces:
        assert f"models/default/{'a' * 64}.tar" in {piece.name for piece in pieces}
