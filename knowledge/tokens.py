"""Counting tokens as OpenAI's current models do, without a network.

tiktoken fetches its encodings at first use; `data/o200k_base.tiktoken.xz` is that file (MIT
licence, beside it), checked against the hash tiktoken itself expects.
"""

import base64
import hashlib
import lzma
from functools import cache
from pathlib import Path
from typing import Final

import tiktoken

_FILE: Final = Path(__file__).parent / "data" / "o200k_base.tiktoken.xz"
_SHA256: Final = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
_WORD_ENDINGS: Final = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
# As in tiktoken_ext.openai_public.o200k_base.
_PATTERN: Final = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        + _WORD_ENDINGS,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        + _WORD_ENDINGS,
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


def count(text: str) -> int:
    """Tokens of `text`; whatever looks like a special token counts as the plain text it is."""
    return len(_encoding().encode_ordinary(text))


def clip(text: str, tokens_max: int) -> str:
    """The longest beginning of `text` that has at most `tokens_max` tokens."""
    encoded = _encoding().encode_ordinary(text)
    if len(encoded) <= tokens_max:
        return text
    # A character may lie across two tokens; what was cut in half goes.
    return _encoding().decode(encoded[:tokens_max], errors="ignore")


@cache
def _encoding() -> tiktoken.Encoding:
    raw = lzma.decompress(_FILE.read_bytes())
    if hashlib.sha256(raw).hexdigest() != _SHA256:
        raise RuntimeError(f"{_FILE.name} is damaged; install the package again")
    pairs = (line.split() for line in raw.splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    return tiktoken.Encoding(
        name="o200k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={}
    )
