"""Whether a message asks for a person: in words, or as the “yes” to our own offer of one. Pure.

Only messages that are nothing else count: “can I talk to a person about invoices at the weekend”
is a question about a telephone line.
"""

import re
from typing import Final

from chatbot.answering.voice import smalltalk

TEXT_CHARS_MAX: Final = 100

_WANTS: Final = r"""
    (?:(?:can|could|may) i|i(?:'d| would) like to|i (?:want|need|wish) to|let me) (?:please )?
        (?:talk|speak|chat|write)(?: to| with) {en}(?: please)?
    (?:please )?(?:talk|speak|chat)(?: to| with) {en}(?: please)?
    (?:please )?(?:connect|transfer|forward|hand) me (?:over )?(?:to|with) {en}(?: please)?
    (?:please )?(?:get|give|call) me {en}(?: please)?
    i (?:want|need|would like) {en}(?: please)?
    (?:human|agent|person|operator|representative|real person|live agent|talk to human)(?: please)?
    (?:ich (?:möchte|will|würde gern(?:e)?)|kann ich|darf ich|lassen sie mich) (?:bitte )?
        mit {de} (?:sprechen|reden|schreiben|chatten)
    (?:bitte )?(?:verbinde|verbinden sie|verbindet) mich (?:bitte )?mit {de}
    (?:einen |ein |mit )?(?:menschen?|mitarbeiter(?:in)?|person)(?: bitte| sprechen)?
    (?:je (?:veux|voudrais|souhaite|aimerais)|puis-je|est-ce que je peux|puis je) parler (?:à|avec)
        [ ]{fr}(?: s'il vous plaît)?
    parler (?:à|avec) {fr}
    (?:quiero|quisiera|necesito|puedo|me gustaría) hablar con {es}(?: por favor)?
    hablar con {es}(?: por favor)?
    (?:voglio|vorrei|posso|ho bisogno di) parlare con {it}(?: per favore)?
    parlare con {it}
    (?:quero|queria|gostaria de|posso|preciso(?: de)?) falar com {pt}(?: por favor)?
    falar com {pt}
    (?:ik wil|kan ik|mag ik|ik wil graag|graag) (?:graag )?(?:met )?{nl} (?:spreken|praten|chatten)
    (?:met )?{nl} (?:spreken|praten)
"""
_PEOPLE: Final = {
    "en": r"(?:(?:an?|the|some|your) )?(?:real |live |human )?(?:person|human(?: being)?|agent|"
    r"someone|somebody|representative|operator|colleague|employee|staff(?: member)?|support)",
    "de": r"(?:(?:einem|einer|nem|dem|der|ihrem|jemandem|jemand) ?)?(?:echten |richtigen )?"
    r"(?:menschen|person|mitarbeiter(?:in)?|berater(?:in)?|kolleg(?:en|in)|support|kundendienst)?",
    "fr": r"(?:une? |quelqu'un|un |le )?(?:vraie |vrai )?(?:personne|humain|conseill(?:er|ère)|"
    r"agent|collègue|employé|support)?",
    "es": r"(?:una? |alguien)?(?:persona|humano|agente|asesor|empleado)?(?: real)?",
    "it": r"(?:una? |un'|qualcuno)?(?:persona|umano|operatore|operatrice|addetto)?"
    r"(?: reale| vera)?",
    "pt": r"(?:uma? |alguém)?(?:pessoa|humano|atendente|agente|funcionário)?(?: real)?",
    "nl": r"(?:een |iemand)?(?:echte? )?(?:mens|persoon|medewerker|collega)?",
}
_YES: Final = r"""
    yes(?: please)?|yeah|yep|yup|sure|of course|ok|okay|please(?: do)?|i would|i'd like that|alright
    yes i (?:do|would)(?: like (?:to|that))?|that would be (?:nice|great|good)
    ja(?: bitte| gern(?:e)?)?|gern(?:e)?|bitte|klar|jo|natürlich|unbedingt
    oui(?: s'il vous plaît| merci| volontiers)?|volontiers|d'accord|bien sûr
    s[ií](?: por favor| claro)?|claro|vale|por favor|de acuerdo
    s[iì](?: grazie| per favore)?|certo|volentieri|va bene|d'accordo
    sim(?: por favor| claro)?|claro que sim|pode ser|quero
    ja(?: graag| alsjeblieft| alstublieft)?|graag|prima|natuurlijk
"""


def asks_for_person(text: str, *, offered: bool) -> bool:
    """Whether it does; after we `offered` one, a plain “yes” is enough."""
    if len(text) > TEXT_CHARS_MAX:
        return False
    said = " ".join(smalltalk.words(text))
    return bool(_ASKS.fullmatch(said) or (offered and _AGREES.fullmatch(said)))


def _pattern(ways: str, **people: str) -> re.Pattern[str]:
    """One way a line; a line that is set in goes on with the one before."""
    lines = ways.strip("\n").splitlines()
    joined = "\n".join(line[4:] for line in lines).replace("\n    ", "")
    return re.compile("|".join(filter(None, joined.splitlines())).format(**people))


_ASKS: Final = _pattern(_WANTS, **_PEOPLE)
_AGREES: Final = _pattern(_YES)
