"""A page of a website to blocks: its main content, without what every page of the site repeats.

trafilatura finds it best of all that we measured, and now and then finds far too little: on short
pages, and on questions whose answers are folded away. So what is folded away is opened first, and
when too little comes out all the same, or less than what the page itself marks as its main part,
the plain reader of HTML takes over, which keeps every heading.

Only for the extraction child: a hostile page may cost all that the child may spend.
"""

from collections.abc import Iterator
from typing import Final

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - it has no types
from lxml.html import HtmlElement, HTMLParser, document_fromstring, tostring
from trafilatura import bare_extraction

from knowledge.reading import readhtml
from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.web import links

CHARS_MIN: Final = 200
CHARS_MAX: Final = 1_500_000
MAIN_SHARE_MIN: Final = 0.5
_LEVEL_OF_QUESTION: Final = 4
_HIDING: Final = ("hidden", "aria-hidden", "style")
_HEADINGS: Final = {"h1", "h2", "h3", "h4", "h5", "h6"}
TRIFLE_CHARS: Final = 40
_MARKED: Final = ("main", "article")
_REPEATED: Final = ("nav", "footer")
_AROUND: Final = ("nav", "header", "footer", "form", "aside")


def read(body: bytes) -> Parsed:
    """Blocks in reading order; a page's title is not among them (`links.read` has it)."""
    page = links.decode(body)
    tree = _tree(page) if len(page) <= CHARS_MAX else None
    if tree is None:
        return Parsed(_plainly(page))
    questions = _open(tree)
    marked = _narrow(tree)
    opened = str(tostring(tree, encoding="unicode"))
    plain = _plainly(opened) or _plainly(page)  # lxml gives up on deep nesting
    main = _main(opened)
    lacking = (
        (_chars(main) < CHARS_MIN and _chars(plain) > _chars(main))
        or (marked and _chars(main) < MAIN_SHARE_MIN * _chars(plain))
        or not _says(main, questions)
    )
    return Parsed(plain if lacking else main)


def _narrow(tree: HtmlElement) -> bool:
    """Leave only what the page marks as its main part, or else leave out what it marks as being
    around; whether it did mark it.
    """
    body = tree.find("body")
    if body is None:
        return False
    around = [each for each in tree.iter(*_REPEATED) if not any(each.iterancestors(*_MARKED))]
    around_chars = sum(len(_text(each)) for each in around)
    rest_chars = len(_text(body)) - around_chars
    mains = list(tree.iter("main"))
    if len(mains) == 1 and len(_text(mains[0])) >= MAIN_SHARE_MIN * rest_chars:
        for child in list(body):
            body.remove(child)
        body.text = None
        body.append(mains[0])
    elif rest_chars > TRIFLE_CHARS:
        for each in around:
            each.drop_tree()
    return bool(mains) or any(True for _ in tree.iter("article"))


def _says(blocks: list[Block], questions: list[str]) -> bool:
    said = " ".join(block.text for block in blocks)
    return all(question in said for question in questions)


def _tree(page: str) -> HtmlElement | None:
    try:
        return document_fromstring(page.encode(), parser=HTMLParser(encoding="utf-8"))
    except (etree.LxmlError, ValueError):
        return None


def _open(tree: HtmlElement) -> list[str]:
    """Unfold what a page folds away, each question as a heading over its answer; the questions."""
    questions: list[HtmlElement] = list(tree.iter("summary"))
    for button in list(tree.iter("button")):
        answer = _controlled(tree, button)
        if answer is None or any(button.iterancestors(*_AROUND)):
            continue
        for name in _HIDING:
            answer.attrib.pop(name, None)
        heading = next(button.iterancestors(*_HEADINGS), None)
        if heading is None:
            questions.append(button)
        else:
            button.drop_tag()
    for question in questions:
        question.tag = f"h{_LEVEL_OF_QUESTION}"
    for folded in list(tree.iter("details")):
        folded.tag = "div"
    return [text for each in questions if (text := _text(each)) and not _is_around(each)]


def _controlled(tree: HtmlElement, button: HtmlElement) -> HtmlElement | None:
    """What a button folds and unfolds."""
    names = (button.get("aria-controls") or button.get("data-bs-target") or "").lstrip("#").split()
    if button.get("aria-expanded") is None or not names:
        return None
    return tree.get_element_by_id(names[0], None)


def _is_around(element: HtmlElement) -> bool:
    return any(True for _ in element.iterancestors(*_AROUND))


def _main(page: str) -> list[Block]:
    found = bare_extraction(
        page, include_comments=False, include_tables=True, include_links=False, with_metadata=False
    )
    body = getattr(found, "body", None)
    return [] if body is None else list(_blocks(body))


def _plainly(page: str) -> list[Block]:
    blocks = readhtml.read(page.encode()).blocks
    return [block for block in blocks if block.kind is not BlockKind.HEADING or block.level > 0]


def _blocks(body: HtmlElement) -> Iterator[Block]:
    for element in body:
        match element.tag:
            case "head":
                rank = (element.get("rend") or "")[1:]
                level = int(rank) if rank.isdecimal() else _LEVEL_OF_QUESTION
                yield from _block(BlockKind.HEADING, element, level)
            case "list":
                for item in element.iter("item"):
                    yield from _item(item)
            case "table":
                yield from _table(element)
            case _ if isinstance(element.tag, str):
                yield from _block(BlockKind.PARAGRAPH, element)
            case _:
                pass
        if element.tail and element.tail.strip():
            yield Block(BlockKind.PARAGRAPH, " ".join(element.tail.split()))


def _block(kind: BlockKind, element: HtmlElement, level: int = 0) -> Iterator[Block]:
    if text := _text(element):
        yield Block(kind, text, level=level)


def _item(item: HtmlElement) -> Iterator[Block]:
    """What it says itself; a list inside it has items of its own."""
    own = [item.text or ""]
    for part in item:
        own += [] if part.tag == "list" else [" ".join(part.itertext())]
        own.append(part.tail or "")
    if text := " ".join(" ".join(own).split()):
        yield Block(BlockKind.LIST_ITEM, text)


def _table(element: HtmlElement) -> Iterator[Block]:
    rows = [[_text(cell) for cell in row.iter("cell")] for row in element.iter("row")]
    first = element.find("row")
    headed = first is not None and all(cell.get("role") == "head" for cell in first.iter("cell"))
    if any(map(any, rows)):
        yield Block(BlockKind.TABLE, rows=rows, headed=headed)


def _text(element: HtmlElement) -> str:
    return " ".join(" ".join(element.itertext()).split())


def _chars(blocks: list[Block]) -> int:
    cells = (cell for block in blocks for row in block.rows for cell in row)
    return sum(len(block.text) for block in blocks) + sum(map(len, cells))
