"""The catalogue of codes, held against what the real-time layer says and against the docs."""

import ast
import re
from pathlib import Path

from chatbot import errors
from chatbot.errors import ChatbotError
from chatbot.realtime import codes

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "chatbot" / "realtime"
KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, ChatbotError)
}
SAYING = {"refuse": 1, "System": 0, "told": 0}  # which argument of these is a code
CODE = re.compile(r"[a-z][a-z_]+")


def _text(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _of_call(call: ast.Call) -> tuple[str | None, str | None]:
    """The code that a call names, of an error, a notice or a refusal, and how it is to be retried
    if the call says so.
    """
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = {each.arg: _text(each.value) for each in call.keywords}
    texts = [_text(each) for each in call.args]
    if name in KINDS:
        code = texts[0] if texts else given.get("code")
        return code or KINDS[name].code, given.get("retry") or KINDS[name].retry
    if name in SAYING and len(texts) > SAYING[name]:
        return texts[SAYING[name]], texts[1] if name == "System" else None
    return None, None


def _said() -> set[tuple[str, str | None]]:
    """Every code in the source of the layer, with its retry where that stands beside it."""
    found: set[tuple[str | None, str | None]] = set()
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call() if path.name != "codes.py":
                    found.add(_of_call(node))
                case ast.Raise(exc=ast.Name(id=name)) if name in KINDS:
                    found.add((KINDS[name].code, KINDS[name].retry))
                case ast.Attribute(value=ast.Name(id=name), attr="code") if name in KINDS:
                    found.add((KINDS[name].code, None))
                case ast.Assign(targets=[ast.Subscript(value=ast.Name(id="codes"))]):
                    found.add((_text(node.value), None))
                case ast.Return(value=ast.IfExp(body=body)) if _text(body) in codes.CATALOGUE:
                    found.add((_text(body), None))
                case _:
                    pass
    return {(code, retry) for code, retry in found if code not in (None, "ok")}


def _table(page: Path, title: str) -> dict[str, list[str]]:
    """The rows of the table under a heading, by the code in their first cell."""
    part = page.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): [cell.strip() for cell in row[1:]] for row in rows}


def test_every_code_that_is_said_is_in_the_catalogue_and_no_other() -> None:
    assert {code for code, _ in _said()} == set(codes.CATALOGUE)


def test_a_code_is_retried_as_the_catalogue_says_wherever_it_is_said() -> None:
    told = {(code, retry) for code, retry in _said() if retry is not None}

    assert told <= {(code, each.retry) for code, each in codes.CATALOGUE.items()}


def test_the_docs_show_the_catalogue() -> None:
    shown = _table(ROOT / "docs" / "realtime.md", "What a client is told")

    assert shown == {
        name: [each.retry, each.means, each.do] for name, each in codes.CATALOGUE.items()
    }


def test_a_code_is_a_word_and_says_what_to_do() -> None:
    for name, each in codes.CATALOGUE.items():
        assert CODE.fullmatch(name)
        assert each.means.endswith(".")
        assert each.do.endswith(".")
