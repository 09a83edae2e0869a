"""The official clients speak with the service: socket.io-client in Node, and python-socketio's.

Both play the same story. It names every event there is, in both directions: one that is added to
the code without being told here fails the first test.
"""

import ast
import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from chatbot.database import new_id
from chatbot.realtime import frames
from tests import live

ROOT = Path(__file__).parents[2]
WITHIN_S = 60.0

Json = dict[str, Any]

# What a client may ask, and the fields of the acknowledgement. An `error` is the envelope.
SUBSCRIBED = {"topics", "epoch", "cur", "missed", "reset"}
MESSAGE = {"id", "conversation_id", "seq", "text", "author", "client_id", "created_at"}
BOTH = {
    "subscribe": SUBSCRIBED,
    "unsubscribe": set[str](),
    "resume": {"frames"},
    "renew": {"expires_at"},
    "presence": {"members", "count"},
    "typing": set[str](),
    "report": set[str](),
}
UP = {
    "/visitor": BOTH
    | {"send": MESSAGE, "stop": set[str](), "retry": {"error"}, "broadcast": {"error"}},
    "/staff": BOTH | {"broadcast": set[str]()},
}

# What the server says, and the fields of it.
DOWN = {
    "signal": {"id", "topic", "event", "ids", "at", "epoch", "cur"},
    "answer.start": {"conversation_id", "mid", "attempt"},
    "answer.delta": {"mid", "attempt", "seq", "text"},
    "answer.snap": {"mid", "attempt", "seq", "text"},
    "answer.end": {"mid", "attempt", "seq", "status", "version"},
    "typing": {"conversation_id", "kind", "name", "on"},
    "presence": {"topic", "joined", "left", "state", "count"},
    "broadcast": {"topic", "event", "payload", "from"},
    "system": {"code", "retry", "message"},
}


@dataclass
class Step:
    """One question (or, without, a moment for the test to act) and who hears what after it."""

    who: str
    ask: str
    payload: Json
    hears: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


@dataclass
class Stage:
    """Who is on it, and the conversation that it is about."""

    url: str
    visitor: live.Person
    ana: live.Person
    ben: live.Person
    conversation_id: str
    org_id: str
    database: Any

    async def revoke(self) -> None:
        """The visitor's session ends."""
        statement = "update visitor_sessions set revoked_at = now() where visitor_id = :id"
        async with self.database.transaction(self.org_id, actor="system") as db:
            await db.execute(text(statement), {"id": self.visitor.id})


@pytest.fixture
async def stage(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> AsyncIterator[Stage]:
    ours, _ = two_companies
    async with (
        live.visitor(live_service, ours) as visitor,
        live.colleague(live_service, ours) as ana,
        live.colleague(live_service, ours, 1) as ben,
    ):
        body = {"client_id": new_id().hex}
        talk = await visitor.post("/visitor/conversations", body)
        yield Stage(
            live_service.url, visitor, ana, ben, talk["id"], str(ours.org_id), live_service.database
        )


def _story(stage: Stage, tokens: dict[str, str]) -> list[Step]:
    """Everything that can be asked, in an order in which it makes sense."""
    talk = stage.conversation_id
    messages, notes = f"conversation:{talk}:messages", f"conversation:{talk}:staff"
    inbox, own = f"org:{stage.org_id}:inbox", f"visitor:{stage.visitor.id}:conversations"
    pointing = {"event": "cursor.moved", "payload": {"line": 3}}
    typing = {"conversation_id": talk, "on": True}
    resume = {"mid": "$mid", "attempt": 1, "after": -1}
    report = {"throttled": 0, "errors": {}, "status": "connected"}
    return [
        Step("visitor", "subscribe", {"topics": [messages, own]}),
        Step("ana", "subscribe", {"topics": [messages, notes, inbox]}),
        Step("ben", "subscribe", {"topics": [notes]}),
        Step(
            "visitor",
            "presence",
            {"topic": messages, "state": {"open": True}},
            [("ana", "presence")],
        ),
        Step("ana", "presence", {"topic": notes, "state": {}}, [("ben", "presence")]),
        Step("ana", "broadcast", {"topic": notes} | pointing, [("ben", "broadcast")]),
        Step("visitor", "broadcast", {"topic": messages} | pointing),
        Step("visitor", "typing", typing, [("ana", "typing")]),
        Step("ana", "typing", typing, [("visitor", "typing")]),
        Step(
            "visitor",
            "send",
            live.question("Hello!", talk),
            [(who, event) for who in ("visitor", "ana") for event in ("signal", "answer.end")],
        ),
        Step("visitor", "resume", resume),
        Step("ana", "resume", resume),
        Step("visitor", "stop", {"mid": "$mid"}),
        Step("visitor", "retry", {"mid": "$mid"}),
        Step("visitor", "report", report),
        Step("ana", "report", report),
        Step("visitor", "renew", {"token": tokens["visitor"]}),
        Step("ana", "renew", {"token": tokens["ana"]}),
        Step("ana", "unsubscribe", {"topics": [inbox]}),
        Step("visitor", "unsubscribe", {"topics": [own]}),
        Step("visitor", "", {}, [("visitor", "system")]),
    ]


def _check(acks: dict[str, Json], heard: dict[str, dict[str, list[Json]]]) -> None:
    """Every event was asked and answered, and every other one heard, with the fields it has."""
    for namespace, who in (("/visitor", "visitor"), ("/staff", "ana")):
        assert set(acks[who]) == set(UP[namespace])
        for event, fields in UP[namespace].items():
            assert fields <= set(acks[who][event]), (who, event, acks[who][event])
            assert ("error" in acks[who][event]) == ("error" in fields), (event, acks[who][event])
    spoken = [(event, data) for each in heard.values() for event in each for data in each[event]]
    spoken += [(each["event"], each["frame"]) for each in acks["visitor"]["resume"]["frames"]]
    assert {event for event, _ in spoken} == set(DOWN)
    for event, data in spoken:
        assert DOWN[event] <= set(data), (event, data)
    assert "answer.delta" in heard["visitor"]
    assert "visitor" not in {each["kind"] for each in heard["visitor"]["typing"] if each["on"]}


def _said_by_the_code() -> set[str]:
    """The names of events in every call that hands one to sockets."""
    found = set(frames.EVENTS.values())
    for path in sorted((ROOT / "chatbot/realtime").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in {"deliver", "tell", "emit"}:
                names = [each.value for each in node.args if isinstance(each, ast.Constant)]
                found |= {each for each in names if isinstance(each, str)}
    return found


def test_every_event_is_named_here(live_service: live.Live) -> None:
    asked = live_service.service.realtime.doors()

    assert {namespace: set(events) for namespace, events in asked.items()} == {
        namespace: set(events) for namespace, events in UP.items()
    }
    assert _said_by_the_code() == set(DOWN)


async def test_the_javascript_client_works(stage: Stage) -> None:
    tokens = await _tokens(stage)
    people = {
        name: {"namespace": each.namespace, "token": tokens[name], "origin": each.headers["Origin"]}
        for name, each in _people(stage).items()
    }
    story = [asdict(step) for step in _story(stage, tokens)]
    program = Path(__file__).with_name("official_client.mjs")
    node = await asyncio.create_subprocess_exec(
        *("node", str(program)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    assert node.stdin
    assert node.stdout
    assert node.stderr
    async with asyncio.timeout(WITHIN_S):
        node.stdin.write(json.dumps({"url": stage.url, "people": people, "story": story}).encode())
        node.stdin.close()
        if await node.stdout.readline() == b"ready\n":
            await stage.revoke()
        last = await node.stdout.readline()
        complaint = (await node.stderr.read()).decode()
        await node.wait()

    assert node.returncode == 0, complaint
    result = json.loads(last)
    _check(result["acks"], result["heard"])


async def test_the_python_client_works(stage: Stage) -> None:
    people = _people(stage)
    acks: dict[str, Json] = {name: {} for name in people}

    for step in _story(stage, await _tokens(stage)):
        if step.ask:
            start = [data for event, data in people["visitor"].heard if event == "answer.start"]
            filled = step.payload | ({"mid": start[0]["mid"]} if "mid" in step.payload else {})
            acks[step.who][step.ask] = await people[step.who].emit(step.ask, filled)
        else:
            await stage.revoke()
        for who, event in step.hears:
            await _until_heard(people[who], event)

    heard: dict[str, dict[str, list[Json]]] = {name: {} for name in people}
    for name, person in people.items():
        for event, data in person.heard:
            heard[name].setdefault(event, []).append(data)
    _check(acks, heard)


def _people(stage: Stage) -> dict[str, live.Person]:
    return {"visitor": stage.visitor, "ana": stage.ana, "ben": stage.ben}


async def _tokens(stage: Stage) -> dict[str, str]:
    ana, ben = [
        (await each.post("/staff/socket-token"))["token"] for each in (stage.ana, stage.ben)
    ]
    return {"visitor": stage.visitor.token, "ana": ana, "ben": ben}


async def _until_heard(person: live.Person, name: str) -> None:
    async with asyncio.timeout(live.WAIT_S):
        while all(event != name for event, _ in person.heard):
            person.news.clear()
            await person.news.wait()
