"""The embedding models of an install: the one its settings name, and those that older vectors were
made with.
"""

from collections.abc import Callable

from knowledge.embed import Embedder, LocalEmbedder


class Models:
    """`current` embeds what is new; `named` finds the embedder of vectors that are already there.

    `make` builds the embedder of a hosted model by its name.
    """

    def __init__(self, current: Embedder, make: Callable[[str], Embedder] | None = None) -> None:
        self.current = current
        self._make = make
        self._known: dict[str, Embedder] = {
            LocalEmbedder.model: LocalEmbedder(),
            current.model: current,
        }

    def named(self, model: str | None) -> Embedder:
        """The embedder of that model; the current one for None, or when nobody can make it."""
        if model is None:
            return self.current
        if model not in self._known and self._make is not None:
            self._known[model] = self._make(model)
        return self._known.get(model, self.current)
