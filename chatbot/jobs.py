"""The job queue's wiring: procrastinate on our Postgres, deferred inside the business transaction.

Jobs are named here and nowhere imported; their arguments are ids. What a killed worker left behind
is found again by `resume`, so a job may run twice and must not mind.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import SEARCH_PATH

log = structlog.get_logger()

INGEST = "ingest"
UPKEEP = "upkeep"
CRAWL = "crawl"
POLL_S = 1.0
RESUME_S = 30.0
STALLED_S = 60.0
SHUTDOWN_S = 10.0
CONNECTIONS_MAX = 4
# Jobs that mostly wait, for a website or for an index to be built, have slots of their own: they
# must not keep files waiting.
WAITING = frozenset({UPKEEP, CRAWL})
WAITING_MAX = 3


def workers() -> int:
    """How many jobs run at once: one core is left to answer questions."""
    return max(1, (os.cpu_count() or 1) - 1)


class Jobs:
    """Defers jobs, and runs them in a process that was told to."""

    def __init__(self, url: str) -> None:
        self._app = App(
            connector=PsycopgConnector(
                conninfo=url,
                min_size=1,
                max_size=CONNECTIONS_MAX,
                kwargs={"options": f"-c search_path={SEARCH_PATH}"},
            )
        )
        self._names: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    def does(self, name: str, work: Callable[[UUID], Awaitable[None]]) -> None:
        """Let this process run `name`; its one argument is an organisation's id."""

        async def run(org_id: str) -> None:
            await work(UUID(org_id))

        self._app.task(name=name, queue=name)(run)
        self._names.append(name)

    async def defer(self, db: AsyncSession, name: str, org_id: UUID) -> None:
        """Queue `name` for the organisation in this transaction, once however often it is asked."""
        with suppress(AlreadyEnqueued):
            async with db.begin_nested():
                # Asked for inside, because only then is the savepoint really set.
                link = await (await db.connection()).get_raw_connection()
                job = self._app.configure_task(
                    name,
                    queue=name,
                    queueing_lock=f"{name}:{org_id}",
                    connection=link.driver_connection,
                )
                await job.defer_async(org_id=str(org_id))

    async def start(self, resume: Callable[[], Awaitable[None]]) -> None:
        """Run jobs until `stop`; `resume` defers again what is due, now and every half minute."""
        await self._app.open_async()
        busy = [name for name in self._names if name not in WAITING]
        waiting = [name for name in self._names if name in WAITING]
        self._tasks = [
            asyncio.create_task(self._work(queues, slots), name=f"jobs {' '.join(queues)}")
            for queues, slots in ((busy, workers()), (waiting, WAITING_MAX))
            if queues
        ]
        self._tasks.append(asyncio.create_task(self._resume(resume), name="resume jobs"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SHUTDOWN_S)
            await self._app.close_async()
        self._tasks = []

    async def _work(self, queues: list[str], slots: int) -> None:
        while True:
            try:
                await self._app.run_worker_async(
                    queues=queues,
                    concurrency=slots,
                    fetch_job_polling_interval=POLL_S,
                    listen_notify=False,
                    install_signal_handlers=False,
                    delete_jobs="successful",
                    shutdown_graceful_timeout=1,
                )
            except Exception as error:  # the worker's edge: a lost database must not end it
                log.warning("jobs_lost_database", error=type(error).__name__)
            await asyncio.sleep(POLL_S)

    async def _resume(self, resume: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await resume()
                await self._retry_stalled()
            except Exception as error:  # as above: the next round tries again
                log.warning("resume_failed", error=type(error).__name__)
            await asyncio.sleep(RESUME_S)

    async def _retry_stalled(self) -> None:
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_S):
            # One whose organisation has a job waiting already need not come back.
            with suppress(ConnectorException):
                await manager.retry_job(job)
