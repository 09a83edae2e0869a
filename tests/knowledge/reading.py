"""What the tests of reading share: a file through the readers, with or without the process."""

from email.message import EmailMessage

import pytest

from knowledge.errors import MESSAGES, KnowledgeError
from knowledge.reading import extract, extract_child, filetype
from knowledge.reading.split import Piece
from knowledge.reading.task import Reply


async def through_the_child(name: str, body: bytes) -> extract.Extracted:
    return await extract.extract(filetype.detect(name, body), body)


def read(name: str, body: bytes) -> Reply:
    """The same readers without the time that a process costs."""
    return extract_child.read(filetype.detect(name, body), body)


def refusal(name: str, body: bytes) -> str:
    with pytest.raises(KnowledgeError) as caught:
        read(name, body)
    assert caught.value.message
    assert caught.value.code in MESSAGES
    return caught.value.code


def texts(pieces: list[Piece]) -> str:
    return "\n".join(piece.text for piece in pieces)


def message(*, html: str | None = None, attached: str | None = None) -> bytes:
    """An e-mail of a plain text, perhaps with the same as HTML and a file."""
    mail = EmailMessage()
    mail["Subject"] = "Größere Pakete"
    mail["From"] = "Ames <ames@example.org>"
    mail["Date"] = "Mon, 5 Jan 2026 10:00:00 +0100"
    mail.set_content("Pakete über 31 kg holt die Spedition.\n\nBis bald", cte="quoted-printable")
    if html:
        mail.add_alternative(html, subtype="html")
    if attached:
        mail.add_attachment(b"never read", "application", "pdf", filename=attached)
    return mail.as_bytes()
