"""JSON and JSON Lines: keys become headings and labels, an array of objects becomes a table whose
records stay together.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from knowledge.errors import KnowledgeError
from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.reading.decoding import decode

DEPTH_MAX: Final = 50
VALUES_MAX: Final = 1_000_000
_COLUMNS_MAX: Final = 200
_LEVEL_MAX: Final = 9


def read(body: bytes) -> Parsed:
    """KnowledgeError `malformed` or `too_large`."""
    value = _decoded(decode(body))
    _check(value)
    return Parsed(_blocks(value, ""))


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except RecursionError as error:
        raise _too_deep() from error
    except msgspec.DecodeError as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2 or not lines[0].lstrip().startswith(("{", "[")):
            raise KnowledgeError(
                "malformed", f"The file is not valid JSON: {error}. Export it again."
            ) from error
    return [_line(at, line) for at, line in enumerate(lines, start=1)]


def _line(at: int, line: str) -> Any:
    try:
        return msgspec.json.decode(line)
    except RecursionError as error:
        raise _too_deep() from error
    except msgspec.DecodeError as error:
        raise KnowledgeError(
            "malformed", f"Line {at} is not valid JSON: {error}. Export the file again."
        ) from error


def _check(value: Any) -> None:
    """Depth and number of values, without recursion."""
    level, seen, depth = [value], 0, 0
    while level:
        depth += 1
        seen += len(level)
        if depth > DEPTH_MAX:
            raise _too_deep()
        if seen > VALUES_MAX:
            raise KnowledgeError("too_large", f"A JSON file has at most {VALUES_MAX:,} values.")
        level = [inner for outer in level for inner in _inside(outer)]


def _inside(value: Any) -> list[Any]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
        case _:
            return []


def _too_deep() -> KnowledgeError:
    return KnowledgeError(
        "malformed", f"The JSON is nested deeper than {DEPTH_MAX} levels. Export it flatter."
    )


def _blocks(value: Any, label: str, level: int = 0) -> Iterator[Block]:
    """`label` is the key above; an object or array under it stands under it as a heading."""
    if label and isinstance(value, dict | list):
        yield Block(BlockKind.HEADING, label, level=min(level, _LEVEL_MAX))
    match value:
        case dict():
            for key, inner in value.items():
                yield from _blocks(inner, str(key), level + 1)
        case list() if _are_records(value):
            yield from _table(value)
        case list():
            for inner in value:
                yield from _item(inner, level)
        case _:
            if (text := _text(value)) != "":
                yield Block(BlockKind.PARAGRAPH, f"{label}: {text}" if label else text)


def _item(value: Any, level: int) -> Iterator[Block]:
    if isinstance(value, dict | list):
        yield from _blocks(value, "", level)
    elif (text := _text(value)) != "":
        yield Block(BlockKind.LIST_ITEM, text)


def _are_records(values: list[Any]) -> bool:
    """Objects of fields, which are better read as rows than as sections."""
    return bool(values) and all(
        isinstance(value, dict) and not any(map(_is_section, value.values())) for value in values
    )


def _is_section(value: Any) -> bool:
    """An array of objects has a table of its own."""
    match value:
        case dict():
            return any(map(_is_section, value.values()))
        case list():
            return any(isinstance(inner, dict | list) for inner in value)
        case _:
            return False


def _table(records: list[dict[str, Any]]) -> Iterator[Block]:
    flat = [dict(_fields(record, "")) for record in records]
    columns = list(dict.fromkeys(key for record in flat for key in record))[:_COLUMNS_MAX]
    rows = [[record.get(column, "") for column in columns] for record in flat]
    if rows and columns:
        yield Block(BlockKind.TABLE, rows=[columns, *rows], headed=True)


def _fields(record: dict[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for key, value in record.items():
        path = f"{above}.{key}" if above else str(key)
        if isinstance(value, dict):
            yield from _fields(value, path)
        else:
            yield path, _text(value)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(text for text in map(_text, value) if text)
        case _:
            return " ".join(str(value).split())
