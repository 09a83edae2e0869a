"""How a server goes down: nobody new, all told when to come back, and closed a few at a time."""

import asyncio
import math

from chatbot.realtime import metrics
from chatbot.realtime.events import System
from chatbot.realtime.sockets.entrance import restarting
from chatbot.realtime.sockets.manager import packet
from chatbot.realtime.sockets.server import NAMESPACES, SocketServer

RETURNS_PER_S = 200  # what a server that has just started takes in with ease
WINDOW_S = (1, 30)
SLICE = 20
CLOSE_WITHIN_S = 10.0
REST_S = 0.005


class Drain:
    """The way down of one process's sockets."""

    def __init__(self, server: SocketServer) -> None:
        self._server = server

    async def announce(self) -> None:
        """Let nobody in any more and tell all `server_restarting`, with the seconds over which they
        may spread their return. Saying it twice changes nothing.
        """
        guests, manager = self._server.guests, self._server.manager
        if guests.restarts_in_s is not None:
            return
        here = [(namespace, sid) for namespace in NAMESPACES for sid in manager.all_sids(namespace)]
        least, most = WINDOW_S
        guests.restarts_in_s = min(most, max(least, math.ceil(len(here) / RETURNS_PER_S)))
        error = restarting(guests.restarts_in_s)
        messages = {each: packet(each, "system", System.of(error)) for each in NAMESPACES}
        for number, (namespace, sid) in enumerate(here, 1):
            eio_sid = manager.eio_sid_from_sid(sid, namespace)
            if eio_sid is not None:
                metrics.told(error.code, "system")
                manager.put(eio_sid, messages[namespace])
            if number % SLICE == 0:
                await asyncio.sleep(0)

    async def close_all(self) -> None:
        """Close every socket within CLOSE_WITHIN_S, never many in one turn of the loop."""
        manager, loop = self._server.manager, asyncio.get_running_loop()
        until = loop.time() + CLOSE_WITHIN_S
        for namespace in NAMESPACES:
            for number, sid in enumerate(manager.all_sids(namespace), 1):
                await self._server.close(sid, namespace)
                if number % SLICE == 0:
                    await asyncio.sleep(REST_S if loop.time() < until else 0)
