"""Documents from upload to shelf and off it again, always with a second organisation looking on."""

import asyncio
import contextlib
from collections.abc import Sequence

import numpy as np
import pytest
from sqlalchemy import text

from chatbot.database import Database
from chatbot.orgs.tables import Org
from knowledge import claims, index, ingest
from knowledge.claims import Placed
from knowledge.embed import LocalEmbedder, Vectors
from knowledge.errors import BODY_BYTES_MAX, KnowledgeError
from knowledge.models import Models
from knowledge.reading.split import Piece
from knowledge.tables import Document, Status
from tests.knowledge.shelves import counts, fresh

PROSE = "Parcels are sent on working days. Returns are free within thirty days of delivery. "


async def upload(database: Database, org: Org, name: str, body: bytes) -> Document:
    async with database.transaction(org.id) as db:
        return await index.add(db, org.id, name=name, body=body)


async def work(database: Database, org: Org) -> bool:
    return await ingest.ingest_next(database.transaction, Models(LocalEmbedder()), org.id)


async def claim(database: Database, org: Org) -> claims.Claim | None:
    async with database.transaction(org.id) as db:
        return await claims.claim(db, org.id)


async def stats(database: Database, org: Org) -> dict[str, tuple[int, int]]:
    query = text(
        "select cfg, passages, lexemes from knowledge_stats where org_id = :o and passages > 0"
    )
    async with database.transaction(org.id) as db:
        return {
            row.cfg: (row.passages, row.lexemes) for row in await db.execute(query, {"o": org.id})
        }


async def test_an_upload_is_queued_then_ready_with_everything_counted(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, birch = two_orgs
    document = await upload(database, alder, "shipping.txt", (PROSE * 30).encode())
    assert (document.status, document.version, document.progress) == (Status.QUEUED, 1, 0)

    assert not await work(database, birch)
    assert await work(database, alder)
    assert not await work(database, alder)

    ready = await fresh(database, alder, document)
    assert (ready.status, ready.progress, ready.live_version) == (Status.READY, 1, 1)
    found = await counts(database, alder)
    assert found["passages"] == found["embeddings"] == ready.passages > 1
    assert await stats(database, alder) == {
        "english": (ready.passages, await _n_lex(database, alder))
    }
    assert set((await counts(database, birch)).values()) == {0}


async def _n_lex(database: Database, org: Org) -> int:
    async with database.transaction(org.id) as db:
        return (
            await db.scalar(
                text("select sum(n_lex) from passages where org_id = :o"), {"o": org.id}
            )
            or 0
        )


async def test_the_same_bytes_again_change_nothing(database: Database, two_orgs: tuple[Org, Org]):
    alder, _ = two_orgs
    first = await upload(database, alder, "shipping.txt", PROSE.encode())
    await work(database, alder)

    again = await upload(database, alder, "shipping.txt", PROSE.encode())

    assert (again.id, again.status, again.version) == (first.id, Status.READY, 1)
    assert not await work(database, alder)


async def test_a_new_version_replaces_the_old_passages_at_once_and_leaves_none_behind(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, birch = two_orgs
    await upload(database, birch, "shipping.txt", (PROSE * 30).encode())
    await work(database, birch)
    untouched = await counts(database, birch)
    document = await upload(database, alder, "shipping.txt", (PROSE * 30).encode())
    await work(database, alder)

    await upload(
        database,
        alder,
        "shipping.txt",
        b"Wir versenden nur noch montags und nicht mehr am Freitag.",
    )
    waiting = await fresh(database, alder, document)
    assert (waiting.status, waiting.version, waiting.live_version) == (Status.QUEUED, 2, 1)
    async with database.transaction(alder.id) as db:
        assert "thirty days" in (await index.passages(db, alder.id, document.id))[0].text
    await work(database, alder)

    async with database.transaction(alder.id) as db:
        passages = await index.passages(db, alder.id, document.id)
    assert [passage.text for passage in passages] == [
        "Wir versenden nur noch montags und nicht mehr am Freitag."
    ]
    found = await counts(database, alder)
    assert (found["passages"], found["document_files"], found["document_versions"]) == (1, 2, 2)
    assert found["postings"] == await _distinct_lexemes(database, alder)
    assert await stats(database, alder) == {"german": (1, passages[0].n_lex)}
    assert await counts(database, birch) == untouched


async def _distinct_lexemes(database: Database, org: Org) -> int:
    query = text("select sum(length(lexemes)) from passages where org_id = :o")
    async with database.transaction(org.id) as db:
        return await db.scalar(query, {"o": org.id}) or 0


async def test_a_file_that_cannot_be_read_fails_by_name_and_can_be_tried_again(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    document = await upload(database, alder, "broken.pdf", b"%PDF-1.7 and then nothing")

    await work(database, alder)

    failed = await fresh(database, alder, document)
    assert (failed.status, failed.error_code) == (Status.FAILED, "malformed")
    assert failed.error_message
    async with database.transaction(alder.id) as db:
        again = await index.retry(db, alder.id, document.id)
    assert (again.status, again.error_code) == (Status.QUEUED, None)


async def test_a_failed_new_version_leaves_the_old_one_to_be_found(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    document = await upload(database, alder, "guide.txt", PROSE.encode())
    await work(database, alder)

    await upload(database, alder, "guide.txt", b"- - - - -")
    await work(database, alder)

    failed = await fresh(database, alder, document)
    assert (failed.status, failed.error_code, failed.live_version) == (Status.FAILED, "no_text", 1)
    assert (await counts(database, alder))["passages"] == 1


async def test_deleting_removes_everything_and_says_how_much(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, birch = two_orgs
    for org in two_orgs:
        await upload(database, org, "shipping.txt", (PROSE * 30).encode())
        await work(database, org)
    before = await counts(database, alder)
    async with database.transaction(alder.id) as db:
        document = (await index.documents(db, alder.id))[0]

    async with database.transaction(alder.id) as db:
        removed = await index.delete(db, alder.id, document.id)

    assert (removed.passages, removed.postings) == (before["passages"], before["postings"])
    assert set((await counts(database, alder)).values()) == {0}
    assert await stats(database, alder) == {}
    assert await counts(database, birch) == before


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("", b"words", "bad_name"),
        ("x" * 201, b"words", "bad_name"),
        ("a.txt", b"", "empty"),
        ("a.txt", b"x" * (BODY_BYTES_MAX + 1), "too_large"),
        ("a.exe", b"MZ\x00\x01\x02\x03\x04\x05", "unsupported_type"),
        ("a.pdf", b"words", "type_mismatch"),
    ],
)
async def test_what_cannot_be_a_document_is_refused_and_leaves_no_row(
    database: Database, two_orgs: tuple[Org, Org], name: str, body: bytes, code: str
):
    alder, _ = two_orgs

    with pytest.raises(KnowledgeError) as caught:
        await upload(database, alder, name, body)

    assert caught.value.code == code
    assert (await counts(database, alder))["documents"] == 0


async def test_every_verb_treats_another_organisations_document_as_absent(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, birch = two_orgs
    document = await upload(database, alder, "shipping.txt", PROSE.encode())
    await work(database, alder)

    for scope in (
        birch.id,
        alder.id,
    ):  # asking for B's row, and asking in A's name from B's transaction
        async with database.transaction(birch.id) as db:
            assert list(await index.documents(db, scope)) == []
            assert await claims.claim(db, scope) is None
            for verb in (index.get, index.passages, index.retry, index.delete):
                with pytest.raises(KnowledgeError, match="not_found"):
                    await verb(db, scope, document.id)
    assert (await fresh(database, alder, document)).status == Status.READY


async def test_two_workers_never_get_the_same_document(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    for number in range(3):
        await upload(database, alder, f"{number}.txt", PROSE.encode())

    claims = await asyncio.gather(*(claim(database, alder) for _ in range(5)))

    names = [one.name for one in claims if one is not None]
    assert len(names) == len(set(names))
    assert {"0.txt", "1.txt", "2.txt"} >= set(names)


async def test_a_document_left_behind_is_taken_up_again_then_given_up(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    document = await upload(database, alder, "shipping.txt", PROSE.encode())

    for _ in range(claims.ATTEMPTS_MAX):
        assert await claim(database, alder) is not None
        assert await claim(database, alder) is None
        await _let_the_lease_run_out(database, alder)
    assert await claim(database, alder) is None

    assert (await fresh(database, alder, document)).error_code == "interrupted"


async def test_a_worker_that_lost_its_claim_can_write_nothing(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    document = await upload(database, alder, "shipping.txt", PROSE.encode())
    slow = await claim(database, alder)
    assert slow is not None
    await _let_the_lease_run_out(database, alder)
    current = await claim(database, alder)

    async with database.transaction(alder.id) as db:
        assert not await claims.progress(db, slow, 0.5, Status.INDEXING)
        assert not await claims.fail(db, slow, "malformed", "No.")
        assert not await claims.release(db, slow)
        assert await _replace(db, slow) is Placed.SUPERSEDED
    assert (await fresh(database, alder, document)).status == Status.EXTRACTING

    assert current is not None
    await upload(database, alder, "shipping.txt", b"A newer text came meanwhile.")
    async with database.transaction(alder.id) as db:
        assert await _replace(db, current) is Placed.SUPERSEDED
    assert (await counts(database, alder))["passages"] == 0


async def _replace(db: index.AsyncSession, claim: claims.Claim) -> Placed:
    return await claims.replace_passages(
        db,
        claim,
        pieces=[Piece("stale", None, None, 1)],
        vectors=np.zeros((1, 3), np.float32),
        model="m",
        cfg="simple",
        pages=None,
    )


async def _let_the_lease_run_out(database: Database, org: Org) -> None:
    query = text("update documents set leased_until = now() - interval '1 s' where org_id = :o")
    async with database.transaction(org.id) as db:
        await db.execute(query, {"o": org.id})


class Watching:
    """An embedder that looks whether a transaction is open while it is asked, then does as told."""

    model = "watching"
    dimensions = 2

    def __init__(self, database: Database, trouble: BaseException | None = None) -> None:
        self._database = database
        self._trouble = trouble
        self.connections_held: list[int] = []

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.connections_held.append(self._database.engine.pool.checkedout())  # pyright: ignore[reportAttributeAccessIssue]
        if self._trouble is not None:
            raise self._trouble
        return np.ones((len(texts), 2), np.float32)


async def test_nothing_is_held_while_text_is_embedded_and_progress_moves(
    database: Database, two_orgs: tuple[Org, Org], monkeypatch: pytest.MonkeyPatch
):
    alder, _ = two_orgs
    monkeypatch.setattr(ingest, "_REPORT_EVERY_S", 0.0)
    seen: list[float] = []
    progress = claims.progress

    async def note(
        db: index.AsyncSession, claim: claims.Claim, share: float, status: Status
    ) -> bool:
        seen.append(share)
        return await progress(db, claim, share, status)

    monkeypatch.setattr(claims, "progress", note)
    await upload(database, alder, "long.txt", (PROSE * 900).encode())
    embedder = Watching(database)

    await ingest.ingest_next(database.transaction, Models(embedder), alder.id)

    assert len(embedder.connections_held) > 1
    assert set(embedder.connections_held) == {0}
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


@pytest.mark.parametrize(
    ("trouble", "status", "code"),
    [
        (KnowledgeError("embedding_failed"), Status.FAILED, "embedding_failed"),
        (asyncio.CancelledError(), Status.QUEUED, None),
        (ZeroDivisionError("a bug"), Status.FAILED, "internal"),
    ],
)
async def test_whatever_goes_wrong_the_document_ends_in_a_named_state(
    database: Database,
    two_orgs: tuple[Org, Org],
    trouble: BaseException,
    status: Status,
    code: str | None,
):
    alder, _ = two_orgs
    document = await upload(database, alder, "shipping.txt", PROSE.encode())

    with contextlib.suppress(asyncio.CancelledError, ZeroDivisionError):
        await ingest.ingest_next(
            database.transaction, Models(Watching(database, trouble)), alder.id
        )

    ended = await fresh(database, alder, document)
    assert (ended.status, ended.error_code, ended.attempts) == (
        status,
        code,
        0 if code is None else 1,
    )


async def test_a_deleted_document_is_not_brought_back_by_the_worker_that_was_reading_it(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    document = await upload(database, alder, "shipping.txt", PROSE.encode())

    class Deleting(Watching):
        async def embed(self, texts: Sequence[str]) -> Vectors:
            async with database.transaction(alder.id) as db:
                await index.delete(db, alder.id, document.id)
            return await super().embed(texts)

    assert await ingest.ingest_next(database.transaction, Models(Deleting(database)), alder.id)

    assert set((await counts(database, alder)).values()) == {0}
