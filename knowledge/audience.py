"""Labels: a document that has some is found only where one of them is asked for. Pure."""

import re
from collections.abc import Iterable
from typing import Final

from knowledge.errors import LABEL_CHARS_MAX, LABELS_MAX, KnowledgeError

_LABEL: Final = re.compile(r"[^\W_](?:[\w .:-]*\w)?")


def checked(labels: Iterable[str]) -> list[str]:
    """The labels as they are stored: lower case, once each, sorted. KnowledgeError `bad_labels`."""
    clean = sorted({" ".join(label.split()).lower() for label in labels} - {""})
    fit = all(len(label) <= LABEL_CHARS_MAX and _LABEL.fullmatch(label) for label in clean)
    if len(clean) > LABELS_MAX or not fit:
        raise KnowledgeError("bad_labels")
    return clean
