"""What is said to those who listen when a kind of topics is paused or resumed."""

import structlog

from chatbot.realtime import metrics, topics
from chatbot.realtime.events import System
from chatbot.realtime.sockets.server import SocketServer

_OFF = "Live updates are off here for now. Load now and then."
_ON = "Live updates are on again. Load again."
_PAUSED = System("signals_paused", "refetch", _OFF)
_RESUMED = System("signals_resumed", "refetch", _ON)

log = structlog.get_logger(__name__)


class Switch:
    """Tells the sockets of one process what the relay found in the database's catalogue of kinds.

    They stay in their rooms meanwhile: words of answers, typing and presence are not paused, and
    whoever was there is told when it is over. Whoever came later asked, heard `paused`, and asks
    again as it polls.
    """

    def __init__(self, server: SocketServer) -> None:
        self._manager = server.manager

    def changed(self, before: topics.Catalogue, now: topics.Catalogue) -> None:
        """For `relay.listen_for_kinds`."""
        for kind in now.paused() - before.paused():
            self._tell(*kind, _PAUSED)
        for kind in before.paused() - now.paused():
            self._tell(*kind, _RESUMED)

    def _tell(self, scope: str, feature: str, notice: System) -> None:
        log.warning("realtime.kind_switched", code=notice.code, scope=scope, feature=feature)
        for namespace in self._manager.rooms:
            for sid in self._sids(namespace, f"{scope}:", f":{feature}"):
                self._manager.deliver("system", notice, namespace=namespace, room=sid)
                metrics.told(notice.code, "system")

    def _sids(self, namespace: str, begins: str, ends: str) -> set[str]:
        """The sockets that hear topics of a kind."""
        rooms = self._manager.rooms[namespace].items()
        heard = (
            sids for room, sids in rooms if room and room.startswith(begins) and room.endswith(ends)
        )
        return {sid for sids in heard for sid in sids}
