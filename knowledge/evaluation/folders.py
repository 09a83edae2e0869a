"""Folders in BEIR's layout (arXiv:2104.08663): documents, questions, and which answers which.

`corpus.jsonl` has `{_id, title, text}` a line, `queries.jsonl` has `{_id, text}` and may say
`answers` (texts that answer it), `answerable`, `gold` (the document it is about) and `history`
(the visitor's earlier turns, or all turns in MTRAG's form `|user|: …`). `qrels/*.tsv` has question,
document and how well it fits, tab-separated.
"""

import math
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

LINE_BYTES_MAX: Final = 8 * 2**20
DOCUMENTS_MAX: Final = 200_000
QUESTIONS_MAX: Final = 100_000
JUDGEMENTS_MAX: Final = 2_000_000
CORPUS_CHARS_MAX: Final = 500_000_000
ID_CHARS_MAX: Final = 500
TURNS_MAX: Final = 50
_TOPIC_MARK: Final = "#"
_NOT_ANSWERABLE: Final = ("false", "no", "unanswerable")
_VISITOR: Final = "user"
_TURN: Final = re.compile(r"\|(user|agent|assistant)\|:", re.IGNORECASE)


class DatasetError(Exception):
    """A folder that cannot be used: a code that programs read, and one line that says what to
    mend.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


class Text(msgspec.Struct, frozen=True):
    """One document of the corpus."""

    id: str
    title: str
    text: str


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`earlier` are the visitor's turns before it; `gold` is the document it was written about,
    also where that does not answer it.
    """

    id: str
    text: str
    earlier: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    answerable: bool = True
    gold: str | None = None


class Dataset(msgspec.Struct, frozen=True):
    """`judged` holds, for each question that has any, the documents that fit and how well."""

    name: str
    corpus: list[Text]
    questions: list[Question]
    judged: dict[str, dict[str, float]]

    def asked(self) -> list[Question]:
        """The questions that a document answers."""
        return [question for question in self.questions if question.id in self.judged]


class _Id(msgspec.Struct):
    id: str | int = msgspec.field(name="_id")


class _TextLine(_Id):
    text: str
    title: str | None = None


class _Turn(msgspec.Struct):
    """One turn of a dialogue, in the names that chats and MTRAG use."""

    role: str = ""
    speaker: str = ""
    content: str = ""
    text: str = ""


class _QuestionLine(_Id):
    text: str
    answers: list[str] | None = None
    answerable: bool | str | None = None
    gold: str | int | None = None
    history: list[str | _Turn] | str | None = None


_Line = TypeVar("_Line", bound=_Id)
_Row = TypeVar("_Row", Text, Question)


def read(folder: Path, *, name: str | None = None) -> Dataset:
    """DatasetError `missing_file`, `unreadable`, `bad_line`, `line_too_long`, `too_many`,
    `duplicate_id`, `unknown_id`, `no_documents`, `no_questions` or `no_judgements`.
    """
    if not folder.is_dir():
        raise DatasetError("missing_file", f"{folder} is not a folder.")
    corpus = _once_each(folder / "corpus.jsonl", list(_corpus(folder / "corpus.jsonl")))
    path = folder / "queries.jsonl"
    questions = _once_each(path, list(_questions(path)))
    if not corpus:
        raise DatasetError("no_documents", f"{folder / 'corpus.jsonl'} is empty.")
    if not questions:
        raise DatasetError("no_questions", f"{path} is empty.")
    known = {text.id for text in corpus}
    judged = _judgements(folder, known, {question.id for question in questions})
    return Dataset(name or folder.resolve().name, corpus, questions, judged)


def topics(corpus: Sequence[Text]) -> dict[str, str]:
    """Each document's topic: what its id says before `#`, or its title. Empty when those do not
    group: at least four topics, of two documents each on average.
    """
    if all(_TOPIC_MARK in text.id for text in corpus):
        found = {text.id: text.id.partition(_TOPIC_MARK)[0] for text in corpus}
    else:
        found = {text.id: text.title.strip() for text in corpus}
    kinds = set(found.values())
    grouped = "" not in kinds and len(kinds) >= 4 and len(corpus) >= 2 * len(kinds)
    return found if grouped else {}


def sample(questions: Sequence[Question], limit: int | None, seed: int) -> list[Question]:
    """At most `limit` of them, by chance, but the same ones for the same seed."""
    if limit is None or len(questions) <= limit:
        return list(questions)
    return random.Random(seed).sample(questions, limit)  # noqa: S311 (a sample, not a secret)


def _corpus(path: Path) -> Iterator[Text]:
    chars = 0
    for number, line in _lines(path, DOCUMENTS_MAX):
        found = _decode(path, number, line, _TextLine)
        chars += len(found.text)
        if chars > CORPUS_CHARS_MAX:
            raise DatasetError(
                "too_many", f"{path} has more than {CORPUS_CHARS_MAX:,} characters of text."
            )
        yield Text(_id(path, number, found.id), found.title or "", found.text)


def _questions(path: Path) -> Iterator[Question]:
    for number, line in _lines(path, QUESTIONS_MAX):
        found = _decode(path, number, line, _QuestionLine)
        turns = _turns(found)
        yield Question(
            id=_id(path, number, found.id),
            text=turns[-1],
            earlier=tuple(turns[:-1][-TURNS_MAX:]),
            answers=tuple(answer for answer in found.answers or () if answer.strip()),
            answerable=str(found.answerable).lower() not in _NOT_ANSWERABLE,
            gold=str(found.gold) if found.gold is not None else None,
        )


def _turns(line: _QuestionLine) -> list[str]:
    """What the visitor said, the question last; the assistant's words are left out."""
    given = line.history if isinstance(line.history, list) else [line.history or ""]
    said: list[str] = []
    for turn in (*given, line.text):
        if isinstance(turn, _Turn):
            said += [turn.content or turn.text] if _VISITOR in (turn.role, turn.speaker) else []
            continue
        first, *others = _TURN.split(turn)
        pairs = zip(others[::2], others[1::2], strict=True)
        said += [first, *(words for who, words in pairs if who.lower() == _VISITOR)]
    cleaned = [" ".join(turn.split()) for turn in said]
    return [turn for turn in cleaned if turn] or [""]


def _judgements(
    folder: Path, documents: set[str], questions: set[str]
) -> dict[str, dict[str, float]]:
    """Of `test.tsv` where there is one, otherwise of all files; rows of zero say nothing."""
    files = sorted((folder / "qrels").glob("*.tsv"))
    if not files:
        raise DatasetError("missing_file", f"{folder / 'qrels'} has no .tsv file.")
    judged: dict[str, dict[str, float]] = {}
    for path in [path for path in files if path.name == "test.tsv"] or files:
        for number, line in _lines(path, JUDGEMENTS_MAX):
            if number == 1 and line.startswith(b"query-id"):
                continue
            question, document, score = _judgement(path, number, line)
            if question not in questions:
                raise _unknown(path, f"line {number}", "question", question)
            if document not in documents:
                raise _unknown(path, f"line {number}", "document", document)
            if score > 0:
                judged.setdefault(question, {})[document] = score
    if not judged:
        raise DatasetError(
            "no_judgements",
            f"{folder / 'qrels'} names no document that answers a question; a row is"
            " question, tab, document, tab, 1.",
        )
    return judged


def _judgement(path: Path, number: int, line: bytes) -> tuple[str, str, float]:
    cells = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
    try:
        question, document, score = cells[0], cells[1], float(cells[2])
    except (IndexError, ValueError):
        question, document, score = "", "", math.nan
    if not math.isfinite(score):
        raise DatasetError(
            "bad_line", f"{path}, line {number}: not question, tab, document, tab, number."
        )
    return question, document, score


def _lines(path: Path, lines_max: int) -> Iterator[tuple[int, bytes]]:
    """Numbered from 1, empty ones left out; a longer line than we read is never held in memory."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LINE_BYTES_MAX + 1):
                number += 1
                if len(line) > LINE_BYTES_MAX:
                    raise DatasetError(
                        "line_too_long",
                        f"{path}, line {number}: longer than {LINE_BYTES_MAX // 2**20} MB.",
                    )
                if number > lines_max:
                    raise DatasetError("too_many", f"{path} has more than {lines_max:,} lines.")
                if line.strip():
                    yield number, line.removeprefix(b"\xef\xbb\xbf")
    except FileNotFoundError:
        raise DatasetError("missing_file", f"{path} is missing.") from None
    except OSError as error:
        raise DatasetError("unreadable", f"{path} cannot be read: {error.strerror}.") from error


def _decode(path: Path, number: int, line: bytes, shape: type[_Line]) -> _Line:
    try:
        return msgspec.json.decode(line, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DatasetError("bad_line", f"{path}, line {number}: {error}.") from None


def _id(path: Path, number: int, given: str | int) -> str:
    if not 1 <= len(str(given)) <= ID_CHARS_MAX:
        raise DatasetError(
            "bad_line", f"{path}, line {number}: an _id has 1 to {ID_CHARS_MAX} characters."
        )
    return str(given)


def _once_each(path: Path, rows: list[_Row]) -> list[_Row]:
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise DatasetError("duplicate_id", f"{path} has the _id “{row.id}” twice.")
        seen.add(row.id)
    return rows


def _unknown(path: Path, where: str, what: str, given: str) -> DatasetError:
    known_in = "queries.jsonl" if what == "question" else "corpus.jsonl"
    return DatasetError("unknown_id", f"{path}, {where}: {what} “{given}” is not in {known_in}.")
