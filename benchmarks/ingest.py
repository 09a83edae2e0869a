"""Files to passages that can be found: extraction in the child, splitting, vectors, indexing.

    python -m benchmarks.ingest [--data DIR] [--markitdown PYTHON] [--queue N] [--json]

Without a folder it makes a PDF, a CSV, a page of HTML and a Markdown file of its own. With the
Python of an environment that has markitdown, the same files go through that and the same splitter,
and then its Markdown through the same embedding and index. `--queue` puts N small documents of each
of two organisations into the real job queue at once.
"""

import asyncio
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

import click
import msgspec
import psutil

from benchmarks.corpus import Writer
from benchmarks.queueing import work_off
from benchmarks.report import Metrics, bench_database, report
from chatbot.database import Database
from chatbot.orgs.sites import create_org
from chatbot.orgs.tables import Org
from knowledge import index, ingest
from knowledge.embed import LocalEmbedder
from knowledge.errors import KnowledgeError
from knowledge.models import Models
from knowledge.reading import extract, filetype, readmarkdown, split, tokenestimate
from knowledge.tables import Document, Status
from tests.knowledge import files

_PAGES: Final = 200
_PEER_S_MAX: Final = 1_800
_PEER: Final = Path(__file__).with_name("peer_markitdown.py")
_EMBEDDER: Final = LocalEmbedder()


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--markitdown", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--queue", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(data: Path | None, markitdown: Path | None, queue: int, as_json: bool) -> None:
    bodies = _from_folder(data) if data else _made_up()
    ours = asyncio.run(_measure(bodies))
    peers = (
        _peers(bodies, markitdown) if markitdown else {"markitdown": {"left_out": "--markitdown"}}
    )
    report("ingest", ours, peers, as_json=as_json)
    report("queue", asyncio.run(work_off(queue)), {}, as_json=as_json)


def _from_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def _made_up() -> dict[str, bytes]:
    writer = Writer()
    pages = [
        [sentence for at in range(4) for sentence in writer.passage(page + at).split(". ")]
        for page in range(_PAGES)
    ]
    paragraphs = [writer.passage(topic) for topic in range(_PAGES)]
    return {
        "book.pdf": files.pdf(pages),
        "answers.csv": "\n".join(
            [
                "question,answer",
                *(f"{writer.question(at)},{one}" for at, one in enumerate(paragraphs)),
            ]
        ).encode(),
        "page.html": "".join(
            f"<h2>{at}</h2><p>{one}</p>" for at, one in enumerate(paragraphs)
        ).encode(),
        "notes.md": "\n\n".join(
            f"## Note {at}\n\n{one}" for at, one in enumerate(paragraphs)
        ).encode(),
    }


async def _measure(bodies: dict[str, bytes]) -> Metrics:
    """Everything one after the other, as one worker would."""
    await _EMBEDDER.embed(["load the vectors first"])
    memory = psutil.Process().memory_info().rss
    reading = await _read_only(bodies)
    outcomes: Counter[str] = Counter()
    passages = 0
    slowest, slowest_name = 0.0, ""
    async with bench_database() as database:
        org = await create_org(database, "Bench", slug="bench")
        begun = time.perf_counter()
        for name, body in bodies.items():
            started = time.perf_counter()
            outcome, document = await _take_in(database, org, name, body)
            outcomes[outcome] += 1
            passages += document.passages if document is not None else 0
            if (taken := time.perf_counter() - started) > slowest:
                slowest, slowest_name = taken, name
        seconds = time.perf_counter() - begun
    return {
        "files": len(bodies),
        **{f"files_{outcome}": count for outcome, count in sorted(outcomes.items())},
        **reading,
        "passages": passages,
        "end_to_end_s": round(seconds, 2),
        "end_to_end_passages_a_second": round(passages / seconds, 1),
        "slowest_s": round(slowest, 2),
        "slowest": slowest_name,
        "server_memory_mb_before": memory >> 20,
        "server_memory_mb_after": psutil.Process().memory_info().rss >> 20,
    }


async def _read_only(bodies: dict[str, bytes]) -> dict[str, float | int | str]:
    """Extraction and splitting, a process for every file."""
    pages = passages = 0
    largest, largest_s = 0, 0.0
    begun = time.perf_counter()
    for name, body in bodies.items():
        started = time.perf_counter()
        try:
            found = await extract.extract(filetype.detect(name, body), body)
        except KnowledgeError:
            continue
        pages += found.pages or 0
        passages += len(found.pieces)
        if name.endswith(".pdf") and (found.pages or 0) > largest:
            largest, largest_s = found.pages or 0, time.perf_counter() - started
    seconds = time.perf_counter() - begun
    return {
        "read_s": round(seconds, 2),
        "read_passages_a_second": round(passages / seconds, 1),
        "largest_pdf_pages": largest,
        "largest_pdf_pages_a_second": round(largest / largest_s, 1) if largest else 0,
    }


async def _take_in(
    database: Database, org: Org, name: str, body: bytes
) -> tuple[str, Document | None]:
    try:
        async with database.transaction(org.id) as db:
            document = await index.add(db, org.id, name=name, body=body)
    except KnowledgeError as error:
        return error.code, None
    await ingest.ingest_next(database.transaction, Models(_EMBEDDER), org.id)
    async with database.transaction(org.id) as db:
        document = await index.get(db, org.id, document.id)
    return document.error_code or Status(document.status).value, document


class _Converted(msgspec.Struct):
    name: str
    seconds: float
    text: str
    error: str


def _peers(bodies: dict[str, bytes], python: Path) -> dict[str, Metrics]:
    pages = {name: _pdf_pages(body) for name, body in bodies.items() if name.endswith(".pdf")}
    largest = max(pages, key=lambda name: pages[name], default="")
    converted = asyncio.run(_convert(bodies, python))
    begun = time.perf_counter()
    passages = sum(
        len(split.split(readmarkdown.read(one.text.encode()).blocks, tokenestimate.estimate))
        for one in converted
    )
    read_s = time.perf_counter() - begun + sum(one.seconds for one in converted)
    taken = asyncio.run(_index(converted))
    conversion_s = sum(one.seconds for one in converted)
    largest_s = next((one.seconds for one in converted if one.name == largest and one.text), 0.0)
    return {
        "markitdown": {
            "files_ready": sum(bool(one.text.strip()) for one in converted),
            "files_failed": ", ".join(f"{one.name} {one.error}" for one in converted if one.error),
            "read_s": round(read_s, 2),
            "read_passages_a_second": round(passages / read_s, 1),
            "largest_pdf_pages_a_second": round(pages[largest] / largest_s, 1) if largest_s else 0,
            "passages": taken[0],
            "end_to_end_s": round(conversion_s + taken[1], 2),
            "end_to_end_passages_a_second": round(taken[0] / (conversion_s + taken[1]), 1),
        }
    }


def _pdf_pages(body: bytes) -> int:
    try:
        return asyncio.run(extract.extract(filetype.PDF, body)).pages or 0
    except KnowledgeError:
        return 0


async def _convert(bodies: dict[str, bytes], python: Path) -> list[_Converted]:
    """One process for all files, so that its start does not count."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name, body in bodies.items():
            (Path(folder) / name).write_bytes(body)
        process = await asyncio.create_subprocess_exec(
            python,
            _PEER,
            *(os.path.join(folder, name) for name in bodies),  # noqa: PTH118
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(_PEER_S_MAX):
            output, _ = await process.communicate()
    return [msgspec.json.decode(line, type=_Converted) for line in output.splitlines()]


async def _index(converted: list[_Converted]) -> tuple[int, float]:
    """Passages, and seconds of splitting, embedding and indexing its Markdown as we do ours."""
    passages = 0
    async with bench_database() as database:
        org = await create_org(database, "Peer", slug="peer")
        begun = time.perf_counter()
        for one in converted:
            _, document = await _take_in(database, org, f"{one.name}.md", one.text.encode())
            passages += document.passages if document is not None else 0
        return passages, time.perf_counter() - begun


if __name__ == "__main__":
    main()
