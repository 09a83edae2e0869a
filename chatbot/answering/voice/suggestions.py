"""Questions to ask next that the documents certainly answer: those that somebody answered, and the
titles of sections that were found beside the answer, as they stand. Pure.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final

from chatbot.answering.evidence import Evidence
from chatbot.answering.voice import commonwords
from knowledge import lexical
from knowledge.search import Hit
from knowledge.tables import PassageKind

SUGGESTIONS_MAX: Final = 3
CHARS_MAX: Final = 80
WORDS_MIN: Final = 2
DENSE_CHARS_MIN: Final = 4
DIGITS_MAX: Final = 4
# What has little to do with the question is no next one.
SCORE_MIN: Final = 0.35
HEADING_JOINT: Final = " › "
# Numbers of chapters and slides, names of files and places, and what is no title but its remains.
_NO_TOPIC: Final = re.compile(
    r"^\W*\d|^(?:chapter|section|note|figure|table|slide|page|kapitel|abschnitt|seite|folie|"
    r"chapitre|section|figure|tableau)\b|[/\\|<>{}=@_]|\.\w{2,4}$|[:;,]$|^\W|…$",
    re.IGNORECASE,
)
_OPENS: Final = "¿¡«“„‘"


def of(evidence: Evidence, cited: Collection[int]) -> list[str]:
    """At most three, without what was asked or `cited` (numbers of passages); none where the
    documents do not hold the answer.
    """
    if evidence.band == "unknown" and evidence.curated is None:
        return []
    hits = evidence.found.hits
    answered = {hit.passage.document_id for n, hit in enumerate(hits, 1) if n in cited}
    if evidence.curated is not None:
        answered.add(evidence.curated.document_id)
    used = {_key(_topic(hit)) for n, hit in enumerate(hits, 1) if n in cited}
    seen = {_key(evidence.query), *used}
    wanted: list[str] = []
    for topic in [*_questions(hits, answered), *_titles(hits, cited, answered)]:
        if _key(topic) not in seen and len(wanted) < SUGGESTIONS_MAX:
            wanted.append(topic)
        seen.add(_key(topic))
    return wanted


def _questions(hits: Collection[Hit], answered: Collection[object]) -> Iterator[str]:
    """What somebody has answered and was not served now."""
    for hit in hits:
        passage = hit.passage
        is_other = passage.kind == PassageKind.FAQ and passage.document_id not in answered
        if is_other and hit.score >= SCORE_MIN and len(passage.title) <= CHARS_MAX:
            yield passage.title


def _titles(
    hits: Collection[Hit], cited: Collection[int], documents: Collection[object]
) -> Iterator[str]:
    """Of sections beside those that are cited, where they read like something to ask."""
    for n, hit in enumerate(hits, 1):
        beside = n not in cited and hit.passage.document_id in documents
        is_section = beside and hit.passage.kind == PassageKind.DOCUMENT
        if is_section and hit.score >= SCORE_MIN and _reads_like_a_topic(_topic(hit)):
            yield _topic(hit)


def _topic(hit: Hit) -> str:
    """What a passage is about: its question, or its innermost title."""
    if hit.passage.kind == PassageKind.FAQ:
        return hit.passage.title
    return (hit.passage.heading or "").rpartition(HEADING_JOINT)[2].strip()


def _reads_like_a_topic(title: str) -> bool:
    if not 0 < len(title) <= CHARS_MAX or title.isupper():
        return False
    if _NO_TOPIC.search(title.lstrip(_OPENS)) or sum(map(str.isdigit, title)) > DIGITS_MAX:
        return False
    if lexical.dense_share(title) > 0:
        return len(title) >= DENSE_CHARS_MIN
    telling = [word for word in title.split() if word.lower() not in commonwords.CLOSED["en"]]
    return len(title.split()) >= WORDS_MIN and bool(telling)


def _key(topic: str) -> str:
    """By what two questions are the same: their words, whatever their order and the asking."""
    words = set(lexical.fold(topic).split())
    return " ".join(sorted(words - commonwords.CLOSED["en"])) or " ".join(sorted(words))
