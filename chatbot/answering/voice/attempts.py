"""Whether a message tries to change what the bot is told to do, or to learn it. Pure.

Asked only where the documents do not answer: “ignore the previous invoice” may well be a question
that they do. So the patterns need both a verb and what it is about.
"""

import re
from typing import Final

TEXT_CHARS_MAX: Final = 4_000
_GAP: Final = r"(?:\W+\w+){0,4}?\W+"

_FORGET: Final = (
    "ignore|disregard|forget|override|bypass|ignorier\\w*|missachte\\w*|vergiss|umgeh\\w*|"
    "ignore[rz]|oublie[rz]?|contourne[rz]?|ignora[rd]?|ignoren?|olvid[ae]\\w*|omit[ei]\\w*|"
    "dimentica\\w*|trascura\\w*|esque[cç]\\w*|desconsider\\w*|negeer|negeren|vergeet"
)
_ORDERS: Final = (
    "instructions?|prompts?|rules?|guidelines?|directives?|programming|restrictions?|guardrails?|"
    "anweisung\\w*|instruktion\\w*|vorgaben|regeln|systemprompt\\w*|einschränkung\\w*|consignes?|"
    "règles?|directives|instrucci\\w+|reglas|directrices|istruzion\\w+|regole|instruç\\w+|regras|"
    "diretrizes|instructies|regels|richtlijnen"
)
_SHOW: Final = (
    "reveal|show|print|repeat|output|display|leak|tell|give|what|zeig\\w*|verrat\\w*|nenn\\w*|"
    "wiederhol\\w*|gib|was|montre[rz]?|affiche[rz]?|révèle[rz]?|répète[rz]?|donne[rz]?|quel\\w*|"
    "muestra\\w*|revela\\w*|repite|dime|cuál\\w*|mostra\\w*|rivela\\w*|ripeti|dimmi|qual\\w*|"
    "mostre|revele|repita|diga|toon|laat|onthul|herhaal|geef|wat"
)
_SECRETS: Final = (
    "system ?-?prompts?|system (?:message|instructions?)|(?:your|initial|hidden|secret|original) "
    "(?:instructions?|prompts?|rules|guidelines)|systemprompt\\w*|system-?(?:prompt|anweisung\\w*|"
    "nachricht)|(?:deine?n?|ihre?n?|geheimen?) (?:anweisungen|instruktionen|regeln)|(?:prompt|"
    "message|instructions) (?:du |de )?syst[èe]me|(?:tes|vos) (?:instructions|consignes|règles)|"
    "prompt d(?:el?|o) sistema|prompt di sistema|(?:tus|sus) (?:instrucciones|reglas)|"
    "(?:le )?(?:tue|sue) (?:istruzioni|regole)|(?:as )?(?:tuas|suas) (?:instruções|regras)|"
    "(?:je|jouw|uw) (?:instructies|regels|systeemprompt)|systeemprompt"
)
_IMPERATIVE: Final = r"(?:^|[.!?,:;\n][ \t]{0,20}|\b(?:please|now|and|then|must|should)\s+)"
_BECOME: Final = (
    r"\byou are now\b|\bfrom now on,? you(?: are|'re| will| must| act)|"
    r"\bpretend (?:to be|you are|you're)|\b(?:do anything now|jailbreak)\b|"
    r"\b(?:developer|debug|god|dan|jailbreak) mode\b|"
    rf"{_IMPERATIVE}(?:act|role-?play) as (?:an?|if|my|the)\b|"
    r"\bdu bist (?:jetzt|nun|ab jetzt|ab sofort)\b|\bab (?:jetzt|sofort) bist du\b|\btu so,? als\b|"
    r"\bverhalte dich wie\b|\bspiele? die rolle\b|"
    r"\btu es (?:maintenant|désormais)\b|\bvous êtes (?:maintenant|désormais)\b|"
    r"\bfais comme si\b|\bagis comme\b|\bcomporte-toi\b|"
    r"\b(?:ahora|a partir de ahora) eres\b|\beres ahora\b|\bact[úu]a como\b|\bfinge (?:ser|que)\b|"
    r"\b(?:ora|adesso|d'ora in poi) sei\b|\bsei (?:ora|adesso)\b|\bfai finta di\b|"
    r"\b(?:comportati|agisci) come\b|"
    r"\b(?:agora|a partir de agora) (?:és|você é|tu és)\b|\b(?:você|tu) (?:é|és) agora\b|"
    r"\baja como\b|\bfinja (?:ser|que)\b|"
    r"\bje bent (?:nu|vanaf nu)\b|\bvanaf nu ben je\b|\bdoe alsof\b|\bgedraag je als\b"
)
_ATTEMPT: Final = re.compile(
    rf"\b(?:{_FORGET})\b{_GAP}(?:{_ORDERS})\b|\b(?:{_SHOW})\b{_GAP}(?:{_SECRETS})|{_BECOME}"
    r"|<\|?(?:im_start|system|endoftext)|\[/?INST\]|^[ \t]{0,20}(?:system|assistant)[ \t]{0,20}:",
    re.IGNORECASE | re.MULTILINE,
)


def is_attempt(text: str) -> bool:
    """Whether it does, in one of seven languages, as far as its words tell."""
    return _ATTEMPT.search(text[:TEXT_CHARS_MAX].replace("’", "'")) is not None
