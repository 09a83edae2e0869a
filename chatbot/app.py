"""Builds the service out of its rooms; the only module that knows them all."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

import chatbot.answering.api
import chatbot.answering.models.api
import chatbot.answering.repair.api
import chatbot.answering.spending.api
import chatbot.answering.voice.api
import chatbot.conversations.api
import chatbot.library.api
import chatbot.staff.api
from chatbot import health, pages, web
from chatbot.answering.answers import Answers
from chatbot.answering.asking import Asking
from chatbot.answering.models.endpoints import Endpoints
from chatbot.answering.models.model import EndpointModel, Model
from chatbot.answering.models.secretbox import Box
from chatbot.answering.quoting.extractive import ExtractiveModel
from chatbot.answering.spending import budget
from chatbot.answering.spending.overview import Forgetting
from chatbot.answering.spending.rates import Rates
from chatbot.answering.turns import Asked
from chatbot.answering.writing import Writing
from chatbot.database import Database
from chatbot.jobs import Jobs
from chatbot.library.crawling import Crawling
from chatbot.library.ingest import Ingestion, as_ours
from chatbot.library.upkeep import Upkeep
from chatbot.realtime import events, frames, topics
from chatbot.realtime.doors import reports
from chatbot.realtime.layer import Realtime
from chatbot.realtime.nodes.bus import bus_of
from chatbot.realtime.signals import Signal
from chatbot.settings import Settings
from chatbot.staff import login
from chatbot.staff.api import provide_staff
from chatbot.staff.login import Passwords
from chatbot.throttle import Throttle
from chatbot.tokens import Tokens
from chatbot.visitors.doors import provide_visitor
from chatbot.visitors.seen import Seen
from chatbot.visitors.sessions import Lifetime, Sessions
from knowledge import rerank
from knowledge.embed import Embedder, LocalEmbedder, hosted
from knowledge.errors import KnowledgeError
from knowledge.models import Models
from knowledge.rerank import EndpointReranker
from knowledge.retrieve import Retriever
from knowledge.web.fetch import USER_AGENT, Fetcher

OPENAPI = OpenAPIConfig(
    title="Chatbot",
    version="1",
    path="/schema",
    render_plugins=[JsonRenderPlugin()],
    use_handler_docstrings=True,
)

SOCKET_STRUCTS = (
    Signal,
    events.Auth,
    events.Subscribe,
    events.Subscribed,
    events.Unsubscribe,
    events.Send,
    events.Resume,
    events.Stop,
    events.RetryAnswer,
    events.SetTyping,
    events.Typing,
    events.SetPresence,
    events.Present,
    events.Presence,
    events.SendBroadcast,
    events.Broadcast,
    events.Renewed,
    reports.Report,
    events.System,
    frames.Start,
    frames.Delta,
    frames.Snap,
    frames.End,
)


HEARD = (topics.ANSWER_STOP, topics.HANDOFF_TAKEN)  # signals that answers of this process obey


class Service:
    """All the parts of one process, built but not started; `asgi` is what the web server runs."""

    def __init__(
        self,
        settings: Settings,
        *,
        model: Model | None = None,
        embedder: Embedder | None = None,
        fetcher: Fetcher | None = None,
        run_jobs: bool = True,
        more_routes: Sequence[Router] = (),
    ) -> None:
        self.settings = settings
        self.database = Database(
            settings.database_url, connections=settings.limits.database_connections
        )
        self.tokens = Tokens(settings.secret_keys)
        self.seen = Seen(self.database)
        self.visitor_sessions = Sessions(
            self.database, self.tokens, self.seen, Lifetime.of(settings.limits)
        )
        self.jobs = Jobs(settings.database_url)
        self.models = models_of(settings, embedder)
        self.reranker = reranker_of(settings)
        searching = partial(self.database.transaction, keeps_plans=True)
        self.retriever = Retriever(searching, self.models, self.reranker)
        self.endpoints = endpoints_of(settings, model)
        self.realtime = self._realtime()
        self.answers = Answers(
            self.database,
            Writing(self.retriever, self.endpoints, self._reserve),
            self.realtime.frames,
            seconds_max=settings.limits.answer_seconds_max,
        )
        self.throttle = Throttle()
        self.asking = Asking(
            self.database,
            self.answers,
            settings.limits,
            Rates(self.throttle, settings.limits),
            self.realtime.is_staffed,
        )
        self.upkeep = Upkeep(self.database, self.jobs, self.models, settings.database_owner_url)
        self.forgetting = Forgetting(self.database)
        self.ingestion = Ingestion(self.database, self.jobs, self.models, self.upkeep)
        self.crawling = Crawling(
            self.database,
            self.jobs,
            fetcher or fetcher_of(settings),
            limits=settings.limits,
        )
        self._run_jobs = run_jobs
        self.http = self._http(more_routes)
        self.asgi = self.realtime.asgi(web.Doorway(self.http), self.asking)
        self.realtime.relay.listen(self._heard, lambda _topic, event: event in HEARD)

    async def start(self) -> None:
        """Follow the database, take up what a dead process left, and run jobs if told to."""
        await self.seen.start()
        await self.realtime.start()
        await self.answers.open()
        if self._run_jobs:
            await self.jobs.start(self.resume)

    async def resume(self) -> None:
        """Defer again whatever is due and has no job."""
        await self.ingestion.resume()
        await self.upkeep.resume()
        await self.crawling.resume()
        await self.forgetting.resume()

    async def stop(self) -> None:
        """The other way round: nothing new, then what runs ends, then the connections close."""
        await self.jobs.stop()
        await self.answers.close()
        await self.realtime.stop()
        await self.endpoints.close()
        if self.reranker is not None:
            await self.reranker.close()
        await self.seen.stop()
        await self.database.close()

    async def _reserve(self, asked: Asked, tokens: int) -> str | None:
        async with self.database.transaction(
            asked.org_id, actor="system", keeps_plans=True, signals=False
        ) as db:
            return await budget.reserve(
                db, asked.org_id, asked.mid, tokens=tokens, limits=self.settings.limits
            )

    def _heard(self, org_id: UUID, signal: Signal) -> None:
        """A signal of any process: stops and takeovers reach the answer that runs in this one."""
        match signal.event:
            case topics.ANSWER_STOP:
                mid = UUID(signal.ids["answer_id"])
                self.answers.stop(org_id, UUID(signal.ids["conversation_id"]), mid)
            case topics.HANDOFF_TAKEN:
                self.answers.hear_takeover(org_id, UUID(signal.ids["conversation_id"]))
            case _:
                pass

    def _realtime(self) -> Realtime:
        async def staff(token: str) -> tuple[login.Staff, datetime]:
            return await login.authenticate_socket(self.database, self.tokens, token)

        return Realtime(
            database=self.database,
            visitors=self.visitor_sessions.authenticate,
            staff=staff,
            public_url=self.settings.public_url,
            limits=self.settings.limits,
            trusted_proxies=self.settings.trusted_proxies,
            bus=bus_of(self.settings.redis_url),
        )

    def _http(self, more_routes: Sequence[Router]) -> Litestar:
        given = {
            "settings": self.settings,
            "database": self.database,
            "tokens": self.tokens,
            "visitor_sessions": self.visitor_sessions,
            "passwords": Passwords(),
            "throttle": self.throttle,
            "jobs": self.jobs,
            "models": self.models,
            "retriever": self.retriever,
            "asking": self.asking,
            "bot": self.answers,
            "endpoints": self.endpoints,
        }
        provided = {name: _provide(thing) for name, thing in given.items()}
        provided |= {"staff": Provide(provide_staff), "visitor": Provide(provide_visitor)}
        return Litestar(
            route_handlers=[_api(), pages.ROUTES, health.ROUTES, *more_routes],
            dependencies=provided,
            state=State({"settings": self.settings, "tokens": self.tokens}),
            exception_handlers={**web.EXCEPTION_HANDLERS, KnowledgeError: _knowledge_error},
            lifespan=[self._lifespan],
            request_max_body_size=self.settings.limits.body_bytes_max,
            openapi_config=OPENAPI,
            logging_config=None,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Litestar) -> AsyncGenerator[None]:
        await self.start()
        try:
            yield
        finally:
            await self.stop()


def openapi_schema() -> dict[str, Any]:
    """The API's OpenAPI document, with the structs that travel on sockets; needs no database."""
    service = Service(Settings(database_url="postgresql://nobody@localhost/none"))
    schema = service.http.openapi_schema.to_schema()
    _, components = msgspec.json.schema_components(
        SOCKET_STRUCTS, ref_template="#/components/schemas/{name}"
    )
    schema["components"]["schemas"] |= components
    return schema


def endpoints_of(settings: Settings, model: Model | None = None) -> Endpoints:
    """The model that the settings name (or `model`), and the way to those of organisations."""
    if model is None and settings.model != ExtractiveModel.name:
        model = EndpointModel(
            settings.model, api_key=settings.openai_api_key, base_url=settings.openai_base_url
        )
    return Endpoints(
        model,
        Box(settings.secret_keys),
        own_url=settings.openai_base_url,
        hosts=settings.model_hosts,
    )


def fetcher_of(settings: Settings) -> Fetcher:
    """What reads websites; it tells them where it comes from."""
    return Fetcher(user_agent=f"{USER_AGENT} (+{settings.public_url})")


def models_of(settings: Settings, embedder: Embedder | None = None) -> Models:
    """The embedding model that the settings name (or `embedder`), and the way to any other."""

    def make(name: str) -> Embedder:
        return hosted(name, api_key=settings.openai_api_key, base_url=settings.openai_base_url)

    if embedder is None:
        local = settings.embeddings == "local"
        embedder = LocalEmbedder() if local else make(settings.embeddings)
    return Models(embedder, make)


def reranker_of(settings: Settings) -> EndpointReranker | None:
    """The second opinion that the settings name, if they name one."""
    return rerank.endpoint(settings.reranker, url=settings.reranker_url, key=settings.reranker_key)


def _api() -> Router:
    return Router(
        path="/api/v1",
        route_handlers=[
            chatbot.answering.api.VISITOR_ROUTES,
            chatbot.answering.api.STAFF_ROUTES,
            chatbot.answering.spending.api.ROUTES,
            chatbot.answering.voice.api.ROUTES,
            chatbot.answering.models.api.ROUTES,
            chatbot.answering.repair.api.VISITOR_ROUTES,
            chatbot.answering.repair.api.STAFF_ROUTES,
            chatbot.conversations.api.ROUTES,
            chatbot.library.api.ROUTES,
            chatbot.staff.api.ROUTES,
        ],
    )


def _provide(thing: object) -> Provide:
    return Provide(lambda: thing, sync_to_thread=False)


def _knowledge_error(request: Request[Any, Any, Any], error: KnowledgeError) -> Response[Any]:
    return web.chatbot_error(request, as_ours(error))
