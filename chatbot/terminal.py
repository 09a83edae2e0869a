"""What the command line does with documents and questions: files in with a progress bar, an answer
out.
"""

import asyncio
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import select

from chatbot import jobs
from chatbot.answering import evidence, standing
from chatbot.answering.turns import Asked
from chatbot.answering.writing import Draft, Writing
from chatbot.database import Database, new_id
from chatbot.errors import ChatbotError, Invalid, NotFound, StartupError
from chatbot.library import ingest
from chatbot.orgs import sites
from chatbot.settings import Limits
from knowledge import bands
from knowledge.ingest import ingest_next
from knowledge.models import Models
from knowledge.retrieve import Retriever
from knowledge.tables import Document, Status

log = structlog.get_logger()

FILES_MAX = 10_000
POLL_S = 0.25
_DONE = (Status.READY, Status.FAILED)


class Result(msgspec.Struct, frozen=True):
    """How one file ended: `ready`, or the code of its failure and what to do."""

    name: str
    status: str
    message: str = ""
    passages: int = 0
    pages: int | None = None


def files_of(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Each file with the name it gets: relative to the folder that was named; hidden ones left
    out.
    """
    found: list[tuple[str, Path]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file())
            names = [(each.relative_to(path), each) for each in inside]
            found += [
                (_name(name), each)
                for name, each in names
                if not any(part.startswith(".") for part in name.parts)
            ]
        elif path.is_file():
            found.append((_name(Path(path.name)), path))
        else:
            raise StartupError(f"no_such_file: {path}")
    if len(found) > FILES_MAX:
        raise StartupError(f"too_many_files: at most {FILES_MAX} at once; these are {len(found)}.")
    return found


def _name(path: Path) -> str:
    """A path as text; bytes that are no UTF-8 show as replacement characters."""
    return os.fsencode(path).decode("utf-8", "replace")


async def ingest_files(
    database: Database,
    queue: jobs.Jobs,
    models: Models,
    org_id: UUID,
    files: Sequence[tuple[str, Path]],
    *,
    console: Console,
    limits: Limits,
) -> list[Result]:
    """Put files into the knowledge base and wait until each is ready or failed."""
    results: list[Result] = []
    waiting: set[UUID] = set()
    with _bar(console) as bar:
        total = bar.add_task("reading", total=len(files))
        for name, path in files:
            try:
                body = await asyncio.to_thread(_read, path)
                async with database.transaction(org_id, actor="system") as db:
                    document = await ingest.add(
                        db, queue, org_id, name=name, body=body, limits=limits
                    )
                waiting.add(document.id)
            except ChatbotError as error:
                results.append(Result(name, error.code, error.message))
                bar.console.print(f"[red]{name}[/]: {error.code}: {error.message}")
                bar.advance(total)
        workers = [_worker(database, models, org_id) for _ in range(jobs.workers())]
        while waiting:
            await asyncio.sleep(POLL_S)
            # One that has ended looks again: another process may have left its document behind.
            workers = [
                _worker(database, models, org_id) if each.done() else each for each in workers
            ]
            waiting &= await _existing(database, org_id, waiting)
            for document in await _ended(database, org_id, waiting):
                waiting.discard(document.id)
                results.append(_result(document))
                if document.status == Status.FAILED:
                    bar.console.print(
                        f"[red]{document.name}[/]: {document.error_code}: {document.error_message}"
                    )
                bar.update(total, advance=1, description=document.name[-40:])
        await asyncio.gather(*workers)
    return results


async def labels_of(database: Database, org_id: UUID, key: str | None) -> tuple[str, ...] | None:
    """From which labelled documents the visitors of the organisation's site with this key are
    answered; None, which is from all of them, without a key. NotFound `unknown_site`.
    """
    if key is None:
        return None
    async with database.transaction(org_id) as db:
        for site in await sites.sites(db, org_id):
            if site.key == key:
                return tuple(site.labels)
    raise NotFound(
        "unknown_site", "The organisation has no site with this key. Try: chatbot site tag"
    )


async def answer(
    database: Database,
    writing: Writing,
    org_id: UUID,
    question: str,
    console: Console,
    *,
    labels: tuple[str, ...] | None = None,
) -> None:
    """Stream one answer to the terminal, its sources below: with the organisation's own persona and
    models, as visitors get it; nothing is counted.
    """
    draft = Draft()
    async with database.transaction(org_id) as db:
        own = await standing.spoken(db, org_id)
    asked = Asked(
        org_id=org_id,
        conversation_id=new_id(),
        mid=new_id(),
        question=question,
        labels=labels,
        persona=own.persona,
        models=own.models,
    )
    async for piece in writing.pieces(asked, draft):
        console.print(piece, end="", markup=False, highlight=False, soft_wrap=True)
    console.print()
    for source in draft.sources():
        page = f", page {source.page}" if source.page else ""
        # An answer by hand has its question as title and as heading.
        own = source.heading and source.heading != source.title
        heading = f" — {source.heading}" if own else ""
        line = f"[{source.n}] {source.title}{page}{heading}"
        console.print(line, style="dim", markup=False, highlight=False)


async def show_passages(
    retriever: Retriever,
    org_id: UUID,
    question: str,
    console: Console,
    *,
    labels: tuple[str, ...] | None = None,
) -> None:
    """The passages behind an answer, best first, with every figure that put them there."""
    tried = await evidence.tried(retriever, org_id, question, labels=labels)
    found, words = tried.found, tried.words

    def show(line: str, style: str | None = None) -> None:
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

    support = bands.support(found.evidence, found.scale)
    show(
        f"band: {found.band} (support {support:.2f}; partial from {found.scale.partial_from},"
        f" answered from {found.scale.answered_from})"
    )
    if tried.curated is not None:
        show(f"served word for word: “{tried.curated.question}” (fits {tried.curated.match:.2f})")
    for said, meant in found.corrections.items():
        show(f"no passage has “{said}”; searched “{meant}” in its place")
    for n, hit in enumerate(found.hits, start=1):
        passage = hit.passage
        page = f" p.{passage.page}" if passage.page else ""
        show(
            f"{n}. {hit.score:.3f}  {passage.title}{page}  words {hit.lexical:.2f}"
            f"  vector {hit.vector:.3f}  coverage {hit.coverage:.2f}  strength {hit.strength:.2f}"
        )
        matched = ", ".join(f"{word.lexeme} {word.idf:.1f}" for word in words.get(passage.id, []))
        show(f"   matched: {matched or 'no word'}", "dim")
        show(f"   {passage.text[:200]!r}", "dim")


def _read(path: Path) -> bytes:
    """A file's bytes; Invalid `unreadable` when the system does not give them."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Invalid("unreadable", f"The file cannot be opened: {error.strerror}.") from error


def _worker(database: Database, models: Models, org_id: UUID) -> asyncio.Task[None]:
    return asyncio.create_task(_work(database, models, org_id))


async def _work(database: Database, models: Models, org_id: UUID) -> None:
    try:
        while await ingest_next(database.transaction, models, org_id):
            pass
    except Exception as error:  # a task's edge: the document is marked as failed, the next waits
        log.error("ingest_failed", exc_info=error)


async def _existing(database: Database, org_id: UUID, ids: set[UUID]) -> set[UUID]:
    async with database.transaction(org_id) as db:
        query = select(Document.id).where(Document.org_id == org_id, Document.id.in_(ids))
        return set((await db.scalars(query)).all())


async def _ended(database: Database, org_id: UUID, ids: set[UUID]) -> Sequence[Document]:
    async with database.transaction(org_id) as db:
        rows = await db.scalars(
            select(Document).where(
                Document.org_id == org_id, Document.id.in_(ids), Document.status.in_(_DONE)
            )
        )
        return rows.all()


def _result(document: Document) -> Result:
    status = "ready" if document.status == Status.READY else document.error_code or "failed"
    message = document.error_message or ""
    return Result(document.name, status, message, document.passages, document.pages)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<40}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
