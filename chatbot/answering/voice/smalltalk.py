"""Courtesies, which are answered without a search: greetings, thanks, goodbyes, “how are you”,
“ok”, “are you a bot”. Pure.

Only messages that are nothing else count, in any of the languages of `phrases.py`: “hello, how
long is the warranty” is a question.
"""

import re
import unicodedata
from typing import Final

from chatbot.answering.voice import phrases
from chatbot.answering.voice.persona import DEFAULT
from chatbot.answering.voice.phrases import Phrase

WORDS_MAX: Final = 9
TEXT_CHARS_MAX: Final = 100
_WORDS: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_AND: Final = re.compile(r"^(?:and|und|et|y|e|en) ")

# What each is said with, lower case, words with one space between them. Several may follow one
# another; the reply is to the first of these kinds that occurs.
_SAID: Final = {
    Phrase.A_BOT: r"""
        (?:are|r) (?:you|u) (?:an? )?(?:bot|chatbot|robot|human|person|machine|ai|real(?: person)?)
        am i (?:talking|speaking) (?:to|with) an? (?:real )?(?:bot|robot|human|person|machine)
        (?:bist du|sind sie) (?:eine? )?(?:echter )?(?:bot|chatbot|roboter|mensch|maschine|ki|echt)
        (?:es-tu|êtes-vous|es tu|êtes vous|tu es|vous êtes) (?:une? )?(?:bot|robot|machine|ia)
        (?:es-tu|êtes-vous|es tu|êtes vous|tu es|vous êtes) (?:une? )?(?:humaine?|personne)
        (?:eres|es usted|es) (?:una? )?(?:bot|robot|humano|humana|persona|máquina|ia)
        (?:sei|lei è|è) (?:una? )?(?:bot|robot|umano|umana|persona|macchina|ia)
        (?:és|você é|é) (?:uma? )?(?:bot|robô|robot|humano|humana|pessoa|máquina|ia)
        (?:ben je|bent u|ben jij) (?:een )?(?:bot|chatbot|robot|mens|machine|ai|echt)
    """,
    Phrase.HOW_ARE_YOU: r"""
        how are (?:you|u|things)(?: doing)?(?: today)?
        how(?:'s| is) it going
        wie geht(?:'s| es)(?: dir| ihnen| euch)?(?: heute)?
        comment (?:ça va|allez-vous|allez vous|vas-tu|vas tu)
        (?:ça|ca) va(?: bien)?
        (?:cómo|como) (?:estás|está|estas|esta|te va|le va|vai|vais)(?: usted| você)?
        qué tal(?: estás| está)?
        come (?:stai|sta|va)
        tutto bene
        tudo bem(?: com você)?
        hoe (?:gaat het|is het)(?: met (?:je|jou|u))?(?: vandaag)?
        alles goed
    """,
    Phrase.GOODBYE: r"""
        good ?bye|bye(?: bye)?|see (?:you|ya)(?: later| soon)?|good night|cheerio
        have a (?:nice|good|great) (?:day|evening|one)
        tschüss|tschüß|tschau|adieu|(?:auf )?wiedersehen|auf wiederhören|bis (?:bald|dann|später)
        (?:einen )?(?:schönen|guten) (?:tag|abend) noch|gute nacht
        au revoir|à bientôt|à plus(?: tard)?|bonne (?:journée|soirée|nuit)
        adiós|hasta (?:luego|pronto|la vista|mañana)|chao|chau|que tenga (?:un )?buen día
        arrivederci|arrivederla|a presto|buona (?:giornata|serata|notte)|addio
        adeus|tchau|até (?:logo|breve|já|mais|amanhã)|tenha um bom dia
        tot (?:ziens|later|straks|snel)|doei|fijne (?:dag|avond)(?: nog)?|goedenacht
    """,
    Phrase.WELCOME: r"""
        (?:many )?thanks?(?: you)?(?: (?:so|very) much| a lot)?
        thanks?(?: you)? for (?:your|the) (?:help|answer)
        thx|ty|cheers|much appreciated
        (?:vielen|herzlichen|schönen|besten|lieben|tausend) dank
        (?:danke|dankeschön)(?: (?:schön|sehr|ihnen|dir|vielmals))*
        danke für (?:die|ihre|deine) (?:hilfe|antwort|auskunft)
        merci(?: (?:beaucoup|bien|à vous|à toi|infiniment))*
        (?:muchas |muchísimas |mil )?gracias(?: por (?:la|su|tu) (?:ayuda|respuesta))?
        (?:molte |tante |mille )?grazie(?: (?:mille|tante|molte))?
        (?:muito )?obrigad[oa](?: pela (?:ajuda|resposta))?
        (?:heel (?:erg )?)?(?:bedankt|dankjewel|dankuwel|dank (?:je|u|jullie)(?: wel)?)
        bedankt voor (?:de|uw|je) hulp
    """,
    Phrase.ALRIGHT: r"""
        ok|okay|okey|k|alright|all right|got it|i see|understood|great|perfect|cool|fine|good|nice
        no(?: thanks?(?: you)?)?|nope|that(?:'s| is) all
        alles klar|in ordnung|verstanden|gut|super|prima|passt|nein(?: danke)?
        das (?:war|wär)(?:'s| es| alles)
        d'accord|daccord|très bien|parfait|compris|entendu|non(?: merci)?|c'est (?:tout|bon)
        vale|de acuerdo|muy bien|perfecto|entendido|no gracias|eso es todo
        va bene|d'accordo|perfetto|(?:ho )?capito|no grazie|è tutto
        está bem|tá bom|certo|perfeito|entendi|não(?: obrigad[oa])?|é (?:só isso|tudo)
        oké|goed|begrepen|duidelijk|nee(?: bedankt| dank (?:je|u))?|dat (?:was het|is alles)
    """,
    Phrase.GREETING: r"""
        (?:hello|hi|hey|hiya|howdy|greetings)(?: (?:there|all|everyone|again|bot))*
        good (?:morning|afternoon|evening|day)(?: (?:all|everyone))?
        (?:hallo|moin|servus|grüezi|gr[üu]ß gott|tag)(?: (?:zusammen|allerseits|bot|moin))*
        guten (?:tag|morgen|abend)(?: (?:zusammen|allerseits))?
        (?:bonjour|bonsoir|salut|coucou)(?: (?:à tous|madame|monsieur))*
        (?:hola|buenos días|buenas(?: tardes| noches)?|buen día)(?: a todos)?
        (?:ciao|buongiorno|buon giorno|buonasera|buona sera|salve)(?: a tutti)?
        (?:olá|ola|oi|bom dia|boa tarde|boa noite)(?: a todos)?
        (?:hoi|goedemorgen|goedemiddag|goedenavond|goedendag|dag)(?: allemaal)?
        goeden? (?:morgen|middag|avond|dag)
    """,
}
_ASKED: Final = frozenset({Phrase.A_BOT, Phrase.HOW_ARE_YOU})


def reply(text: str, language: str = "en", *, name: str = "") -> str | None:
    """The reply to a message that is nothing but a courtesy, from a bot of this name; None for
    anything else.
    """
    phrase = courtesy(text)
    if phrase is Phrase.GREETING and name and name.lower() != DEFAULT.name.lower():
        phrase = Phrase.GREETING_BY_NAME
    return None if phrase is None else phrases.say(phrase, language, name=name)


def courtesy(text: str) -> Phrase | None:
    """What is to be said to a message that is nothing but a courtesy."""
    if len(text) > TEXT_CHARS_MAX:
        return None
    said_words = words(text)
    if not 0 < len(said_words) <= WORDS_MAX or any(map(str.isdigit, text)):
        return None
    rest = " ".join(said_words)
    said: set[Phrase] = set()
    while rest:
        matches = ((phrase, kind.match(rest)) for phrase, kind in _KINDS.items())
        found = [(match.end(), phrase) for phrase, match in matches if match is not None]
        if not found:
            return None
        end = max(end for end, _ in found)
        said.add(next(phrase for size, phrase in found if size == end))
        rest = _AND.sub("", rest[end:].lstrip())
    if "?" in text and not said & _ASKED:
        return None
    return next(phrase for phrase in _SAID if phrase in said)


def words(text: str) -> list[str]:
    """A message's words as patterns have them: lower case, composed, with straight apostrophes."""
    return _WORDS.findall(unicodedata.normalize("NFC", text).replace("’", "'").lower())


def _pattern(said: str) -> re.Pattern[str]:
    ways = "|".join(line.strip() for line in said.splitlines() if line.strip())
    return re.compile(rf"(?:{ways})(?= |\Z)")


_KINDS: Final = {phrase: _pattern(said) for phrase, said in _SAID.items()}
