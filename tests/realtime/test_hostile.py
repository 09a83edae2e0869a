"""Clients that do not play by the rules: each is cut off, and nobody else notices."""

# pyright: reportPrivateUsage=false

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from engineio import packet as engine

from chatbot.database import Database
from chatbot.realtime.sockets import entrance
from chatbot.realtime.sockets.manager import Rooms
from chatbot.realtime.sockets.outbox import Outbox
from chatbot.realtime.sockets.server import SocketServer
from chatbot.settings import Limits
from tests.realtime.conftest import (
    PUBLIC_URL,
    SITE_ORIGIN,
    House,
    Service,
    build_house,
    connected,
    say,
    serving,
    until,
)


@asynccontextmanager
async def raw(
    service: Service, *, headers: dict[str, str] | None = None
) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
    """A bare websocket, Engine.IO's greeting already read."""
    headers = {"Origin": SITE_ORIGIN} if headers is None else headers
    async with aiohttp.ClientSession() as http:
        url = f"{service.url}/socket.io/?EIO=4&transport=websocket"
        patience = aiohttp.ClientWSTimeout(ws_close=0.2)  # pyright: ignore[reportCallIssue]
        async with http.ws_connect(url, headers=headers, max_msg_size=0, timeout=patience) as ws:
            assert (await ws.receive_str()).startswith("0")
            yield ws


async def sign_in(ws: aiohttp.ClientWebSocketResponse, house: House) -> None:
    assert (await try_to_sign_in(ws, "/visitor", house.visitor_token)).startswith("40/visitor,")


async def try_to_sign_in(ws: aiohttp.ClientWebSocketResponse, namespace: str, token: str) -> str:
    await ws.send_str(f"40{namespace}," + json.dumps({"token": token}))
    return await ws.receive_str()


def refusal(packet: str) -> tuple[str, str]:
    """Code and retry of a CONNECT_ERROR."""
    assert packet.startswith("44"), packet
    data = json.loads(packet.partition(",")[2])["data"]
    assert data["retry_after_s"] >= 1
    return data["code"], data["retry"]


async def subscribe(ws: aiohttp.ClientWebSocketResponse, topic: str) -> None:
    await ws.send_str("42/visitor,1" + json.dumps(["subscribe", {"topics": [topic]}]))
    assert '"ok"' in await ws.receive_str()


async def closed(ws: aiohttp.ClientWebSocketResponse, within_s: float) -> list[str]:
    """What the server still said until it closed; TimeoutError when it does not."""
    async with asyncio.timeout(within_s):
        return [str(message.data) async for message in ws]


async def test_a_socket_that_never_proves_itself_is_closed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.realtime.server, "prove_within_s", 0.3)
    async with raw(service) as ws:
        await closed(ws, 2.0)
    assert service.realtime.server.guests.strangers() == []


async def test_a_peer_that_is_silently_gone_is_noticed(database: Database) -> None:
    house = await build_house(database)
    limits = Limits(socket_ping_seconds=1, socket_pong_seconds=1)
    async with (
        serving(database, limits) as service,
        raw(service) as gone,
        connected(service, "/visitor", house.visitor_token) as ear,
    ):
        await sign_in(gone, house)

        assert "2" in await closed(gone, 10.0)  # the ping that it never answered

        await until(lambda: len(service.realtime.server.eio.sockets) == 1)
        assert ear.connected


async def test_a_refused_socket_is_closed_too(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.realtime.server, "prove_within_s", 0.3)
    async with raw(service) as ws:
        await ws.send_str('40/visitor,{"token":"nonsense"}')

        said = await closed(ws, 2.0)

    assert json.loads(said[0].partition(",")[2])["data"]["code"] == "not_signed_in"


async def test_who_leaves_the_namespace_and_stays_is_a_stranger_again(
    service: Service, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.realtime.server, "prove_within_s", 0.3)
    async with raw(service) as ws:
        await sign_in(ws, two_houses[0])
        await ws.send_str("41/visitor,")

        await closed(ws, 2.0)


async def test_a_socket_that_proves_itself_stays(
    service: Service, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.realtime.server, "prove_within_s", 0.3)
    async with raw(service) as ws:
        await sign_in(ws, two_houses[0])

        with pytest.raises(TimeoutError):
            await closed(ws, 0.8)


@pytest.mark.parametrize("origin", ["null", "javascript:1", f"{SITE_ORIGIN}/path", "x", "é"])
async def test_an_origin_that_is_none_does_not_even_shake_hands(
    service: Service, origin: str
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError):
        async with raw(service, headers={"Origin": origin}):
            pass


@pytest.mark.parametrize(
    ("headers", "visitor_may", "staff_may"),
    [
        ({}, True, False),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "websocket"}, True, False),
        ({"Sec-Fetch-Site": "cross-site"}, False, False),
        ({"Sec-Fetch-Mode": "websocket"}, False, False),
        ({"Origin": SITE_ORIGIN, "Sec-Fetch-Site": "cross-site"}, True, False),
        ({"Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-origin"}, False, True),
    ],
)
async def test_a_browser_cannot_hide_where_it_comes_from(
    service: Service,
    two_houses: tuple[House, House],
    headers: dict[str, str],
    visitor_may: bool,
    staff_may: bool,
) -> None:
    house, _ = two_houses
    async with raw(service, headers=headers) as ws:
        found = await try_to_sign_in(ws, "/visitor", house.visitor_token)
        assert found.startswith("40" if visitor_may else "44"), found
    async with raw(service, headers=headers) as ws:
        found = await try_to_sign_in(ws, "/staff", house.staff_token())
        assert found.startswith("40" if staff_may else "44"), found


async def test_a_full_process_says_so_and_takes_no_more(database: Database) -> None:
    house = await build_house(database)
    async with serving(database, Limits(sockets_per_process=1)) as service, raw(service) as first:
        await sign_in(first, house)
        async with raw(service) as second:
            refused = await try_to_sign_in(second, "/visitor", house.visitor_token)

            assert refusal(refused) == ("too_many_connections", "backoff")
            await closed(second, 3.0)
        service.realtime.server.guests.left(next(iter(service.realtime.server.eio.sockets)))
        async with raw(service) as third:
            await sign_in(third, house)


async def test_a_flood_of_connections_is_not_even_heard(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "HEADROOM", 0)
    async with serving(database, Limits(sockets_per_process=1)) as service, raw(service):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with raw(service):
                pass


async def test_one_network_has_a_bounded_number_of_sockets(database: Database) -> None:
    house = await build_house(database)
    async with serving(database, Limits(sockets_per_block=1)) as service, raw(service) as first:
        await sign_in(first, house)
        async with raw(service) as second:
            refused = await try_to_sign_in(second, "/visitor", house.visitor_token)

            assert refusal(refused) == ("too_many_connections", "backoff")


async def test_one_network_cannot_hold_the_door_open(database: Database) -> None:
    async with (
        serving(database, Limits(sockets_unproven_per_block=2)) as service,
        raw(service),
        raw(service),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with raw(service):
                pass


async def test_a_crowd_is_asked_to_come_back_as_a_line(database: Database) -> None:
    house = await build_house(database)
    async with serving(database, Limits(connects_per_second_process=1)) as service:
        said: list[str] = []
        for _ in range(5):
            async with raw(service) as ws:
                said.append(await try_to_sign_in(ws, "/visitor", house.visitor_token))

    refused = [json.loads(each.partition(",")[2])["data"] for each in said if each[:2] == "44"]
    assert [each[:2] for each in said[:2]] == ["40", "40"]
    assert {(each["code"], each["retry"]) for each in refused} == {("too_many_joins", "backoff")}
    waits = [each["retry_after_s"] for each in refused]
    assert waits == sorted(waits)
    assert waits[-1] > waits[0] >= 1


@pytest.mark.parametrize(
    "packet",
    [
        b"\x00\x01",
        '451-/visitor,["send",{"_placeholder":true,"num":0}]',
        '459999999999-/visitor,["send",{"_placeholder":true,"num":0}]',
        '461-/visitor,1[{"_placeholder":true,"num":0}]',
        "42/visitor,{}",
        "42/visitor,[]",
        "42/visitor",
        "42/visitor,1",
        "42/visitor,[[1]]",
        '42/visitor,["disconnect"]',
        '42/visitor,["disconnect","transport close"]',
        '42/visitor,1["connect",{"HTTP_ORIGIN":"https://www.example.org"},{"token":"x"}]',
        "42/visitor," + "[" * 60_000,
        "42/visitor," + "1" * 60_000,
        '4{"a":1}',
        '4["a"]',
        "44/visitor,{}",
        "49",
        "4",
        "x" * 70_000,
    ],
    ids=lambda packet: str(packet[:24]),
)
async def test_an_unreadable_packet_ends_the_socket(
    service: Service, two_houses: tuple[House, House], packet: str | bytes
) -> None:
    async with raw(service) as ws:
        await sign_in(ws, two_houses[0])

        await (ws.send_bytes(packet) if isinstance(packet, bytes) else ws.send_str(packet))

        await closed(ws, 2.0)
    assert service.realtime.server._binary_packet == {}
    async with connected(service, "/visitor", two_houses[0].visitor_token) as ear:
        topic = f"org:{two_houses[0].org_id}:public"
        assert (await ear.ask("subscribe", {"topics": [topic]}))["topics"] == {topic: "ok"}


async def test_events_before_the_proof_reach_no_handler(
    service: Service, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.realtime.server, "prove_within_s", 0.3)
    stopped = list(service.answerer.stopped)
    async with raw(service) as ws:
        await ws.send_str('42/visitor,1["stop",{"mid":"00000000-0000-0000-0000-000000000007"}]')

        said = await closed(ws, 2.0)

    assert not any(each.startswith("43") for each in said)
    assert service.answerer.stopped == stopped


async def test_long_polling_is_not_offered(service: Service) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{service.url}/socket.io/?EIO=4&transport=polling") as reply:
            assert reply.status == 400
        async with http.post(
            f"{service.url}/socket.io/?EIO=4&transport=polling", data=b"x" * 100
        ) as reply:
            assert reply.status == 400


async def test_who_leaves_during_the_proof_leaves_nothing_behind(
    service: Service, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = asyncio.Event()

    async def slow(token: str, origin: str | None) -> object:
        await gone.wait()
        return two_houses[0].visitor

    monkeypatch.setattr(service.realtime._doors[0], "_auth", slow)
    async with raw(service) as ws:
        await ws.send_str('40/visitor,{"token":"any"}')
        await asyncio.sleep(0.1)
        service.realtime.server._abort(service.realtime.server.guests.strangers()[0])
    gone.set()
    await asyncio.sleep(0.2)

    manager = service.realtime.server.manager
    assert manager.rooms.get("/visitor", {}) == {}
    assert manager._between == set()
    assert manager._sid_of == {}
    assert manager._rooms_of == {}


async def test_a_client_that_does_not_read_is_cut_and_others_hear_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot.realtime.sockets.server.CLOSE_WITHIN_S", 0.5)
    house = await build_house(database)
    topic = f"conversation:{house.conversation_id}:messages"
    async with serving(database, Limits()) as service:
        server = service.realtime.server
        async with (
            raw(service) as stuck,
            connected(service, "/visitor", house.visitor_token) as ear,
        ):
            await ear.ask("subscribe", {"topics": [topic]})
            await sign_in(stuck, house)
            await subscribe(stuck, topic)
            stuck._response.connection.transport.pause_reading()  # type: ignore[union-attr]
            queues = [each.queue for each in server.eio.sockets.values()]

            for sent in range(1, 2001):
                server.deliver("answer.delta", {"text": "x" * 10_000}, topic)
                if sent % 20 == 0:
                    await until(lambda sent=sent: len(ear.heard) >= sent)
            await until(lambda: len(server.eio.sockets) == 1)

            assert all(each.qsize() <= 256 for each in queues)
            assert len(server.manager.sids(topic, "/visitor")) == 1
            await say(database, house, "still fine")
            await ear.hear("signal")


class Wire:
    """Stands for uvicorn's protocol and the transport that it holds."""

    def __init__(self, *, closing: bool, unsent: int) -> None:
        self.transport = self
        self.cut = asyncio.Event()
        self._closing = closing
        self._unsent = unsent

    async def send(self, _event: object) -> None:
        """Never called: the connection is over."""

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def abort(self) -> None:
        self.cut.set()


async def test_what_is_closed_but_not_sent_is_cut_after_a_while_and_what_is_over_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatbot.realtime.sockets.server.CLOSE_WITHIN_S", 0.01)
    server = SocketServer(Limits())
    unsent, standing, over = (
        Wire(closing=closing, unsent=unsent)
        for closing, unsent in ((True, 9), (False, 0), (True, 0))
    )
    for name, wire in (("a", unsent), ("b", standing), ("c", over)):
        server.environ[name] = {"asgi.send": wire.send}
        await server._handle_eio_disconnect(name, "transport close")

    async with asyncio.timeout(5):
        await unsent.cut.wait()
        await standing.cut.wait()

    assert not over.cut.is_set()


async def test_a_client_that_was_only_slow_learns_why(
    database: Database, two_houses: tuple[House, House]
) -> None:
    house, _ = two_houses
    topic = f"conversation:{house.conversation_id}:messages"
    async with serving(database, Limits(socket_queue_frames=8)) as service, raw(service) as ws:
        await sign_in(ws, house)
        await subscribe(ws, topic)

        for _ in range(20):
            service.realtime.server.deliver("answer.delta", {"text": "x"}, topic)

        said = await closed(ws, 3.0)
        event, notice = json.loads(said[-1].partition(",")[2])
        assert event == "system"
        assert (notice["code"], notice["retry"]) == ("slow_consumer", "backoff")


async def test_a_restart_is_announced(database: Database) -> None:
    house = await build_house(database)
    async with serving(database, Limits()) as service:
        ear_context = connected(service, "/visitor", house.visitor_token)
        ear = await ear_context.__aenter__()
    notice = await ear.hear("system", 1.0)
    assert (notice["code"], notice["retry"]) == ("server_restarting", "backoff")
    assert notice["retry_after_s"] == 1
    await ear_context.__aexit__(None, None, None)


async def test_nothing_is_sent_without_saying_to_whom(service: Service) -> None:
    server = service.realtime.server
    for arguments in ({}, {"room": None}, {"to": ""}):
        with pytest.raises(ValueError, match="room or a socket"):
            await server.emit("signal", {}, namespace="/visitor", **arguments)  # type: ignore[arg-type]


async def test_a_socket_knows_its_rooms_and_leaves_them_all() -> None:
    rooms = Rooms()
    for number in range(100):
        rooms.basic_enter_room(f"s{number}", "/visitor", None, eio_sid=f"e{number}")
        rooms.basic_enter_room(f"s{number}", "/visitor", "topic")
        rooms.basic_enter_room(f"s{number}", "/visitor", f"own {number}")

    assert sorted(rooms.rooms_of("s7", "/visitor")) == ["own 7", "topic"]
    rooms.basic_disconnect("s7", "/visitor")

    assert rooms.rooms_of("s7", "/visitor") == []
    assert len(rooms.sids("topic", "/visitor")) == 99
    assert "own 7" not in rooms.rooms["/visitor"]
    for number in range(100):
        rooms.basic_disconnect(f"s{number}", "/visitor")
    assert rooms.rooms == {}
    assert rooms._rooms_of == {}


def test_an_outbox_is_bounded_in_frames_and_in_bytes() -> None:
    packet = engine.Packet(engine.MESSAGE, "x" * 100)
    last = engine.Packet(engine.MESSAGE, "sorry")
    for outbox in (Outbox(10, 1_000_000), Outbox(1000, 1000)):
        ended: list[int] = []
        outbox.goodbye = lambda ended=ended: ended.append(1) or last
        for _ in range(10):
            outbox.put_nowait(packet)
        assert (outbox.qsize(), ended) == (10, [])

        for _ in range(100):
            outbox.put_nowait(packet)

        assert ended == [1]
        assert [outbox.get_nowait() for _ in range(outbox.qsize())] == [last, None]


def test_addresses_are_counted_by_network() -> None:
    server = SocketServer(Limits(), ["10.0.0.1", "10.0.0.2"])

    def block(host: str | None, *forwarded: bytes) -> str:
        headers = [(b"x-forwarded-for", line) for line in forwarded]
        client = (host, 1) if host else None
        return server.block_of({"asgi.scope": {"client": client, "headers": headers}})

    assert block("203.0.113.9") == block("::ffff:203.0.113.9") == "203.0.113.9/32"
    assert block("2001:db8:1:2:3::4") == block("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert block(None) == "::/64"
    assert block("unix") == "unknown"
    assert block("203.0.113.9", b"198.51.100.1") == "203.0.113.9/32"
    assert block("10.0.0.1", b"192.0.2.7, 198.51.100.1") == "198.51.100.1/32"
    assert block("10.0.0.1", b"192.0.2.7", b"198.51.100.1, 10.0.0.2") == "198.51.100.1/32"
    assert block("10.0.0.1", b"192.0.2.7, 198.51.100.1:50412") == "198.51.100.1/32"
    assert block("10.0.0.1", b"198.51.100.1:1, 10.0.0.2:2") == "198.51.100.1/32"
    assert block("10.0.0.1", b"[2001:db8:1:2:3::4]:50412") == "2001:db8:1:2::/64"
    assert block("10.0.0.1", b"[2001:db8:1:2:3::4]") == "2001:db8:1:2::/64"
    assert block("10.0.0.1", b"2001:db8:1:2:3::4") == "2001:db8:1:2::/64"
    for strange in (b"made up", b":1", b"[", b"[]:1", b"198.51.100.1:x", b"198.51.100.1:1:2"):
        assert block("10.0.0.1", strange) == "unknown"
    assert block("10.0.0.1") == "10.0.0.1/32"
