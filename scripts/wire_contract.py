"""Writes docs/wire-contract.md from the Structs of contract/: `python scripts/wire_contract.py`."""

import argparse
import inspect
import sys
from pathlib import Path

import msgspec
from msgspec import inspect as kinds

from contract import codec, commands, cuts, messages, topics
from contract.features import FEATURE_COUNT, FEATURES, feature_schema_id

PAGE = Path(__file__).parent.parent / "docs" / "wire-contract.md"

_PARTS: tuple[type[msgspec.Struct], ...] = (
    messages.TopFeature,
    messages.Change,
    messages.Flow,
    messages.Loss,
    cuts.Part,
    messages.LogLine,
    messages.Reading,
)

INTRODUCTION = f"""\
# Wire contract

Generated from `contract/` by `scripts/wire_contract.py`; a test keeps it current. Do not edit by hand.

MQTT 5 (3.1.1 works too), QoS 1 (receipts QoS 0), MessagePack. Topics are `{topics.ROOT}/{{organization}}/{{device_id}}/{{leaf}}`.
A message is at most {codec.MAX_MESSAGE_BYTES:,} bytes, a command at most {codec.MAX_COMMAND_BYTES:,}.
All times are nanoseconds since 1970-01-01 UTC, as integers.

## Device to centre

Every payload is an **Envelope**, an array `[boot, seq, floor, message]`; `message` is a map whose `type` names it.
`seq` counts from 1 in each `boot` without a hole. The centre stores `seq` only after `seq - 1` (or `floor`, whichever
is higher) and tells the device on `receipts` with a **Receipt** `{{boot, upto}}` once it is stored for good; only then the
device forgets. A receipt may be lost: a device that hears none for ten seconds tells again, and is told again. What the device had to drop before it arrived lies below `floor` and is counted as lost.
Of an organization that does not exist nothing is stored, and nothing receipted: a device keeps it until there is one, and then tells it.
`presence` is retained and stands outside of the count (`seq` = `floor` = 1).

"""


def main() -> int:
    """Write the page, or with --check say whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if it is stale"
    )
    options = parser.parse_args()
    page = render()
    if options.check:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page
        if not current:
            print(f"{PAGE} is stale: run python scripts/wire_contract.py", file=sys.stderr)
        return 0 if current else 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


def render() -> str:
    """Return the page."""
    parts = [INTRODUCTION, "| leaf | message |\n| --- | --- |\n"]
    parts += [f"| `{leaf}` | {kind.__name__} |\n" for kind, leaf in topics.LEAVES.items()]
    parts.append("\n")
    told: list[type[msgspec.Struct]] = [messages.Envelope, messages.Receipt, *topics.LEAVES]
    parts += [_section(kind) for kind in [*told, *_PARTS]]
    parts.append(
        f"## Centre to device\n\nOn `{topics.COMMANDS}`, never retained: a **SignedOrder** around the bytes "
        "of an **Order**. A device obeys an order once, before it expires, if it is addressed to it and its organization.\n\n"
    )
    ordered: list[type[msgspec.Struct]] = [commands.SignedOrder, commands.Order]
    parts += [_section(kind) for kind in (*ordered, *commands.Command.__subclasses__())]
    parts.append(_features())
    return "".join(parts)


def _section(kind: type[msgspec.Struct]) -> str:
    info = kinds.type_info(kind)
    if not isinstance(info, kinds.StructType):
        raise TypeError(kind)
    lines = [f"### {kind.__name__}\n\n{inspect.cleandoc(kind.__doc__ or '')}\n\n"]
    if info.tag is not None:
        lines.append(f"`{info.tag_field}` is `{info.tag}`.\n\n")
    lines.append("| field | type | |\n| --- | --- | --- |\n")
    for field in info.fields:
        need = "" if field.required else "optional"
        lines.append(f"| `{field.encode_name}` | {_words(field.type)} | {need} |\n")
    return "".join(lines) + "\n"


def _words(kind: kinds.Type) -> str:
    """Return a type for readers, bounds included."""
    bounds = _bounds(kind)
    if isinstance(kind, kinds.Metadata):
        kind = kind.type
    if isinstance(kind, kinds.UnionType):
        return " or ".join(_words(part) for part in kind.types)
    if isinstance(kind, kinds.ListType):
        return f"list of {_words(kind.item_type)}{bounds}"
    if isinstance(kind, kinds.DictType):
        return f"map of {_words(kind.key_type)} to {_words(kind.value_type)}{bounds}"
    if isinstance(kind, kinds.LiteralType):
        return ", ".join(f"`{value}`" for value in kind.values)
    if isinstance(kind, kinds.StructType):
        return f"[{kind.cls.__name__}](#{kind.cls.__name__.lower()})"
    name = type(kind).__name__.removesuffix("Type").lower()
    return {"none": "nil", "int": "integer", "str": "text"}.get(name, name) + bounds


def _bounds(kind: kinds.Type) -> str:
    words = []
    for name, sign in (("ge", "≥ "), ("gt", "> "), ("le", "≤ "), ("lt", "< ")):
        value = getattr(kind, name, None)
        if value is not None:
            words.append(f"{sign}{value:,}")
    for name, unit in (("min_length", "at least"), ("max_length", "at most")):
        value = getattr(kind, name, None)
        if value is not None:
            words.append(f"{unit} {value:,} long")
    told = kind.extra or {} if isinstance(kind, kinds.Metadata) else {}
    pattern = told.get("pattern") or getattr(kind, "pattern", None)
    if pattern:
        words.append(f"`{pattern}`".replace("|", "\\|"))
    return f" ({', '.join(words)})" if words else ""


def _features() -> str:
    lines = [
        f"## Feature schema `{feature_schema_id()}`\n\n",
        f"{FEATURE_COUNT} numbers, float32, in this order. A damped count fades by 1/e in its horizon.\n\n",
        "| # | feature | unit | family | meaning |\n| --- | --- | --- | --- | --- |\n",
    ]
    for index, feature in enumerate(FEATURES):
        lines.append(
            f"| {index} | `{feature.name}` | {feature.unit} | {feature.family} | {feature.meaning} |\n"
        )
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
