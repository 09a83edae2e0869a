"""The real-time layer as one thing: relay, answer frames and sockets, built together, started and
stopped together.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import socketio

from chatbot.database import Database
from chatbot.errors import Unavailable
from chatbot.realtime import topics
from chatbot.realtime.door import Deps, Door
from chatbot.realtime.events import System
from chatbot.realtime.frames import AnswerFrames
from chatbot.realtime.relay import Relay
from chatbot.realtime.signals import Signal
from chatbot.realtime.sockets import NAMESPACES, SocketServer
from chatbot.realtime.staff_socket import StaffAuth, StaffDoor
from chatbot.realtime.visitor_socket import Asking, VisitorAuth, VisitorDoor
from chatbot.settings import Limits


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
    ) -> None:
        self.relay = Relay(database)
        self.server = SocketServer(limits, trusted_proxies)
        self.frames = AnswerFrames(self.server.deliver)
        self._deps = Deps(database, self.relay, self.frames, limits)
        self._visitors = visitors
        self._staff = staff
        self._public_url = public_url
        self._doors: list[Door[Any]] = []
        self.relay.listen(self._pass_on)
        self.relay.listen_for_gaps(self._tell_all_to_refetch)

    def asgi(self, app: Any, asking: Asking) -> socketio.ASGIApp:
        """`app` with `/socket.io` in front of it; lifespan and all other paths go to `app`."""
        self._doors = [
            VisitorDoor(self._deps, self._visitors, asking),
            StaffDoor(self._deps, self._staff, self._public_url),
        ]
        for door in self._doors:
            self.server.register_namespace(door)
        return socketio.ASGIApp(self.server, other_asgi_app=app)

    def is_staffed(self, org_id: UUID) -> bool:
        """Whether a colleague of the organisation has the console open in this process."""
        return any(door.listener == "staff" and door.serves(org_id) for door in self._doors)

    def doors(self) -> dict[str, list[str]]:
        """Every event that a client may send, by namespace."""
        return {door.namespace: door.events() for door in self._doors}

    async def start(self) -> None:
        """Follow the database from now on."""
        await self.relay.start()

    async def stop(self) -> None:
        """Tell every socket that the service restarts, and close it."""
        error = Unavailable("restarting", "The service is restarting. It is back in a moment.")
        await self.server.dismiss_all(error)
        await self.relay.stop()
        await self.server.shutdown()

    def _pass_on(self, org_id: UUID, signal: Signal) -> None:
        topic = topics.parse(signal.topic)
        if topic is None:
            return  # a program's own kind, which nobody here can subscribe
        if topic.kind.listeners:
            self.server.deliver("signal", signal, signal.topic)
        elif signal.event == topics.ACCESS_CHANGED:
            for door in self._doors:
                door.access_changed(topic)

    def _tell_all_to_refetch(self) -> None:
        notice = System("signals_lost", "refetch", "Live updates were interrupted. Load again.")
        for namespace in NAMESPACES:
            for sid in self.server.manager.all_sids(namespace):
                self.server.manager.deliver("system", notice, namespace=namespace, room=sid)
