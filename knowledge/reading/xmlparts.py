"""The XML inside documents, read as a stream: no tree, no entities, nothing fetched, and an end to
nesting.

Expat itself resolves no external entity; entities of any kind are refused by name, because no
program that writes documents declares one, and every bomb and every theft of a file needs one.
"""

from typing import Final
from xml.parsers import expat

from knowledge.errors import KnowledgeError

DEPTH_MAX: Final = 1_000
ELEMENTS_MAX: Final = 4_000_000
NAMESPACE_END: Final = " "


def local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition(NAMESPACE_END)[2]


class Sink:
    """What a reader wants to hear of a part; names are `namespace name`."""

    def start(self, name: str, attributes: dict[str, str]) -> None: ...

    def end(self, name: str) -> None: ...

    def data(self, text: str) -> None: ...


def read(content: bytes, sink: Sink) -> None:
    """Tell `sink` what is in `content`. KnowledgeError `malformed`, `archive_bomb`, `too_large`."""
    parser = _parser(sink)
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise KnowledgeError("malformed") from error


class Guard:
    """Looks at a part that somebody else will read, chunk by chunk. KnowledgeError `archive_bomb`
    for a trap; what is merely damaged is left to the reader.
    """

    def __init__(self) -> None:
        self._parser: expat.XMLParserType | None = _parser(None)

    def feed(self, chunk: bytes) -> None:
        try:
            if self._parser is not None:
                self._parser.Parse(chunk, False)
        except expat.ExpatError:
            self._parser = None


def _parser(sink: Sink | None) -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=NAMESPACE_END if sink else None)
    parser.buffer_text = True
    depth = elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth += 1
        elements += 1
        if elements > ELEMENTS_MAX:
            raise KnowledgeError("too_large")
        if depth > DEPTH_MAX:
            raise KnowledgeError(
                "archive_bomb",
                "The file nests its parts deeper than a document should. Save it again in its "
                "program.",
            )
        if sink is not None:
            sink.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        if sink is not None:
            sink.end(name)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.EntityDeclHandler = _refuse_entity
    if sink is not None:
        parser.CharacterDataHandler = sink.data
    return parser


def _refuse_entity(*_: object) -> None:
    raise KnowledgeError(
        "archive_bomb",
        "The file declares XML entities, which documents do not need and attacks do. Save it "
        "again in its program.",
    )
