"""The words that a language cannot do without: they tell which one a short question is in, and say
nothing about what it is about. Pure.
"""

import re
from collections.abc import Sequence
from typing import Final

# By how many words a language must lead, those that several have in common counted in parts.
LEAD_MIN: Final = 0.3
TEXT_CHARS_MAX: Final = 2_000
# Signs that one of them alone has.
_SIGNS: Final = {"¿": "es", "¡": "es", "ñ": "es", "ß": "de", "ã": "pt", "õ": "pt", "œ": "fr"}
_LETTERS: Final = re.compile(r"[^\W\d_]+")

_WORDS: Final = {
    "en": """
        a an and any are as at be been by can could did do does for from get got had has have he
        her here hers him his how i if in into is it its just like may me might mine must my
        need no not of on or our ours out please shall she should so some than that the their
        theirs them then there these they this those to too us was we were what when where which
        who whom whose why will with would you your yours
    """,
    "de": """
        aber alle als am an auch auf aus bei beim bin bis bist bitte da dann darf das dass dein
        deine dem den denn der des die dies diese diesem dieser dieses doch du durch ein eine
        einem einen einer eines er es euch euer eure für gibt hab habe haben hat hatte ich ihm
        ihn ihnen ihr ihre ihrem ihren im in ins ist ja kann kannst kein keine könnt können man
        mein meine meinem meinen meiner mich mir mit möchte muss nach nein nicht noch nur ob
        oder schon sein seine sich sie sind so soll über um und uns unser unsere unter vom von
        vor wann war waren warum was weil welche welchem welchen welcher welches wem wen wenn
        wer werde werden weshalb wessen wie wieso wieviel will wir wird wo woher wohin wurde
        wurden zu zum zur
    """,
    "fr": """
        ai après as au aussi aux avec avez avons c ça ce cela ces cet cette chez combien comme
        comment d dans de depuis des dois dont du elle elles en entre es est et êtes eu faire
        fait faut il ils j je l la là le les leur leurs lors lui m ma mais me mes moi mon n ne
        ni non nos notre nous on ont ou où par pas peut peux plus pour pourquoi puis qu quand
        que quel quelle quelles quels qui quoi s sa sans se sera ses si son sont suis sur t ta
        te tes toi ton tu un une va vers vos votre vous voudrais y été être
    """,
    "es": """
        a al algo alguna algún ante aquí así aunque cada como con contra cómo cuál cuáles cuando
        cuándo cuánta cuántas cuánto cuántos de del desde donde dónde dos e el él ella ellas
        ellos en entre era eres es esa ese eso esta está están estar este esto estos estoy fue
        ha haber hace hacer han hasta hay he la las le les lo los me mi mis muy más ni no nos
        nosotros nuestra nuestro o os otra otro para pero por porque puede pueden puedo pues que
        qué quien quién quiero se ser si sí sin sobre son soy su sus también te tengo tiene
        tienen tienes todo tu tus tú un una unas uno unos usted ustedes y ya yo
    """,
    "it": """
        a abbiamo ad agli ai al alla alle allo anche avete c ce che chi ci come con cosa così
        cui d da dagli dai dal dalla dalle dallo degli dei del dell della delle dello devo di
        dove dov e è ed era essere fare fra gli ha hai hanno ho i il in io l la le lei li lo
        loro lui ma me mi mia mie miei mio molto ne nei nel nella nelle nello no noi non nostra
        nostro o ogni ora per perché però più poi posso può puoi qual quale quali quando quanta
        quante quanti quanto quella quello quest questa queste questi questo qui sarà se sei
        sempre si sia siamo siete sono sta su sua sue sui sul sulla suo suoi te ti tra tu tua
        tue tuo un una uno vi voglio voi vorrei vostra vostro
    """,
    "pt": """
        a à ao aos aqui as às até com como da das de dele dela demais depois do dos e é ela elas
        ele eles em entre era és essa esse está estão estar este esta estou eu foi fazer há isso
        isto já lhe mais mas me mesmo meu meus minha minhas muito na não nas nem no nos nós
        nossa nosso num numa o onde os ou para pela pelas pelo pelos per pode podem posso por
        porque porquê pra qual quais quando quanta quantas quanto quantos que quê quem quero se
        sem ser será seu seus só são sobre sou sua suas também te tem têm tenho teu tu tua um
        uma umas uns você vocês
    """,
    "nl": """
        aan al alle als ben bent bij daar dan dat de deze die dit doe doen door dus een en er
        gaat geen had heb hebben hebt heeft het hier hij hoe hoeveel hun ik in is ja je jij jou
        jouw jullie kan kunnen kunt maar me mee meer men met mij mijn moet moeten mogen na naar
        nee niet nog nu of om omdat onder ons onze ook op over te tegen toch toen tot u uit uw
        van veel voor waar waarom wanneer was wat we wel welk welke werd wie wij wil wilt worden
        wordt zal ze zich zij zijn zo zonder zou zullen
    """,
}
# What websites are asked about most: telling where a question has little else.
_ASKED_ABOUT: Final = {
    "en": """
        about address buy bye cancel contact cost costs delivery evening good goodbye great
        hello help hey hours money morning okay open opening order password pay payment policy
        price prices product refund return returns send shipping thank thanks warranty
    """,
    "de": """
        abend adresse angebot anmelden bestellen bestellung bezahlen bot danke danken dauert
        erstattung garantie geht geld guten hallo hilfe ihnen kaufen konto kosten kostet
        kündigen lieferung lieferzeit mensch moin morgen nacht ordnung passwort preis preise
        rechnung rückgabe rücksendung schicken servus tag tschüss umtausch versand versandkosten
        vielen widerruf wiedersehen zahlen zahlung zurück öffnungszeiten
    """,
    "fr": """
        accord acheter adresse aide annuler beaucoup bonjour bonsoir colis commande compte coûte
        coûtent envoyer facture frais garantie heures horaires journée livraison merci paiement
        payer prix remboursement rembourser remboursé renvoyer retourner revoir robot salut
        tarif tarifs va ça
    """,
    "es": """
        adiós ayuda buena buenas buenos cancelar comprar contraseña cuenta cuesta cuestan
        devolución devolver dinero dirección días enviar envío envíos factura garantía gracias
        hola horario horarios noches pagar pago pedido perfecto plazo precio precios reembolso
        tarda tardes tienda vale
    """,
    "it": """
        acquistare aiuto annullare arrivederci bene buona buonasera buongiorno ciao comprare
        consegna costa costano fattura garanzia giornata grazie indirizzo orari orario ordinare
        ordine pagamento pagare prego prezzi prezzo resi reso restituire rimborso salve sera
        soldi spedire spedizione
    """,
    "pt": """
        adeus ajuda bem boa bom cancelar comprar custa custam devolução devolver dia dinheiro
        encomenda endereço entrega enviar envio fatura faço garantia horário horários noite
        obrigada obrigado olá pagamento pagar pedido prazo preço preços reembolso senha tarde
        tchau tudo
    """,
    "nl": """
        adres annuleren avond bedankt bestellen bestelling betalen betaling dag dank doei duurt
        factuur garantie geld goede goedemiddag goedemorgen goedenavond goedendag groet hallo
        hoi hulp kopen kost kosten levering levertijd morgen oké openingstijden prijs prijzen
        prima retour retourneren ruilen sturen terug tot verzenden verzending verzendkosten
        wachtwoord ziens
    """,
}
CLOSED: Final = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_TELLING: Final = {language: frozenset(words.split()) for language, words in _ASKED_ABOUT.items()}
LANGUAGES: Final = tuple(CLOSED)
_BY_WORD: Final = {
    word: [language for language in CLOSED if word in CLOSED[language] | _TELLING[language]]
    for language in CLOSED
    for word in CLOSED[language] | _TELLING[language]
}


def guess(text: str, among: Sequence[str] = LANGUAGES) -> str | None:
    """The language whose words of this kind `text` has most of, each shared by those that know it;
    None where none leads.
    """
    scores = dict.fromkeys(among, 0.0)
    lowered = text[:TEXT_CHARS_MAX].lower()
    for sign, language in _SIGNS.items():
        if sign in lowered and language in scores:
            scores[language] += 1
    for word in _LETTERS.findall(lowered):
        known = [language for language in _BY_WORD.get(word, ()) if language in scores]
        for language in known:
            scores[language] += 1 / len(known)
    ranked = sorted(scores.items(), key=lambda entry: -entry[1])
    lead = ranked[0][1] - (ranked[1][1] if len(ranked) > 1 else 0.0)
    return ranked[0][0] if lead >= LEAD_MIN else None
