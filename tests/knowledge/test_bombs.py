"""Files that are made to hurt: each ends in a named state, soon, and leaves the server alone."""

import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from knowledge.errors import MESSAGES, KnowledgeError
from knowledge.reading import extract, filetype
from tests.knowledge import bombs, files
from tests.knowledge.reading import read, refusal, texts

SECONDS_MAX = 20.0
SERVER_BYTES_MAX = 50 * 2**20


async def ending(name: str, body: bytes) -> str:
    """The code it ends in, "" for a good reading; not without its limits kept."""
    before, started = psutil.Process().memory_info().rss, time.monotonic()
    code = ""
    try:
        await extract.extract(filetype.detect(name, body), body)
    except KnowledgeError as error:
        code = error.code
        assert code in MESSAGES
    assert time.monotonic() - started < SECONDS_MAX, f"{name} took too long"
    assert psutil.Process().memory_info().rss - before < SERVER_BYTES_MAX, f"{name} swelled us"
    return code


def test_archives_that_unpack_to_too_much_are_refused_before_they_are_parsed():
    made = list(bombs.archives())

    assert made
    for name, body in made:
        assert len(body) < 2 * 2**20
        assert refusal(name, body) == "archive_bomb", name


def test_an_archive_whose_header_lies_about_sizes_is_refused():
    body = files.archive({"word/document.xml": b"A" * 60_000_000})
    lying = body.replace((60_000_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))

    assert lying != body
    assert refusal("bomb.docx", lying) in {"archive_bomb", "malformed"}


def test_entities_and_deep_nesting_in_packed_xml_are_refused_before_they_are_parsed():
    started = time.monotonic()

    for name, body in bombs.xml_traps():
        assert refusal(name, body) == "archive_bomb", name

    assert time.monotonic() - started < SECONDS_MAX


@pytest.mark.parametrize(
    "family", [bombs.sheets, bombs.pdfs, bombs.texts, bombs.books], ids=lambda one: one.__name__
)
async def test_every_bomb_ends_in_a_named_state_and_the_server_stays_as_it_was(
    family: Callable[[], Iterator[tuple[str, bytes, set[str]]]],
):
    made = 0
    for name, body, codes in family():
        made += 1
        assert await ending(name, body) in codes, name
    assert made


def test_a_page_of_comments_without_end_is_read_as_far_as_a_browser_does():
    for opened in ("<!-- never closed <p>after", "<script>1 < 2 <p>after", "<style/x", "<?x"):
        assert texts(read("a.html", f"<p>before{opened}".encode()).pieces) == "before"


def test_a_book_reads_nothing_beside_itself():
    name, body, _ = next(one for one in bombs.books() if one[0] == "outside.epub")

    assert texts(read(name, body).pieces) == "one"
