"""An e-mail (RFC 5322, MIME): subject, sender, date and text; attachments are named, not read."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from typing import Final

from knowledge.errors import KnowledgeError
from knowledge.reading import readhtml
from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.reading.decoding import decode
from knowledge.reading.readtext import paragraphs

PARTS_MAX: Final = 1_000
ATTACHMENTS_NAMED_MAX: Final = 50
_FIELDS: Final = ("From", "To", "Date")
_FIELD_CHARS_MAX: Final = 500
_ADDRESS: Final = re.compile(r"\s*<?[^\s<>,;]+@[^\s<>,;]+>?")
_BOUNDARY: Final = re.compile(rb"boundary\s*=\s*\"?([^\";\r\n]{1,200})", re.IGNORECASE)
# What the standard library raises for a field or body that is not as it should be.
_BAD_FIELD: Final = (MessageError, ValueError, LookupError, TypeError, AttributeError)


def read(body: bytes) -> Parsed:
    """KnowledgeError `too_large` for a message of too many parts."""
    _check_parts(body)
    message = message_from_bytes(body, policy=policy.default)
    return Parsed(_blocks(message))


def _check_parts(body: bytes) -> None:
    boundaries = {match[1].strip() for match in _BOUNDARY.finditer(body)}
    few = len(boundaries) <= PARTS_MAX
    if not few or sum(body.count(b"\n--" + one) for one in boundaries) > PARTS_MAX:
        raise KnowledgeError("too_large", f"An e-mail has at most {PARTS_MAX:,} parts.")


def _blocks(message: EmailMessage) -> Iterator[Block]:
    if subject := _field(message, "Subject"):
        yield Block(BlockKind.HEADING, subject, level=1)
    for name in _FIELDS:
        # Whoever wrote it is not to be found by visitors who read a quote.
        if value := _ADDRESS.sub("", _field(message, name)).strip(" ,;"):
            yield Block(BlockKind.PARAGRAPH, f"{name}: {value}")
    if attached := [name for name in _attached(message) if name]:
        names = ", ".join(attached[:ATTACHMENTS_NAMED_MAX])
        yield Block(BlockKind.PARAGRAPH, f"Attachments: {names}")
    yield from _body(message)


def _field(message: EmailMessage, name: str) -> str:
    try:
        value = str(message.get(name, ""))
    except _BAD_FIELD:
        return ""
    return " ".join(value.split())[:_FIELD_CHARS_MAX]


def _attached(message: EmailMessage) -> Iterator[str]:
    for part in message.walk():
        if part is not message and not part.is_multipart():
            try:
                yield " ".join((part.get_filename() or "").split())[:_FIELD_CHARS_MAX]
            except _BAD_FIELD:
                continue


def _body(message: EmailMessage) -> list[Block]:
    """The HTML, which keeps tables and headings; where that says nothing, the plain text."""
    for kind in ("html", "plain"):
        part = _part(message, kind)
        if part is None:
            continue
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        text = decode(content, part.get_content_charset())
        blocks = readhtml.whole(text) if kind == "html" else paragraphs(text)
        if blocks:
            return blocks
    return []


def _part(message: EmailMessage, kind: str) -> EmailMessage | None:
    try:
        part = message.get_body((kind,))
    except _BAD_FIELD:
        return None
    return part if isinstance(part, EmailMessage) else None
