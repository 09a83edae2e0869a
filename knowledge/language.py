"""Which text search configuration of Postgres suits a text: by its script, then by its commonest
words. Pure.

Long documents are easy; the point is to be honest about short ones. Where too few common words
are seen (price lists, tables of names) the answer is `simple`, which neither stems nor drops
anything.
"""

import re
from collections import Counter, defaultdict
from typing import Final

from knowledge import lexical

SIMPLE: Final = "simple"
_SAMPLE_CHARS: Final = 60_000
_SAMPLE_PARTS: Final = 6
_SHARE_MIN: Final = 0.06
_WORDS_MIN: Final = 2
_SHORT_WORDS: Final = 40
_LEAD: Final = 2.0
_DENSE_SHARE_MIN: Final = 0.3

_SCRIPTS: Final = [
    ("arabic", re.compile("[\u0600-\u06ff]")),
    ("armenian", re.compile("[\u0530-\u058f]")),
    ("greek", re.compile("[\u0370-\u03ff\u1f00-\u1fff]")),
    ("hindi", re.compile("[\u0900-\u097f]")),
    ("russian", re.compile("[\u0400-\u04ff]")),
    ("tamil", re.compile("[\u0b80-\u0bff]")),
    (SIMPLE, re.compile("[\u05d0-\u05ea]")),
]
# Letters of the other Cyrillic alphabets, whose words the Russian stemmer would maim.
_NOT_RUSSIAN: Final = re.compile("[ђјљњћџіїєґўөүқғңәһ]")
_NOT_RUSSIAN_SHARE: Final = 0.005

_COMMON_WORDS: Final = {
    "english": (
        "the and of to in is that for it with as was on are be this by you or from at not "
        "have your our we"
    ),
    "german": (
        "der die und das ist nicht ein eine zu den mit sich auf für von im dem des wir sie "
        "werden bei auch oder"
    ),
    "french": (
        "le la les et des une est dans pour pas que qui sur vous nous avec ce cette sont "
        "aux ou du être votre"
    ),
    "spanish": (
        "el la los las que y en una por con para del es su se al como más esta usted sus "
        "pero este son"
    ),
    "portuguese": (
        "o os as que e em uma por com para do da não é se ao como mais dos das você são na no pelo"
    ),
    "italian": (
        "il lo gli che e di una per con del della è non si sono dei delle nel alla come più "
        "anche questo"
    ),
    "dutch": (
        "de het een en van is dat op te voor niet met zijn aan er bij ook wordt naar uw wij "
        "om maar deze"
    ),
    "swedish": (
        "och att det som en är på för av med till inte den har ett om vi du kan eller från "
        "ska jag hur"
    ),
    "danish": (
        "og at det som en er på for af med til ikke den har et om vi du kan eller fra skal "
        "jeg hvordan"
    ),
    "norwegian": (
        "og at det som en er på for av med til ikke den har et om vi du kan eller fra skal "
        "jeg hvordan"
    ),
    "finnish": (
        "ja on ei että se oli ovat mutta kun tai joka myös sekä hän voi ole mitä jos niin "
        "kuin tämä sen"
    ),
    "hungarian": (
        "a az és hogy nem is egy ez meg volt de csak van el már vagy mint azt ha ezt lehet "
        "kell után"
    ),
    "turkish": (
        "ve bir bu için ile da de olarak daha çok gibi ne en olan var kadar sonra değil veya her ya"
    ),
    "romanian": (
        "și în de la cu care pe nu este o un din pentru mai sau sunt au că al se ce dacă prin"
    ),
    "catalan": (
        "el la els les i de que en una per amb del és no es al com més aquest són seva també o"
    ),
    "indonesian": (
        "yang dan di untuk dengan pada ini dari dalam tidak akan adalah atau anda ke itu "
        "juga oleh kami"
    ),
    "lithuanian": (
        "ir kad yra iš su į tai kaip bet ne nuo apie buvo dėl arba po jis ar prie būti jų"
    ),
}
# Words of asking that Postgres does not count among the stop words of their language.
_FILLER_WORDS: Final = (
    "much many please could would may might shall must tell know want wanna get got let need us "
    "anybody anyone somebody someone maybe also really actually "
    "bitte gerne viel viele möchte könnte könnten würde würden gibt etwa eigentlich "
    "combien puis peux peut pouvez voudrais veux plaît "
    "cuánto cuántos cuánta cuántas puedo puede quiero quisiera favor "
    "quanto quanti posso vorrei favore"
)
_FILLERS: Final = frozenset(_FILLER_WORDS.split())
_BY_WORD: Final = {
    word: [cfg for cfg, others in _COMMON_WORDS.items() if word in others.split()]
    for words in _COMMON_WORDS.values()
    for word in words.split()
}


def detect(text: str, otherwise: str = SIMPLE) -> str:
    """The configuration for `text`, one that every Postgres since 15 has; `otherwise` where its
    script allows several and too few common words are seen.
    """
    sample = _sample(text)
    if lexical.dense_share(sample) >= _DENSE_SHARE_MIN:
        return SIMPLE
    words = lexical.fold(sample).split()
    if not words:
        return SIMPLE
    return _by_script(sample) or _by_common_words(words, otherwise) or otherwise


def without_fillers(folded: str) -> str:
    """A folded question without the words that only make it one: rare in documents, they would
    outweigh what it is about. All of them when nothing else is said.
    """
    words = folded.split()
    return " ".join(word for word in words if word not in _FILLERS) or folded


def among(text: str, alone: str, others: str) -> str:
    """The configuration for a text that `detect` says is in `alone`, kept among texts in `others`:
    a line or two are not believed against all the rest.
    """
    if alone != SIMPLE and len(text.split()) >= _SHORT_WORDS:
        return alone
    return detect(text, others)


def _sample(text: str) -> str:
    if len(text) <= _SAMPLE_CHARS:
        return text
    step, size = len(text) // _SAMPLE_PARTS, _SAMPLE_CHARS // _SAMPLE_PARTS
    return " ".join(text[at : at + size] for at in range(0, step * _SAMPLE_PARTS, step))


def _by_script(sample: str) -> str | None:
    letters = sum(character.isalpha() for character in sample)
    for cfg, script in _SCRIPTS:
        if len(script.findall(sample)) * 2 > letters:
            foreign = len(_NOT_RUSSIAN.findall(sample.lower())) if cfg == "russian" else 0
            return SIMPLE if foreign > letters * _NOT_RUSSIAN_SHARE else cfg
    return None


def _by_common_words(words: list[str], otherwise: str) -> str | None:
    """Words that several languages share count less for each; few words must say more plainly
    that they are in another language than the one expected.
    """
    scores: defaultdict[str, float] = defaultdict(float)
    kinds: Counter[str] = Counter()
    for word, times in Counter(words).items():
        for cfg in _BY_WORD.get(word, ()):
            scores[cfg] += times / len(_BY_WORD[word])
            kinds[cfg] += 1
    if not scores:
        return None
    best, score = max(scores.items(), key=lambda entry: entry[1])
    if otherwise != SIMPLE and len(words) < _SHORT_WORDS and score < scores[otherwise] + _LEAD:
        return otherwise
    return best if score >= _SHARE_MIN * len(words) and kinds[best] >= _WORDS_MIN else None
