"""What the bot says by itself, in the languages it has words for, and which of them a question is
in. Pure.
"""

import re
from enum import StrEnum
from typing import Final

from chatbot.answering.voice import commonwords
from knowledge import language as stemmers
from knowledge import lexical

OTHERWISE: Final = "en"
VISITORS_LANGUAGE: Final = "visitor"
"""The bot answers in the language it is asked in; anything else is an ISO 639-1 code."""
_DENSE_SHARE_MIN: Final = 0.3
_LOCALE: Final = re.compile(r"([a-zA-Z]{2,3})(?:[-_.]|\Z)")
_HANGUL: Final = re.compile("[\uac00-\ud7af]")
_KANA: Final = re.compile("[\u3040-\u30ff]")
_IDEOGRAPH: Final = re.compile("[\u4e00-\u9fff]")
# Languages that we have no words for, but can tell: a model answers in them.
_CODES: Final = {
    "arabic": "ar",
    "armenian": "hy",
    "catalan": "ca",
    "danish": "da",
    "finnish": "fi",
    "greek": "el",
    "hindi": "hi",
    "hungarian": "hu",
    "indonesian": "id",
    "lithuanian": "lt",
    "norwegian": "no",
    "romanian": "ro",
    "russian": "ru",
    "swedish": "sv",
    "tamil": "ta",
    "turkish": "tr",
}


class Phrase(StrEnum):
    """`greeting_by_name` has a `name`. Leads (`partly`, `quoting`) end with an empty line; the
    others stand alone.
    """

    GREETING = "greeting"
    GREETING_BY_NAME = "greeting_by_name"
    WELCOME = "welcome"
    GOODBYE = "goodbye"
    HOW_ARE_YOU = "how_are_you"
    ALRIGHT = "alright"
    A_BOT = "a_bot"
    UNKNOWN = "unknown"
    PARTLY = "partly"
    QUOTING = "quoting"
    UNAVAILABLE = "unavailable"
    BROKEN = "broken"
    IN_ROLE = "in_role"
    CALLED = "called"


OFFERS: Final = (Phrase.UNKNOWN, Phrase.UNAVAILABLE, Phrase.BROKEN, Phrase.A_BOT, Phrase.CALLED)
LEADS: Final = (Phrase.PARTLY, Phrase.QUOTING)


def say(phrase: Phrase, language: str, **names: str) -> str:
    """The phrase in a language, in English where we have no words for it."""
    return _BOOK.get(language, _BOOK[OTHERWISE])[phrase].format(**names)


def without_lead(text: str) -> str:
    """An answer without the bot's own words before it, in whatever language they are."""
    for book in _BOOK.values():
        for lead in LEADS:
            if text.startswith(book[lead]):
                return without_lead(text[len(book[lead]) :])
    return text


def offers_person(text: str) -> bool:
    """Whether what the bot said, in whatever language, ends with its own offer of a person, or is
    so unsure that one is offered beside it.
    """
    return any(
        text.startswith(book[Phrase.PARTLY]) or any(text.endswith(book[each]) for each in OFFERS)
        for book in _BOOK.values()
    )


def language_of(question: str, *, locale: str, policy: str) -> str:
    """The language to answer in, a code of ISO 639-1.

    `policy` is `visitor` or a fixed code; a question too short to tell is in the language of the
    visitor's `locale` (“de-AT”), or else in English.
    """
    if policy != VISITORS_LANGUAGE:
        return policy
    own = _LOCALE.match(locale)
    at_home = own[1].lower() if own else None
    written = _by_script(question)
    if written is not None:
        # Ideographs alone may be Japanese.
        return "ja" if (written, at_home) == ("zh", "ja") else written
    detected = _CODES.get(stemmers.detect(question))
    if detected is not None and (detected == at_home or not question.isascii()):
        guessed = commonwords.guess(question) if detected != at_home else None
        return guessed or detected
    return commonwords.guess(question) or at_home or OTHERWISE


def _by_script(question: str) -> str | None:
    """For what is not in Latin letters."""
    if lexical.dense_share(question) >= _DENSE_SHARE_MIN:
        if _HANGUL.search(question):
            return "ko"
        if _KANA.search(question):
            return "ja"
        return "zh" if _IDEOGRAPH.search(question) else None
    latin = sum("a" <= letter <= "ɏ" for letter in question.lower())
    letters = sum(map(str.isalpha, question))
    return _CODES.get(stemmers.detect(question)) if letters and latin * 2 < letters else None


_BOOK: Final[dict[str, dict[Phrase, str]]] = {
    "en": {
        Phrase.CALLED: "I have asked a colleague to join us. It may take a while; you can leave"
        " this page and come back.",
        Phrase.GREETING: "Hello! What would you like to know?",
        Phrase.GREETING_BY_NAME: "Hello, I am {name}. What would you like to know?",
        Phrase.WELCOME: "You are welcome. Is there anything else you would like to know?",
        Phrase.GOODBYE: "Goodbye! You can come back to this conversation at any time.",
        Phrase.HOW_ARE_YOU: "All is well here, thank you. What would you like to know?",
        Phrase.ALRIGHT: "All right. I am here if you have another question.",
        Phrase.A_BOT: "I am a bot: I answer from this website's documents. Would you like to talk"
        " to a person?",
        Phrase.UNKNOWN: "I could not find an answer to that in the documents I have, and I do not"
        " want to guess. Would you like to talk to a person?",
        Phrase.PARTLY: "I am not sure that this is what you mean. The closest I found:\n\n",
        Phrase.QUOTING: "At the moment I can only quote from the documents:\n\n",
        Phrase.UNAVAILABLE: "I cannot look into the documents right now. Please try again in a"
        " moment, or talk to a person.",
        Phrase.BROKEN: "Something went wrong while I was answering. Please ask again, or talk to a"
        " person.",
        Phrase.IN_ROLE: "I only answer questions from this website's documents. What would you like"
        " to know?",
    },
    "de": {
        Phrase.CALLED: "Ich habe eine Kollegin oder einen Kollegen dazugebeten. Es kann etwas"
        " dauern; Sie können die Seite verlassen und wiederkommen.",
        Phrase.GREETING: "Guten Tag! Was möchten Sie wissen?",
        Phrase.GREETING_BY_NAME: "Guten Tag, ich bin {name}. Was möchten Sie wissen?",
        Phrase.WELCOME: "Gern geschehen. Möchten Sie noch etwas wissen?",
        Phrase.GOODBYE: "Auf Wiedersehen! Sie können jederzeit in dieses Gespräch zurückkehren.",
        Phrase.HOW_ARE_YOU: "Danke der Nachfrage, hier ist alles in Ordnung. Was möchten Sie"
        " wissen?",
        Phrase.ALRIGHT: "In Ordnung. Ich bin da, wenn Sie noch eine Frage haben.",
        Phrase.A_BOT: "Ich bin ein Bot und antworte aus den Dokumenten dieser Website. Möchten Sie"
        " mit einem Menschen sprechen?",
        Phrase.UNKNOWN: "Dazu habe ich in den Dokumenten, die mir vorliegen, keine Antwort"
        " gefunden, und raten möchte ich nicht. Möchten Sie mit einem Menschen sprechen?",
        Phrase.PARTLY: "Ich bin nicht sicher, ob Sie das meinen. Am nächsten kommt:\n\n",
        Phrase.QUOTING: "Im Moment kann ich nur aus den Dokumenten zitieren:\n\n",
        Phrase.UNAVAILABLE: "Ich kann gerade nicht in den Dokumenten nachsehen. Bitte versuchen Sie"
        " es gleich noch einmal, oder sprechen Sie mit einem Menschen.",
        Phrase.BROKEN: "Beim Antworten ist etwas schiefgegangen. Bitte fragen Sie noch einmal, oder"
        " sprechen Sie mit einem Menschen.",
        Phrase.IN_ROLE: "Ich beantworte nur Fragen anhand der Dokumente dieser Website. Was möchten"
        " Sie wissen?",
    },
    "fr": {
        Phrase.CALLED: "J'ai demandé à un collègue de nous rejoindre. Cela peut prendre un moment ;"
        " vous pouvez quitter cette page et revenir.",
        Phrase.GREETING: "Bonjour ! Que souhaitez-vous savoir ?",
        Phrase.GREETING_BY_NAME: "Bonjour, je suis {name}. Que souhaitez-vous savoir ?",
        Phrase.WELCOME: "Avec plaisir. Souhaitez-vous savoir autre chose ?",
        Phrase.GOODBYE: "Au revoir ! Vous pouvez revenir à cette conversation à tout moment.",
        Phrase.HOW_ARE_YOU: "Tout va bien, merci. Que souhaitez-vous savoir ?",
        Phrase.ALRIGHT: "Très bien. Je suis là si vous avez une autre question.",
        Phrase.A_BOT: "Je suis un robot : je réponds à partir des documents de ce site."
        " Souhaitez-vous parler à une personne ?",
        Phrase.UNKNOWN: "Je n'ai pas trouvé de réponse à cette question dans les documents dont je"
        " dispose, et je ne veux pas deviner. Souhaitez-vous parler à une personne ?",
        Phrase.PARTLY: "Je ne suis pas certain que ce soit ce que vous cherchez. Voici ce qui s'en"
        " rapproche le plus :\n\n",
        Phrase.QUOTING: "Pour le moment, je ne peux que citer les documents :\n\n",
        Phrase.UNAVAILABLE: "Je ne peux pas consulter les documents pour l'instant. Réessayez dans"
        " un moment, ou parlez à une personne.",
        Phrase.BROKEN: "Un problème est survenu pendant que je répondais. Posez de nouveau votre"
        " question, ou parlez à une personne.",
        Phrase.IN_ROLE: "Je réponds uniquement aux questions à partir des documents de ce site. Que"
        " souhaitez-vous savoir ?",
    },
    "es": {
        Phrase.CALLED: "He pedido a una persona de nuestro equipo que se una. Puede tardar un poco;"
        " puede salir de esta página y volver.",
        Phrase.GREETING: "¡Hola! ¿Qué le gustaría saber?",
        Phrase.GREETING_BY_NAME: "Hola, soy {name}. ¿Qué le gustaría saber?",
        Phrase.WELCOME: "De nada. ¿Le gustaría saber algo más?",
        Phrase.GOODBYE: "¡Hasta pronto! Puede volver a esta conversación cuando quiera.",
        Phrase.HOW_ARE_YOU: "Todo bien, gracias. ¿Qué le gustaría saber?",
        Phrase.ALRIGHT: "De acuerdo. Aquí estoy si tiene otra pregunta.",
        Phrase.A_BOT: "Soy un bot: respondo con los documentos de este sitio web. ¿Le gustaría"
        " hablar con una persona?",
        Phrase.UNKNOWN: "No he encontrado la respuesta en los documentos que tengo y no quiero"
        " adivinarla. ¿Le gustaría hablar con una persona?",
        Phrase.PARTLY: "No estoy seguro de que sea lo que busca. Lo más parecido que he"
        " encontrado:\n\n",
        Phrase.QUOTING: "En este momento solo puedo citar los documentos:\n\n",
        Phrase.UNAVAILABLE: "Ahora mismo no puedo consultar los documentos. Inténtelo de nuevo en"
        " un momento o hable con una persona.",
        Phrase.BROKEN: "Algo ha fallado mientras respondía. Vuelva a preguntar o hable con una"
        " persona.",
        Phrase.IN_ROLE: "Solo respondo preguntas con los documentos de este sitio web. ¿Qué le"
        " gustaría saber?",
    },
    "it": {
        Phrase.CALLED: "Ho chiesto a un collega di unirsi a noi. Può volerci un po'; può lasciare"
        " questa pagina e tornare.",
        Phrase.GREETING: "Buongiorno! Che cosa desidera sapere?",
        Phrase.GREETING_BY_NAME: "Buongiorno, sono {name}. Che cosa desidera sapere?",
        Phrase.WELCOME: "Prego. Desidera sapere altro?",
        Phrase.GOODBYE: "Arrivederci! Può tornare a questa conversazione in qualsiasi momento.",
        Phrase.HOW_ARE_YOU: "Tutto bene, grazie. Che cosa desidera sapere?",
        Phrase.ALRIGHT: "Va bene. Sono qui se ha un'altra domanda.",
        Phrase.A_BOT: "Sono un bot: rispondo in base ai documenti di questo sito. Desidera parlare"
        " con una persona?",
        Phrase.UNKNOWN: "Non ho trovato una risposta nei documenti di cui dispongo e non voglio"
        " tirare a indovinare. Desidera parlare con una persona?",
        Phrase.PARTLY: "Non sono sicuro che sia ciò che intende. Ecco quanto di più vicino ho"
        " trovato:\n\n",
        Phrase.QUOTING: "Al momento posso soltanto citare i documenti:\n\n",
        Phrase.UNAVAILABLE: "In questo momento non posso consultare i documenti. Riprovi tra poco"
        " oppure parli con una persona.",
        Phrase.BROKEN: "Qualcosa è andato storto mentre rispondevo. Ripeta la domanda oppure parli"
        " con una persona.",
        Phrase.IN_ROLE: "Rispondo soltanto a domande in base ai documenti di questo sito. Che cosa"
        " desidera sapere?",
    },
    "pt": {
        Phrase.CALLED: "Pedi a um colega que se junte a nós. Pode demorar um pouco; pode sair desta"
        " página e voltar.",
        Phrase.GREETING: "Olá! O que gostaria de saber?",
        Phrase.GREETING_BY_NAME: "Olá, sou {name}. O que gostaria de saber?",
        Phrase.WELCOME: "De nada. Gostaria de saber mais alguma coisa?",
        Phrase.GOODBYE: "Até logo! Pode voltar a esta conversa quando quiser.",
        Phrase.HOW_ARE_YOU: "Tudo bem, obrigado. O que gostaria de saber?",
        Phrase.ALRIGHT: "Está bem. Estou aqui se tiver outra pergunta.",
        Phrase.A_BOT: "Sou um bot: respondo com base nos documentos deste site. Gostaria de falar"
        " com uma pessoa?",
        Phrase.UNKNOWN: "Não encontrei uma resposta nos documentos que tenho e não quero"
        " adivinhar. Gostaria de falar com uma pessoa?",
        Phrase.PARTLY: "Não tenho certeza de que seja isto que procura. O mais próximo que"
        " encontrei:\n\n",
        Phrase.QUOTING: "Neste momento só posso citar os documentos:\n\n",
        Phrase.UNAVAILABLE: "Neste momento não consigo consultar os documentos. Tente de novo daqui"
        " a pouco ou fale com uma pessoa.",
        Phrase.BROKEN: "Algo correu mal enquanto eu respondia. Pergunte de novo ou fale com uma"
        " pessoa.",
        Phrase.IN_ROLE: "Só respondo a perguntas com base nos documentos deste site. O que gostaria"
        " de saber?",
    },
    "nl": {
        Phrase.CALLED: "Ik heb een collega gevraagd om mee te praten. Het kan even duren; u kunt"
        " deze pagina verlassen en terugkomen.",
        Phrase.GREETING: "Hallo! Wat wilt u weten?",
        Phrase.GREETING_BY_NAME: "Hallo, ik ben {name}. Wat wilt u weten?",
        Phrase.WELCOME: "Graag gedaan. Wilt u nog iets weten?",
        Phrase.GOODBYE: "Tot ziens! U kunt altijd naar dit gesprek terugkomen.",
        Phrase.HOW_ARE_YOU: "Alles goed hier, dank u. Wat wilt u weten?",
        Phrase.ALRIGHT: "Goed. Ik ben er als u nog een vraag hebt.",
        Phrase.A_BOT: "Ik ben een bot: ik antwoord op basis van de documenten van deze website."
        " Wilt u met een persoon spreken?",
        Phrase.UNKNOWN: "Ik heb daar geen antwoord op gevonden in de documenten die ik heb, en ik"
        " wil niet gokken. Wilt u met een persoon spreken?",
        Phrase.PARTLY: "Ik weet niet zeker of u dit bedoelt. Dit komt het dichtst in de buurt:\n\n",
        Phrase.QUOTING: "Op dit moment kan ik alleen uit de documenten citeren:\n\n",
        Phrase.UNAVAILABLE: "Ik kan nu niet in de documenten kijken. Probeer het zo meteen nog"
        " eens, of spreek met een persoon.",
        Phrase.BROKEN: "Er ging iets mis terwijl ik antwoordde. Stel uw vraag opnieuw, of spreek"
        " met een persoon.",
        Phrase.IN_ROLE: "Ik beantwoord alleen vragen op basis van de documenten van deze website."
        " Wat wilt u weten?",
    },
}
LANGUAGES: Final = tuple(_BOOK)
