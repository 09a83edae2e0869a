"""docs/updates.md, the decision matrix, held against what the code sends."""

import re

from chatbot.realtime import frames, topics
from tests import live
from tests.realtime.test_codes import ROOT

PAGE = ROOT / "docs" / "updates.md"
EPHEMERAL = {"typing", "presence", "broadcast"}
SERVICE = {event for kind in topics.KINDS if not kind.listeners for event in kind.events} | {
    topics.HANDOFF_TAKEN
}
SIGNALS = {event for kind in topics.KINDS if kind.listeners for event in kind.events}


def _events() -> dict[str, set[str]]:
    """The events of each way, as the page has them."""
    found: dict[str, set[str]] = {}
    for line in PAGE.read_text().split("## The matrix")[1].split("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[0] not in ("what changed", "---"):
            found.setdefault(cells[1], set()).update(re.findall(r"`([a-z_.]+)`", cells[2]))
    return found


def test_every_signal_has_its_row_and_its_hearer() -> None:
    shown = _events()

    assert shown["signal"] == SIGNALS
    assert shown["signal to the service"] == SERVICE


def test_every_frame_and_every_ephemeral_event_has_its_row() -> None:
    shown = _events()

    assert shown["frame"] == set(frames.EVENTS.values())
    assert shown["ephemeral"] == EPHEMERAL
    assert shown["notice"] == {"system"}


def test_what_clients_may_say_is_named(live_service: live.Live) -> None:
    doors = live_service.service.realtime.doors()
    said = set(doors["/visitor"]) | set(doors["/staff"])
    shown = _events()

    assert shown["ephemeral"] | shown["catch-up"] | shown["report"] <= said


def test_only_facts_are_stored() -> None:
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[3] in ("yes", "no"):
            is_stored = cells[1] in ("signal", "signal to the service", "catch-up", "poll")
            assert is_stored == (cells[3] == "yes"), line


def test_the_pages_it_names_exist() -> None:
    for link, part in re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", PAGE.read_text()):
        named = (PAGE.parent / link).read_text()
        titles = {
            each.lower().replace(" ", "-")
            for each in re.findall(r"^##+ (.+)$", named, re.MULTILINE)
        }
        assert not part or part in titles, (link, part)
