"""The real-time layer as one thing: relay, answer frames and sockets, built together, started and
stopped together.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import socketio

from chatbot.database import Database
from chatbot.realtime import metrics, topics
from chatbot.realtime.doors.counting import Counting
from chatbot.realtime.doors.deeds import Deeds
from chatbot.realtime.doors.door import CONNECTS_AT_ONCE, Deps, Door
from chatbot.realtime.doors.hearing import JOINS_AT_ONCE
from chatbot.realtime.doors.reports import Reports
from chatbot.realtime.doors.staff_socket import StaffAuth, StaffDoor
from chatbot.realtime.doors.switch import Switch
from chatbot.realtime.doors.visitor_socket import Asking, VisitorAuth, VisitorDoor
from chatbot.realtime.events import System
from chatbot.realtime.following.relay import Relay
from chatbot.realtime.nodes.bus import Bus, LocalBus
from chatbot.realtime.nodes.node import Nodes
from chatbot.realtime.presence.attending import Attending
from chatbot.realtime.presence.ephemera import Ephemera
from chatbot.realtime.signals import Signal
from chatbot.realtime.sockets.drain import Drain
from chatbot.realtime.sockets.entrance import Entrance
from chatbot.realtime.sockets.server import NAMESPACES, SocketServer
from chatbot.settings import Limits

WRITTEN_WITHIN_S = 2.0
BUSY_WAITING = 2 * (CONNECTS_AT_ONCE + JOINS_AT_ONCE)  # twice what one door asks at a time


class Realtime:
    """Give `frames` to the answering room and its asking to `asgi`; whoever waits for a signal says
    `relay.listen`.
    """

    def __init__(
        self,
        *,
        database: Database,
        visitors: VisitorAuth,
        staff: StaffAuth,
        public_url: str,
        limits: Limits,
        trusted_proxies: Sequence[str] = (),
        bus: Bus | None = None,
    ) -> None:
        self.relay = Relay(database)
        self.server = SocketServer(limits, trusted_proxies)
        self._bus = bus or LocalBus()
        self._nodes = Nodes(self._bus, database, self.server.deliver)
        self.frames = self._nodes.frames
        deeds = Deeds(database, lambda: self.relay.catalogue)
        self._deps = Deps(
            database,
            self.relay,
            self._nodes,
            self.server,
            limits,
            Entrance(limits.joins_per_second_process),
            deeds,
        )
        node = secrets.token_hex(8)
        self.attending = Attending(database, node=node)
        self.ephemera = Ephemera(
            server=self.server,
            bus=self._bus,
            database=database,
            deeds=deeds,
            node=node,
        )
        self._drain = Drain(self.server)
        self._visitors = visitors
        self._staff = staff
        self._public_url = public_url
        self._doors: list[Door[Any]] = []
        self._reports = Reports()
        self._counting = Counting(self.server)
        self.relay.listen_for_kinds(Switch(self.server).changed)
        self.relay.listen_for_kinds(self._kinds_changed)
        self.relay.listen(self._pass_on, self._concerns_us)
        self.relay.listen_for_gaps(self.lose_signals)
        self.relay.listen(self.attending.hear, self.attending.wants)
        self.relay.listen_for_gaps(self.attending.forget_all)
        self.relay.listen(self.ephemera.hear, self.ephemera.wants)
        self.relay.listen_for_gaps(self.ephemera.forget_rights)

    def asgi(self, app: Any, asking: Asking) -> socketio.ASGIApp:
        """`app` with `/socket.io` in front of it; lifespan and all other paths go to `app`."""
        self._doors = [
            VisitorDoor(self._deps, self._visitors, asking),
            StaffDoor(self._deps, self._staff, self._public_url),
        ]
        for door in self._doors:
            self.server.register_namespace(door)
            door.hearing.watch(self._nodes)
            door.hearing.watch(self.attending)
            self.ephemera.serve(door)
            self._reports.serve(door)
            door.hearing.watch(self._counting)
        return socketio.ASGIApp(self.server, other_asgi_app=app)

    async def is_staffed(self, org_id: UUID) -> bool:
        """Whether a colleague of the organisation has the console open, on any node."""
        return await self.attending.is_staffed(org_id)

    def doors(self) -> dict[str, list[str]]:
        """Every event that a client may send, by namespace."""
        return {door.namespace: door.events() for door in self._doors}

    def is_busy(self) -> bool:
        """Whether so many sockets come in that another would only wait behind them."""
        return sum(door.waiting for door in self._doors) >= BUSY_WAITING

    async def start(self) -> None:
        """Follow the database from now on."""
        await self.relay.start()
        await self._nodes.start()
        await self.ephemera.start()
        await self.attending.start()
        await self._counting.start()

    async def drain(self) -> None:
        """Tell every socket that this server goes down, let nobody in any more, and close them: to
        be called before the web server closes connections in its own way.
        """
        await self._drain.announce()
        await self._drain.close_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITTEN_WITHIN_S):
                while self.server.eio.sockets:  # noqa: ASYNC110 - their writers empty the queues
                    await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """`drain`, if that was not done, and end all that goes on."""
        await self.drain()
        await self._counting.stop()
        await self.attending.stop()
        await self.ephemera.stop()
        await self._nodes.stop()
        await self.relay.stop()
        await self.server.shutdown()

    def lose_signals(self) -> None:
        """Signals were lost for good: all read their state anew, and prove their rights again."""
        notice = System("signals_lost", "refetch", "Live updates were interrupted. Load again.")
        for namespace in NAMESPACES:
            for sid in self.server.manager.all_sids(namespace):
                self.server.manager.deliver("system", notice, namespace=namespace, room=sid)
        for door in self._doors:
            door.access_missed()

    def _concerns_us(self, topic: str, event: str) -> bool:
        return event == topics.ACCESS_CHANGED or self.server.manager.has_listeners(topic)

    def _pass_on(self, org_id: UUID, signal: Signal) -> None:
        topic = self.relay.catalogue.parse(signal.topic)
        if topic is None:
            return  # of a kind that nobody can subscribe, or no longer
        if topic.kind.listeners:
            self.server.deliver("signal", signal, signal.topic)
            deliveries = sum(len(rooms.get(signal.topic, ())) for rooms in self._rooms())
            metrics.of_kind(metrics.kind(signal.topic)).deliveries.inc(deliveries)
        elif signal.event == topics.ACCESS_CHANGED:
            for door in self._doors:
                door.access_changed(topic)

    def _kinds_changed(self, _before: topics.Catalogue, _now: topics.Catalogue) -> None:
        for door in self._doors:
            door.kinds_changed()

    def _rooms(self) -> Iterable[dict[Any, dict[str, str]]]:
        return (self.server.manager.rooms.get(each, {}) for each in NAMESPACES)
