"""Made-up text with the statistics of language: words by Zipf's law, topics with words of their
own.
"""

from itertools import islice
from typing import Final

import numpy as np

_SYLLABLES: Final = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en")]
_COMMON: Final = [
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "as",
    "was", "on", "are", "by", "with", "be", "this", "from", "at", "or",
]  # fmt: skip
_VOCABULARY: Final = 20_000
_TOPICS: Final = 200
_TOPIC_WORDS: Final = 40


class Writer:
    """Writes passages and questions about its topics; the same seed writes the same."""

    def __init__(self, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)
        syllables = self._random.choice(_SYLLABLES, (_VOCABULARY, 3))
        self._words = np.array(_COMMON + ["".join(word) for word in syllables])
        weights = 1 / np.arange(2, len(self._words) + 2)
        self._weights = weights / weights.sum()
        self._topics = self._random.integers(500, len(self._words), (_TOPICS, _TOPIC_WORDS))

    def passage(self, topic: int, words: int = 110) -> str:
        """Sentences of a dozen words, every fourth of them about the topic."""
        drawn = self._random.choice(self._words, words, p=self._weights)
        about = self._random.random(words) < 0.25
        drawn[about] = self._words[self._random.choice(self._topics[topic % _TOPICS], about.sum())]
        rest = iter(drawn)
        sentences: list[str] = []
        while sentence := list(islice(rest, 12)):
            sentences.append(" ".join(sentence).capitalize() + ".")
        return " ".join(sentences)

    def question(self, topic: int) -> str:
        about = self._words[self._random.choice(self._topics[topic % _TOPICS], 4)]
        return f"What is the {about[0]} of {about[1]} and how is {about[2]} {about[3]}?"
