"""docs/operations/metrics.md, held against the code: every metric, every line of the log."""

import ast
import re

from prometheus_client import Counter, Gauge, Histogram

from chatbot.realtime import codes, metrics
from chatbot.settings import table
from tests.realtime.test_codes import ROOM, ROOT

PAGE = ROOT / "docs" / "operations" / "metrics.md"
LEVELS = {"info", "warning", "error", "exception"}


def _rows(title: str) -> dict[str, list[str]]:
    """The rows of the tables of one part, by their first cell."""
    part = PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")]
    return {row[0].strip("`"): row[1:] for row in rows[2:]}


def _metrics() -> dict[str, tuple[str, set[str]]]:
    """Name of the object, and labels, by the name that Prometheus sees."""
    found: dict[str, tuple[str, set[str]]] = {}
    for name, each in vars(metrics).items():
        if isinstance(each, Counter | Gauge | Histogram):
            [family] = each.describe()
            end = "_total" if isinstance(each, Counter) else ""
            labels: tuple[str, ...] = each._labelnames  # pyright: ignore[reportPrivateUsage]
            found[family.name + end] = name, set(labels)
    return found


def _logged() -> dict[str, str]:
    """Every event of the layer's log, with its level."""
    found: dict[str, str] = {}
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log"), attr=level),
                    args=[ast.Constant(value=str(event)), *_],
                ):
                    found[event] = "error" if level == "exception" else level
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
                    raise AssertionError(f"{path.name}:{node.lineno}: an event is a plain text")
                case _:
                    pass
    return found


def test_every_metric_is_explained_with_its_labels() -> None:
    shown = {
        name: set(re.findall(r"`([a-z]+)`", cells[0]))
        for name, cells in _rows("What there is").items()
    }

    assert shown == {name: labels for name, (_, labels) in _metrics().items()}


def test_every_metric_is_moved_somewhere() -> None:
    code = "".join(path.read_text() for path in ROOM.rglob("*.py"))
    moved = set(
        re.findall(r"\b([A-Z_]+)\.(?:labels|inc|dec|set|observe|set_to_current_time)\b", code)
    )
    at_once = set(re.findall(r"metrics\.([A-Z_]+)\b", code))

    assert {name for name, _ in _metrics().values()} <= moved | at_once


def test_every_alert_speaks_of_metrics_there_are_and_is_explained() -> None:
    part = PAGE.read_text().split("\n## When to worry\n")[1].split("\n## ")[0]
    used = {re.sub(r"_(bucket|count|sum)$", "", each) for each in re.findall(r"\brt_[a-z_]+", part)}
    alerts = set(re.findall(r"alert: (\w+)", part))
    explained = {name for cell in _rows("When to worry") for name in cell.split(", ")}

    assert used <= set(_metrics())
    assert alerts == explained


def test_every_line_of_the_log_is_explained() -> None:
    shown = {name: cells[0] for name, cells in _rows("Lines in the log").items()}

    assert shown == _logged()


def test_every_code_has_its_runbook() -> None:
    assert list(_rows("When a code is told often")) == list(codes.CATALOGUE)


def test_the_settings_it_names_exist() -> None:
    named = set(re.findall(r"CHATBOT_[A-Z_]+", PAGE.read_text()))

    assert named <= set(re.findall(r"CHATBOT_[A-Z_]+", table()))
