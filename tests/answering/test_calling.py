"""Who asks for a person gets one, in whatever words; who asks something else gets an answer."""

from uuid import UUID

import pytest
from sqlalchemy import select

from chatbot.answering.voice.calling import asks_for_person
from chatbot.conversations.tables import Handoff
from tests import live
from tests.answering import shop
from tests.conftest import Cluster

ASKED = [
    "I want to talk to a human",
    "Can I speak with someone, please?",
    "Could I please talk to a real person",
    "talk to a person",
    "human please",
    "Connect me to an agent!",
    "I need a human",
    "Ich möchte mit einem Menschen sprechen",
    "Kann ich bitte mit jemandem reden?",
    "Mitarbeiter bitte",
    "Verbinden Sie mich bitte mit einem Mitarbeiter",
    "Je voudrais parler à une personne",
    "Puis-je parler à quelqu’un ?",
    "Quiero hablar con una persona",
    "Vorrei parlare con un operatore",
    "Quero falar com um atendente",
    "Ik wil graag met een medewerker spreken",
]
AGREED = [
    "Yes",
    "yes please!",
    "Ja, bitte",
    "ok",
    "Oui",
    "Sí, por favor",
    "Sim",
    "Ja graag",
    "sure",
]
OTHER = [
    "Can I talk to a person about my invoice at the weekend?",
    "Who is the contact person for returns?",
    "Is support available on Sundays?",
    "Do you need a human to descale the kettle?",
    "yes, but how long is the warranty?",
    "Kann ich den Wasserkocher mit einer Person teilen?",
    "",
    "please " * 40,
]


@pytest.mark.parametrize("text", ASKED)
def test_a_person_is_asked_for_in_many_words(text: str) -> None:
    assert asks_for_person(text, offered=False)


@pytest.mark.parametrize("text", AGREED)
def test_a_yes_counts_only_after_an_offer(text: str) -> None:
    assert asks_for_person(text, offered=True)
    assert not asks_for_person(text, offered=False)


@pytest.mark.parametrize("text", OTHER)
def test_what_asks_for_something_else_is_no_call(text: str) -> None:
    assert not asks_for_person(text, offered=True)


async def test_a_yes_to_the_offer_calls_a_person(cluster: Cluster) -> None:
    async with shop.running(cluster) as (running, alder):
        async with live.visitor(running, alder) as visitor:
            talk = await visitor.begin()
            await visitor.emit("send", live.question("Wie hoch ist der Eiffelturm?", talk))
            refused, _ = await visitor.answer()
            await visitor.emit("send", live.question("Ja, bitte", talk))
            called, ended = await visitor.answer()
            found = await visitor.get(f"/visitor/conversations/{talk}/messages")
        async with running.database.transaction(alder.org_id) as db:
            (handoff,) = await db.scalars(select(Handoff))

    assert "Menschen" in refused
    assert "Kollegin oder einen Kollegen" in called
    assert ended["status"] == "complete"
    assert found["state"] == "waiting"
    assert (handoff.conversation_id, handoff.taken_at) == (UUID(talk), None)
    assert handoff.requested_by == f"visitor:{visitor.id}"
