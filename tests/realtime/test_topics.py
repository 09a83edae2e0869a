"""Names of topics and the table of kinds."""

from uuid import UUID, uuid4

import pytest

from chatbot.realtime import topics

ID = UUID("01a1ff1c-2e11-75be-8808-18aefc429dcb")


def test_every_kind_is_read_back_as_it_is_written() -> None:
    for kind in topics.KINDS:
        name = f"{kind.scope}:{uuid4()}:{kind.feature}"

        topic = topics.parse(name)

        assert topic is not None
        assert str(topic) == name
        assert topic.kind is kind


def test_no_kind_lets_others_speak_than_those_who_hear_it() -> None:
    for kind in topics.KINDS:
        assert kind.present | kind.broadcasters <= kind.listeners
        assert "visitor" not in kind.broadcasters


def row(scope: str, feature: str, *, registered: bool = True, paused: bool = False) -> topics.Row:
    return topics.Row(scope, feature, ["visitor"], [], [], registered, paused)


def test_a_kind_that_another_program_registered_may_be_asked_for() -> None:
    catalogue = topics.Catalogue([row("order", "status")])
    name = f"order:{uuid4()}:status"

    assert topics.parse(name) is None
    assert str(catalogue.parse(name)) == name
    assert catalogue.may_ask(name, "visitor")
    assert not catalogue.may_ask(name, "staff")
    assert catalogue.parse(f"org:{uuid4()}:inbox") is not None


def test_a_registered_kind_never_takes_the_place_of_ours() -> None:
    catalogue = topics.Catalogue([row("org", "inbox"), row("staff", "access")])

    for name in (f"org:{uuid4()}:inbox", f"staff:{uuid4()}:access"):
        assert not catalogue.may_ask(name, "visitor")
        assert catalogue.parse(name) == topics.parse(name)


def test_a_paused_kind_is_known_as_paused() -> None:
    catalogue = topics.Catalogue([row("org", "inbox", registered=False, paused=True)])
    inbox, public = (catalogue.parse(f"org:{uuid4()}:{each}") for each in ("inbox", "public"))

    assert inbox is not None
    assert public is not None
    assert catalogue.is_paused(inbox)
    assert not catalogue.is_paused(public)
    assert catalogue.paused() == {("org", "inbox")}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "org",
        "org:inbox",
        f"org:{ID}",
        f"org:{ID}:staff",
        f"ORG:{ID}:inbox",
        f"org:{ID.hex}:inbox",
        f"org:{{{ID}}}:inbox",
        f"org:{ID}:inbox:more",
        f"org:{str(ID).upper()}X:inbox",
        "org:urn:uuid:inbox",
        f"org: {ID}:inbox",
        f"org:{ID}:inbox\n",
    ],
)
def test_any_other_spelling_is_no_topic(name: str) -> None:
    assert topics.parse(name) is None


def test_nobody_outside_may_ask_for_what_only_the_service_hears() -> None:
    for feature in ("answers", "access"):
        name = f"conversation:{uuid4()}:{feature}"

        assert topics.parse(name) is not None
        assert not topics.OURS.may_ask(name, "staff")
        assert not topics.OURS.may_ask(name, "visitor")


def test_a_visitor_may_not_even_ask_for_what_staff_hear() -> None:
    assert not topics.OURS.may_ask(f"org:{uuid4()}:inbox", "visitor")
    assert topics.OURS.may_ask(f"org:{uuid4()}:inbox", "staff")
