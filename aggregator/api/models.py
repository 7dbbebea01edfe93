"""/api/v1/models: signed model bundles that devices may be given; looked at here, never run."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.response import File

from aggregator.api.identity import ADMIN, STORES, ApiRequest, Machine, person
from aggregator.api.paging import Limit, Skip, paged
from aggregator.config import ModelsConfig
from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.shapes import maybe_rfc3339, rfc3339
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.desired import find_desired
from aggregator.store.devices import Page
from aggregator.store.models import (
    MAX_MODELS,
    Kept,
    ModelFiles,
    ModelRow,
    NewModel,
    add_model,
    card_of,
    count_models,
    delete_model,
    find_model,
    find_models,
    retire_model,
)
from contract.commands import key_id
from contract.model_bundle import (
    CARD,
    MANIFEST,
    MAX_BUNDLE_BYTES,
    METADATA,
    SIGNATURE,
    BundleError,
    manifest_sha256,
    read_manifest,
    read_metadata,
    unpack,
)
from contract.model_metadata import ModelMetadata
from runtime.errors import ConfigError
from runtime.signatures import read_public_keys, signer_of

TAR: Final = "application/x-tar"
MAX_CARD_CHARACTERS: Final = 256 * 1024
NO_SUCH: Final = "no such model"
UPLOADS: Final = {"errors": (HTTPStatus.TOO_MANY_REQUESTS,)}


class ModelShape(msgspec.Struct, frozen=True, kw_only=True):
    """A model."""

    model_id: str
    sha256: str  # of the bundle's manifest, which holds the digest of every file
    size_bytes: int
    feature_schema_id: str
    classes: list[str]
    thresholds: dict[str, float]
    window_s: float
    training_data_sha256: str
    trained_at: str
    signed_by: str  # the first 16 hexadecimal digits of the SHA-256 of the public key
    uploaded_by: str
    uploaded_at: str
    retired_at: str | None  # since when it is given to no further device
    desired_by: int  # devices that are to judge with it
    judges_on: int  # devices that say they do


class ModelDetail(ModelShape, frozen=True, kw_only=True):
    """A model, with what its makers tell people of it."""

    card: str  # Markdown


class ModelChange(msgspec.Struct, frozen=True):
    """Whether a model is out of use: it stays where it is, and no further device is given it."""

    retired: bool


@dataclass  # or nobody calls __post_init__
class Upload(Operation):
    """The operation of uploading, whose body is a file."""

    def __post_init__(self) -> None:
        """Say what the body is."""
        schema = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        content: dict[str, OpenAPIMediaType] = {
            "application/octet-stream": OpenAPIMediaType(schema=schema)
        }
        self.request_body = RequestBody(
            required=True, content=content, description="the bundle's files as an uncompressed tar"
        )


@get("/")
async def list_models(
    request: ApiRequest, database: NamedDependency[Database], skip: Skip = 0, limit: Limit = 100
) -> Response[list[ModelShape]]:
    """Return models, newest first; X-Total-Count says how many there are."""
    organization = request.user.organization
    rows = await find_models(database, organization, Page(limit, skip))
    total = await count_models(database, organization)
    return paged([ModelShape(**_fields(row)) for row in rows], total)


@post(
    "/",
    opt=ADMIN | UPLOADS | STORES,
    operation_class=Upload,
    request_max_body_size=MAX_BUNDLE_BYTES,
)
async def upload_model(
    request: ApiRequest,
    database: NamedDependency[Database],
    model_files: NamedDependency[ModelFiles],
    models: NamedDependency[ModelsConfig],
) -> ModelDetail:
    """Keep a model bundle that a trusted key signed: its files as an uncompressed tar, at most 16 MB."""
    who = person(request).user
    with model_files.uploads.place(str(who.id)):
        data = await request.body()
        new = _checked(data, models, who.username)
        now_ns = time.time_ns()
        if await find_model(database, who.organization, new.model_id) is not None:
            raise _taken(new)
        await model_files.write(who.organization, new.sha256, data)
        noted = {"model_id": new.model_id, "sha256": new.sha256, "signed_by": new.signer}
        added = await database.change(
            Kept,
            add_model(who.organization, new, now_ns),
            audit(who, "model.upload", new.model_id, now_ns=now_ns, after=noted),
        )
        if not added:
            raise await _refused(database, model_files, who.organization, new)
    return await _detail(database, who.organization, new.model_id)


@get("/{model_id:str}")
async def get_model(
    request: ApiRequest, model_id: str, database: NamedDependency[Database]
) -> ModelDetail:
    """Return a model with its card."""
    return await _detail(database, request.user.organization, model_id)


@patch("/{model_id:str}", opt=ADMIN)
async def change_model(
    request: ApiRequest, model_id: str, data: ModelChange, database: NamedDependency[Database]
) -> ModelDetail:
    """Take a model out of use, or back into it; devices that have it go on with it."""
    who = person(request).user
    now_ns = time.time_ns()
    action = "model.retire" if data.retired else "model.restore"
    changed = await database.change(
        Kept,
        retire_model(who.organization, model_id, now_ns if data.retired else None),
        audit(who, action, model_id, now_ns=now_ns),
    )
    if not changed:
        raise NotFoundError(NO_SUCH)
    return await _detail(database, who.organization, model_id)


@delete("/{model_id:str}", opt=ADMIN)
async def remove_model(
    request: ApiRequest,
    model_id: str,
    database: NamedDependency[Database],
    model_files: NamedDependency[ModelFiles],
) -> None:
    """Forget a model and its bundle, unless a device is to judge with it."""
    who = person(request).user
    known = await find_model(database, who.organization, model_id)
    if known is None:
        raise NotFoundError(NO_SUCH)
    deleted = await database.change(
        Kept,
        delete_model(who.organization, model_id),
        audit(who, "model.delete", model_id, now_ns=time.time_ns(), detail=known.sha256),
    )
    if not deleted:
        message = f"{known.desired_by} devices are to judge with it: say another for them first"
        raise ConflictError(message)
    await model_files.remove(who.organization, known.sha256)


@get("/{device_id:str}/models/{model_id:str}", opt=ADMIN | {"own_device": True}, media_type=TAR)
async def get_bundle(
    request: ApiRequest,
    device_id: str,
    model_id: str,
    database: NamedDependency[Database],
    model_files: NamedDependency[ModelFiles],
) -> File:
    """Return the bundle of the model that a device is to judge with, and of no other."""
    organization = request.user.organization
    desired = await find_desired(database, organization, device_id)
    is_meant = desired is not None and desired.model_id == model_id
    known = await find_model(database, organization, model_id) if is_meant else None
    if known is None:
        raise NotFoundError(NO_SUCH)
    if not isinstance(request.user, Machine):
        await database.write(
            audit(request.user.user, "model.download", model_id, now_ns=time.time_ns())
        )
    path = model_files.path(organization, known.sha256)
    return File(path, filename=f"{model_id}.tar", media_type=TAR)


def _checked(data: bytes, models: ModelsConfig, username: str) -> NewModel:
    """Return what is to be kept of a bundle, which is read and not run.

    Raises:
        InvalidError: It is no bundle, or was altered.
        ConflictError: No key that is trusted here signed it.
    """
    try:
        files = unpack(data)
        metadata = read_metadata(files, read_manifest(files))
    except BundleError as error:
        message = f"no model bundle: {error}"
        raise InvalidError(message) from error
    card = files[CARD].decode(errors="replace")
    if len(card) > MAX_CARD_CHARACTERS:
        message = f"no model bundle: {CARD}: longer than {MAX_CARD_CHARACTERS} characters"
        raise InvalidError(message)
    return NewModel(
        model_id=metadata.model_id,
        sha256=manifest_sha256(files),
        file_bytes=len(data),
        metadata=files[METADATA].decode(),
        card=card,
        signer=_signer(files, models),
        created_by=username,
    )


def _signer(files: dict[str, bytes], models: ModelsConfig) -> str:
    if models.trusted_keys is None:
        message = "no key is trusted here: name a folder of public keys, trusted_keys in [models]"
        raise ConflictError(message)
    try:
        keys = read_public_keys(models.trusted_keys)
    except ConfigError as error:
        raise ConflictError(str(error)) from error
    key = signer_of(keys, files.get(SIGNATURE, b""), files[MANIFEST])
    if key is None:
        message = f"not signed by a key that is trusted here ({len(keys)} tried)"
        raise ConflictError(message)
    return key_id(key.public_bytes_raw())


async def _refused(
    database: Database, model_files: ModelFiles, organization: str, new: NewModel
) -> ConflictError:
    """Return why a model was not added; its file goes unless somebody was faster with the same."""
    known = await find_model(database, organization, new.model_id)
    if known is None or known.sha256 != new.sha256:
        await model_files.remove(organization, new.sha256)
    if known is not None:
        return _taken(new)
    return ConflictError(f"there are {MAX_MODELS} models already: delete one first")


def _taken(new: NewModel) -> ConflictError:
    return ConflictError(
        f"there is a model {new.model_id} already: train another under another name"
    )


async def _detail(database: Database, organization: str, model_id: str) -> ModelDetail:
    row = await find_model(database, organization, model_id)
    if row is None:
        raise NotFoundError(NO_SUCH)
    return ModelDetail(**_fields(row), card=await card_of(database, organization, model_id))


def _fields(row: ModelRow) -> dict[str, Any]:
    told = msgspec.json.decode(row.metadata, type=ModelMetadata)
    return {
        "model_id": row.model_id,
        "sha256": row.sha256,
        "size_bytes": row.file_bytes,
        "feature_schema_id": told.feature_schema_id,
        "classes": list(told.classes),
        "thresholds": dict(told.thresholds),
        "window_s": told.window_s,
        "training_data_sha256": told.training_data_sha256,
        "trained_at": rfc3339(told.trained_ns),
        "signed_by": row.signer,
        "uploaded_by": row.created_by,
        "uploaded_at": rfc3339(row.created_ns),
        "retired_at": maybe_rfc3339(row.retired_ns),
        "desired_by": row.desired_by,
        "judges_on": row.judges_on,
    }


router = Router(
    "/models",
    route_handlers=[list_models, upload_model, get_model, change_model, remove_model],
    tags=["models"],
)
bundles = Router("/devices", route_handlers=[get_bundle], tags=["models"])
