"""Files to passages that can be found: extraction in the child, splitting, vectors, indexing.

    python -m benchmarks.ingest [--data DIR] [--json]

Without a folder it makes a PDF, a CSV, a page of HTML and a Markdown file of its own.
"""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Final

import click

from benchmarks.corpus import Writer
from benchmarks.report import bench_database, report
from chatbot.database import Database
from chatbot.orgs.sites import create_org
from chatbot.orgs.tables import Org
from knowledge import index, ingest
from knowledge.embed import LocalEmbedder
from knowledge.errors import KnowledgeError
from knowledge.tables import Document, Status
from tests.knowledge import files

_PAGES: Final = 200
_EMBEDDER: Final = LocalEmbedder()


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def main(data: Path | None, as_json: bool) -> None:
    bodies = _from_folder(data) if data else _made_up()
    report("ingest", asyncio.run(_measure(bodies)), {}, as_json=as_json)


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


async def _measure(bodies: dict[str, bytes]) -> dict[str, float | int | str]:
    await _EMBEDDER.embed(["load the vectors first"])
    outcomes: Counter[str] = Counter()
    pages = passages = 0
    slowest, slowest_name = 0.0, ""
    async with bench_database() as database:
        org = await create_org(database, "Bench", slug="bench")
        begun = time.perf_counter()
        for name, body in bodies.items():
            started = time.perf_counter()
            outcome, document = await _take_in(database, org, name, body)
            outcomes[outcome] += 1
            if document is not None:
                pages += document.pages or 0
                passages += document.passages
            if (taken := time.perf_counter() - started) > slowest:
                slowest, slowest_name = taken, name
        seconds = time.perf_counter() - begun
    return {
        "files": len(bodies),
        **{f"files_{outcome}": count for outcome, count in sorted(outcomes.items())},
        "seconds": round(seconds, 2),
        "pages_a_second": round(pages / seconds, 1),
        "passages_a_second": round(passages / seconds, 1),
        "slowest_s": round(slowest, 2),
        "slowest": slowest_name,
    }


async def _take_in(
    database: Database, org: Org, name: str, body: bytes
) -> tuple[str, Document | None]:
    try:
        async with database.transaction(org.id) as db:
            document = await index.add(db, org.id, name=name, body=body)
    except KnowledgeError as error:
        return error.code, None
    await ingest.ingest_next(database.transaction, _EMBEDDER, org.id)
    async with database.transaction(org.id) as db:
        document = await index.get(db, org.id, document.id)
    return document.error_code or Status(document.status).value, document


if __name__ == "__main__":
    main()
