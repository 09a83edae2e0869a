"""Every format, every refusal with its name, and the process around them with its limits."""

import asyncio
import io
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile

import psutil
import pytest

from knowledge import extract, extract_child, filetype
from knowledge.errors import MESSAGES, KnowledgeError
from knowledge.split import Piece
from knowledge.task import Reply
from tests.knowledge import files

LINES = [f"Line {at} says that parcels are sent on working days." for at in range(8)]


async def through_the_child(name: str, body: bytes) -> extract.Extracted:
    return await extract.extract(filetype.detect(name, body), body)


def read(name: str, body: bytes) -> Reply:
    """The same readers without the half second that a process costs."""
    return extract_child.read(filetype.detect(name, body), body)


def refusal(name: str, body: bytes) -> str:
    with pytest.raises(KnowledgeError) as caught:
        read(name, body)
    assert caught.value.message
    assert caught.value.code in MESSAGES
    return caught.value.code


def texts(pieces: list[Piece]) -> str:
    return "\n".join(piece.text for piece in pieces)


async def test_a_pdf_keeps_its_page_numbers():
    result = await through_the_child("guide.pdf", files.pdf([LINES * 2, LINES * 2, LINES * 2]))

    assert result.pages == 3
    assert [piece.page for piece in result.pieces] == [1, 2, 3]
    assert result.cfg == "english"


def test_a_docx_keeps_headings_tables_and_the_pages_word_left_in_it():
    long = "This paragraph is long enough to stand alone on its page of the book. " * 9
    body = (
        files.paragraph("Returns", style="Heading1")
        + files.paragraph(long)
        + files.paragraph(long, marked=True)
        + files.docx_table([["Plan", "Price"], ["Team", "49 EUR"]])
    )

    result = read("book.docx", files.docx(body))

    assert result.pages == 2
    assert [piece.page for piece in result.pieces[:2]] == [1, 2]
    assert "Plan: Team; Price: 49 EUR" in texts(result.pieces)


def test_a_docx_without_marks_has_no_pages_rather_than_wrong_ones():
    result = read("book.docx", files.docx(files.paragraph("Parcels are sent on Mondays.")))

    assert result.pages is None
    assert result.pieces[0].page is None


def test_a_pptx_keeps_its_slides():
    slides = [
        [
            "Welcome",
            "We show how the product is built, sold and mended, in twelve short words or so.",
        ],
        ["Prices", "The team plan costs 49 euros a month and has ten seats for everyone in it."],
    ]

    result = read("talk.pptx", files.pptx(slides))

    assert result.pages == 2
    assert [(piece.page, piece.heading) for piece in result.pieces] == [
        (1, "Welcome"),
        (2, "Prices"),
    ]


def test_an_xlsx_says_columns_with_every_row_and_names_its_sheets():
    result = read(
        "prices.xlsx",
        files.xlsx(
            {
                "Plans": [["Plan", "Price"], ["Team", 49], ["Solo", 9]],
                "Empty": [["Nothing", "here"]],
            }
        ),
    )

    assert result.pieces[0].heading == "Plans"
    assert "Plan: Team; Price: 49" in result.pieces[0].text


def test_html_is_read_without_what_stands_around_its_text():
    page = f"""<!doctype html><title>Help</title><body>
        <nav><a href=/>Home</a></nav><script>secret()</script>
        <main><h1>Returns</h1><p>{" ".join(LINES)}</p><ul><li>Keep the label</ul>
        <table><tr><th>Plan<th>Price<tr><td>Team<td>49</table></main>
        <div hidden>invisible</div><footer>Imprint</footer>"""

    result = read("help.html", page.encode())

    found = texts(result.pieces)
    assert result.pieces[0].heading == "Help › Returns"
    assert "- Keep the label" in found
    assert "Plan: Team; Price: 49" in found
    assert not any(word in found for word in ("Home", "secret", "invisible", "Imprint"))


def test_markdown_keeps_headings_lists_tables_and_code():
    source = (
        "# Set-up\n\nRun *this*:\n\n```\nmake demo\n```\n\n- one\n- two\n\n"
        "| A | B |\n|---|---|\n| x | y |\n"
    )

    result = read("README.md", source.encode())

    assert result.pieces[0].heading == "Set-up"
    assert result.pieces[0].text == "Run this:\nmake demo\n- one\n- two\nA: x; B: y"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_is_read_in_any_usual_encoding_and_with_any_usual_delimiter(
    encoding: str, delimiter: str
):
    source = delimiter.join(["Stadt", "Straße"]) + "\n" + delimiter.join(["Köln", '"Ring, 7"'])

    result = read("städte.csv", source.encode(encoding))

    assert texts(result.pieces) == "Stadt: Köln; Straße: Ring, 7"


def test_plain_text_becomes_its_paragraphs():
    result = read("note.txt", b"First paragraph.\r\nStill first.\r\n\r\nSecond one.")

    assert texts(result.pieces) == "First paragraph. Still first.\nSecond one."


def test_each_unreadable_file_is_refused_by_name():
    docx = files.docx(files.paragraph("fine"))

    assert refusal("empty.pdf", b"") == "empty"
    assert refusal("blank.txt", b" \r\n\t") == "empty"
    assert refusal("photo.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256))) == "unsupported_type"
    assert refusal("report.pdf", b"just words") == "type_mismatch"
    assert refusal("report.docx", files.pdf([LINES])) == "type_mismatch"
    assert refusal("report.pptx", docx) == "type_mismatch"
    assert refusal("words.txt", bytes(range(32)) * 9) == "type_mismatch"
    assert refusal("secret.pdf", files.pdf([LINES], encrypted=True)) == "encrypted"
    compound = bytes.fromhex("d0cf11e0a1b11ae1") + "EncryptedPackage".encode("utf-16-le")
    assert refusal("secret.docx", compound) == "encrypted"
    assert refusal("broken.pdf", b"%PDF-1.7 and then nothing") == "malformed"
    assert refusal("broken.docx", docx[: len(docx) // 2]) == "malformed"
    assert refusal("scan.pdf", files.pdf([[]])) == "no_text"
    assert refusal("signs.txt", b"---- ****") == "no_text"


def test_archives_that_unpack_to_too_much_are_refused_before_they_are_parsed():
    swollen = files.archive({"word/document.xml": b"<w:p/>" * 20_000_000})
    many = files.archive({f"word/{at}.xml": b"x" for at in range(2_001)})
    nested = files.archive(
        {"word/document.xml": b"<a/>", "word/inner.zip": files.archive({"a": b"b"})}
    )

    for body in (swollen, many, nested):
        assert refusal("bomb.docx", body) == "archive_bomb"


def test_an_archive_whose_header_lies_about_sizes_is_refused():
    honest = bytearray(files.archive({"word/document.xml": b"A" * 60_000_000}))
    with zipfile.ZipFile(io.BytesIO(honest)) as archive:
        size = archive.infolist()[0].file_size.to_bytes(4, "little")
    lying = bytes(honest).replace(size, (1_000).to_bytes(4, "little"))

    assert refusal("bomb.docx", lying) in {"archive_bomb", "malformed"}


async def test_a_billion_laughs_and_deep_nesting_are_survived():
    laughs = (
        '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "'
        + "&a;" * 9_000
        + '"><!ENTITY c "'
        + "&b;" * 9_000
        + '">]><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        "<w:body><w:p><w:r><w:t>&c;</w:t></w:r></w:p></w:body></w:document>"
    )
    with pytest.raises(KnowledgeError, match=r"malformed|no_text"):
        await through_the_child("laughs.docx", files.archive({"word/document.xml": laughs}))

    deep = await through_the_child(
        "deep.html", b"<div>" * 200_000 + b"the text at the bottom is found"
    )
    assert texts(deep.pieces) == "the text at the bottom is found"


async def test_a_child_over_its_memory_or_time_is_killed_and_named():
    body = files.pdf([LINES])

    with pytest.raises(KnowledgeError) as memory:
        await extract.extract(filetype.PDF, body, resident_bytes_max=2**20)
    with pytest.raises(KnowledgeError) as clock:
        await extract.extract(filetype.PDF, body, wall_s=0.01)

    assert memory.value.code == "limit_memory"
    assert clock.value.code == "limit_time"
    assert not [
        child
        for child in psutil.Process().children()
        if "extract_child" in " ".join(child.cmdline())
    ]


async def test_the_child_is_alone_and_limited_before_it_reads_a_byte(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("CANARY_SECRET", "must not be inherited")

    async with extract.child() as process:
        seen = psutil.Process(process.pid)
        async with asyncio.timeout(10):
            while seen.nice() != 19 or seen.rlimit(psutil.RLIMIT_CORE) != (0, 0):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        environment, limits = seen.environ(), extract_child

        assert set(environment) == set(extract.ENVIRONMENT)
        assert os.getsid(process.pid) == process.pid
        assert seen.rlimit(psutil.RLIMIT_AS) == (limits.ADDRESS_SPACE_BYTES,) * 2
        assert seen.rlimit(psutil.RLIMIT_CPU) == (limits.CPU_S,) * 2
        assert seen.rlimit(psutil.RLIMIT_FSIZE) == (limits.FILE_BYTES,) * 2
        assert seen.rlimit(psutil.RLIMIT_NOFILE) == (limits.OPEN_FILES,) * 2


def test_the_child_has_no_network_where_the_kernel_allows_that():
    allowed = any(
        shutil.which("unshare")
        and subprocess.run(["unshare", flags, "true"], check=False).returncode == 0
        for flags in ("-n", "-rn")
    )
    look = """
        import socket
        from knowledge import extract_child
        there = socket.create_server(("127.0.0.1", 0))
        extract_child._confine()
        try:
            socket.create_connection(there.getsockname(), timeout=2)
            print("reached")
        except OSError:
            print("cut off")
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(look)], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ("cut off" if allowed else "reached")


def test_the_server_itself_holds_no_parser():
    look = "import sys, knowledge.ingest; print(*{'kreuzberg', 'pypdfium2'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""
