"""Settings: one typed tree from a TOML file and EDGEWARDEN_SECTION__KEY variables, loaded once."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, inspect

from runtime.errors import ConfigError

PREFIX = "EDGEWARDEN_"

T = TypeVar("T", bound="Section")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a configuration tree."""


class LogConfig(Section, frozen=True):
    """What is logged."""

    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = "info"


class BrokerConfig(Section, frozen=True):
    """How the MQTT broker is reached. Secrets are paths of files, never values."""

    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None  # None: 8883 with TLS, else 1883
    username: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None  # None: the system's authorities
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 30

    @property
    def port_used(self) -> int:
        """The port that is set, or else the usual one."""
        return self.port or (8883 if self.tls else 1883)


def load_config(
    kind: type[T], path: Path | None, environment: Mapping[str, str] | None = None
) -> T:
    """Read a configuration.

    Args:
        kind: The root of the tree.
        path: A TOML file, or None for defaults and environment alone.
        environment: Variables; the process's own by default. EDGEWARDEN_HTTP__PORT=8001 sets
            `port` in `[http]`; variables without `__` are not settings.

    Raises:
        ConfigError: The file cannot be read, or a setting is unknown or out of range.
    """
    tree = _read(path) if path is not None else {}
    used = _merge(tree, os.environ if environment is None else environment)
    try:
        # Environment values are text, so numbers and booleans are taken from text as well.
        return msgspec.convert(tree, kind, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        where = str(path) if path is not None else "configuration"
        message = f"{where}: {error}{_hint(str(error), kind, used)}"
        raise ConfigError(message) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"{path}: {error}"
        raise ConfigError(message) from error


_PLACE = re.compile(r"`\$([^`]*)`")
_FIELD = re.compile(r"field `(\w+)`")
_STEP = re.compile(r"\.(\w+)|\[")


def _hint(told: str, kind: type[Section], used: Mapping[str, list[str]]) -> str:
    """Return what else helps with an error: the values there are, the variables that set it."""
    found = _PLACE.search(told)
    place = found.group(1) if found else ""
    steps = [step.group(1) or "" for step in _STEP.finditer(place)]
    hint = ""
    if told.startswith("Invalid enum value") and "`key` in" not in told:
        hint = f"; one of {', '.join(map(str, _values(inspect.type_info(kind), steps)))}"
    steps += _FIELD.findall(told)
    pairs = {name: zip(keys, steps, strict=False) for name, keys in used.items()}
    names = [name for name, each in pairs.items() if all(step in {"", key} for key, step in each)]
    return f"{hint} (set by {', '.join(names)})" if names else hint


def _values(kind: inspect.Type, steps: Sequence[str]) -> list[object]:
    """Return the values that a setting may have, found step by step from the root of a tree."""
    inner: list[tuple[inspect.Type, Sequence[str]]] = []
    match kind:
        case inspect.Metadata():
            inner = [(kind.type, steps)]
        case inspect.UnionType():
            inner = [(each, steps) for each in kind.types]
        case inspect.StructType() if steps:
            inner = [
                (each.type, steps[1:]) for each in kind.fields if each.encode_name == steps[0]
            ]
        case inspect.DictType():
            inner = [(kind.value_type, steps[1:])]
        case inspect.VarTupleType() | inspect.ListType() | inspect.SetType():
            inner = [(kind.item_type, steps[1:])]
        case inspect.LiteralType():
            return list(kind.values)
        case inspect.EnumType():
            return [each.value for each in kind.cls]
        case _:
            pass
    return [value for each, rest in inner for value in _values(each, rest)]


def _merge(tree: dict[str, Any], environment: Mapping[str, str]) -> dict[str, list[str]]:
    used = {}
    for name, value in environment.items():
        keys = name.removeprefix(PREFIX).lower().split("__")
        if not name.startswith(PREFIX) or len(keys) == 1:
            continue
        section = tree
        for key in keys[:-1]:
            section = section.setdefault(key, {})
            if not isinstance(section, dict):
                message = f"{name}: `{key}` is a value, not a section"
                raise ConfigError(message)
        section[keys[-1]] = _listed(value)
        used[name] = keys
    return used


def _listed(value: str) -> str | list[str]:
    """Take `[a, b]` for a list; anything else stays text."""
    if value.startswith("[") and value.endswith("]"):
        return [item.strip().strip("\"'") for item in value[1:-1].split(",") if item.strip()]
    return value


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        if not value:  # Path("") would mean the working directory
            message = "an empty path: leave the setting out instead"
            raise ValueError(message)
        return Path(value)
    message = f"cannot read a {kind.__name__} from {value!r}"
    raise NotImplementedError(message)
