"""House rules as programs; each says why."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("chatbot", "knowledge", "migrations", "benchmarks")
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
POSITIONAL_MAX = 5
TEXT = (".py", ".md", ".ts", ".tsx", ".sql", ".toml", ".mjs", ".css", ".html", "Makefile")
SIGNATURE_OF_A_LIBRARY = {"emit"}  # python-socketio's manager calls it so


def modules(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    for room in rooms or OURS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def calls(tree: ast.AST, name: str) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == name
    ]


def test_only_the_database_commits() -> None:
    """A verb that commits takes the caller's transaction apart."""
    committing = {
        name
        for name, tree in modules("chatbot", "knowledge")
        if calls(tree, "commit") and name != "chatbot/database.py"
    }

    assert committing == set()


def test_only_the_settings_read_the_environment() -> None:
    """What a process depends on is listed in one place, and tests pass it by the constructor."""
    reading = {
        name
        for name, tree in modules("chatbot", "knowledge", "migrations")
        if any(
            isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
            for node in ast.walk(tree)
        )
    }

    assert reading == {"chatbot/settings.py"}


def test_functions_and_files_stay_readable() -> None:
    """The centre of every house we know swells until somebody says stop."""
    too_long: list[str] = []
    for name, tree in modules():
        lines = len((ROOT / name).read_text().splitlines())
        if lines > FILE_LINES_MAX:
            too_long.append(f"{name}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    too_long.append(f"{name}:{node.lineno} {node.name}: {length} lines")
                positional = len(node.args.posonlyargs + node.args.args)
                if positional > POSITIONAL_MAX + 1 and node.name not in SIGNATURE_OF_A_LIBRARY:
                    too_long.append(f"{name}:{node.lineno} {node.name}: too many arguments")

    assert too_long == []


def test_no_import_hides_in_a_function() -> None:
    """It is how cycles are hidden; the rooms have directions instead."""
    hidden = [
        f"{name}:{inner.lineno}"
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]

    assert hidden == []


def test_importing_a_package_does_nothing() -> None:
    full = [name for name, tree in modules() if name.endswith("__init__.py") and tree.body]

    assert full == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        name
        for name, tree in modules("chatbot", "knowledge", "benchmarks")
        if tree.body and not ast.get_docstring(tree)
    ]

    assert silent == []


@pytest.mark.parametrize("word", ["Manager", "Service", "Helper", "Util", "Base"])
def test_classes_are_named_for_what_they_are(word: str) -> None:
    """`Service` is the whole thing in app.py, `Base` is SQLAlchemy's; nothing else has such a
    name.
    """
    found = {
        f"{name}:{node.name}"
        for name, tree in modules("chatbot", "knowledge")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith(word)
    }

    assert found <= {
        "chatbot/app.py:Service",
        "chatbot/database.py:Base",
        "knowledge/tables.py:Base",
    }


def test_the_map_in_the_readme_names_every_room_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"^\| `((?:chatbot|knowledge)/[a-z_/]*)` \|", readme, re.MULTILINE))
    rooms = {
        f"{path.parent.relative_to(ROOT)}/"
        for room in ("chatbot", "knowledge")
        for path in (ROOT / room).rglob("__init__.py")
    }

    assert named == rooms


def test_nothing_of_a_machine_is_in_the_repository() -> None:
    """No lock with addresses, no path of the machine that wrote it."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    locks = [name for name in tracked if name.endswith((".lock", "package-lock.json"))]

    addressed = [
        name
        for name in locks
        if re.search(
            r'"resolved": "https?://|--index-url|https?://[^\s]*simple', (ROOT / name).read_text()
        )
    ]

    with_paths = [
        name
        for name in tracked
        if name.endswith(TEXT) and name != "tests/test_house.py"
        if re.search(r"(?<![\w.])/(home|Users|root|work)/\w", (ROOT / name).read_text())
    ]

    assert locks
    assert addressed == []
    assert with_paths == []
    assert "uv.lock" not in tracked
