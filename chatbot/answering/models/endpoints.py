"""From an organisation's rows to the models of one turn.

Nothing is kept between turns but connections and what was learnt of an endpoint, so that a changed
row counts from the next turn on, in every process.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from chatbot.answering.models.breaker import Breaker
from chatbot.answering.models.ladder import Ladder, Rung
from chatbot.answering.models.model import (
    PATIENT,
    TEMPERATURE,
    EndpointModel,
    Model,
    ModelFailed,
    Timeouts,
)
from chatbot.answering.models.network import Network
from chatbot.answering.models.secretbox import Box, KeyUnreadable
from chatbot.answering.quoting.extractive import ExtractiveModel
from chatbot.answering.tables import AnswerModel
from knowledge.web import weburl
from knowledge.web.addresses import Addresses
from knowledge.web.fetch import Resolve, system_resolver
from knowledge.web.weberrors import WebError
from knowledge.web.weburl import Target

FIRST, SECOND = 1, 2
KNOWN_MAX: Final = 1_000
_PORTS: Final = frozenset({80, 443})
_PORTS_FROM: Final = 1024


class Known(msgspec.Struct):
    """What was learnt of one model with one key at one address. Each organisation's apart: nobody
    can close an endpoint for somebody else.
    """

    breaker: Breaker
    dialect: set[str]


class Fingerprint(NamedTuple):
    base_url: str
    model: str
    key_hash: str


class Endpoints:
    """`own` is the install's model, None where there is only the extractive one; `own_url` is its
    base URL, which the operator answers for. `hosts` are `host` or `host:port` that organisations
    may name although they are not public; `addresses` is the table for all others.
    """

    def __init__(
        self,
        own: Model | None,
        box: Box,
        *,
        own_url: str,
        hosts: Sequence[str] = (),
        addresses: Addresses | None = None,
        resolve: Resolve = system_resolver,
        timeouts: Timeouts = PATIENT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.own = own
        self.own_url = own_url
        self.box = box
        self._hosts = frozenset(host.lower() for host in hosts)
        self._timeouts = timeouts
        self._clock = clock
        self._open = Network()
        self._guarded = Network(addresses or Addresses(), resolve=resolve)
        self.known: OrderedDict[Fingerprint, Known] = OrderedDict()
        self.own_breaker = Breaker(clock)

    @property
    def own_name(self) -> str:
        """What answers where an organisation has nothing of its own."""
        return ExtractiveModel.name if self.own is None else self.own.name

    async def close(self) -> None:
        """End all connections, the install's own model's too."""
        await self._open.aclose()
        await self._guarded.aclose()
        if isinstance(self.own, EndpointModel):
            await self.own.close()

    def ladder(self, rows: Sequence[AnswerModel]) -> Ladder | None:
        """The models of one turn, best first; None when there is none at all. The organisation's
        first replaces the install's own, which else comes before its second.
        """
        by_rank = {row.rank: row for row in rows}
        rungs = [self.rung(by_rank[FIRST])] if FIRST in by_rank else self._own_rung()
        if SECOND in by_rank:
            rungs.append(self.rung(by_rank[SECOND]))
        return Ladder(rungs, clock=self._clock) if rungs else None

    def rung(self, row: AnswerModel, *, timeouts: Timeouts | None = None) -> Rung:
        """The row's model, or why it cannot be asked: `key_unreadable` or `address_refused`."""
        try:
            key = self.box.open(row.org_id, row.key_sealed) if row.key_sealed else ""
            base_url, network = self.place(row.base_url)
        except KeyUnreadable:
            return Rung(row.model, None, Breaker(self._clock), problem="key_unreadable")
        except ModelFailed as error:
            return Rung(row.model, None, Breaker(self._clock), problem=error.code)
        known = self._known_of(base_url, row.model, key)
        model = EndpointModel(
            row.model,
            api_key=key,
            base_url=base_url,
            network=network,
            timeouts=timeouts or self._timeouts,
            temperature=TEMPERATURE if row.temperature is None else row.temperature,
            dialect=known.dialect,
        )
        return Rung(
            row.model,
            model,
            known.breaker,
            input_price=row.input_price,
            output_price=row.output_price,
        )

    def place(self, base_url: str | None) -> tuple[str, Network]:
        """Where that is, and the way there; without an address, the install's endpoint. ModelFailed
        `address_refused` for one that may not be named.
        """
        if base_url is None:
            return self.own_url, self._open
        try:
            target = weburl.parse(base_url)
        except WebError as error:
            raise ModelFailed("address_refused") from error
        if self._is_named(target):
            return str(target), self._open
        if target.scheme != "https" or not (target.port in _PORTS or target.port >= _PORTS_FROM):
            raise ModelFailed("address_refused")
        return str(target), self._guarded

    def _is_named(self, target: Target) -> bool:
        """Whether the operator lets organisations name this host."""
        host = f"[{target.host}]" if ":" in target.host else target.host
        return not self._hosts.isdisjoint({target.host, host, f"{host}:{target.port}"})

    def _own_rung(self) -> list[Rung]:
        return [] if self.own is None else [Rung(self.own.name, self.own, self.own_breaker)]

    def _known_of(self, base_url: str, model: str, key: str) -> Known:
        which = Fingerprint(base_url, model, hashlib.sha256(key.encode()).hexdigest())
        known = self.known.pop(which, None) or Known(Breaker(self._clock), set())
        self.known[which] = known
        if len(self.known) > KNOWN_MAX:
            self.known.popitem(last=False)
        return known
