"""Names of topics and the table of kinds."""

from uuid import uuid4

import pytest

from chatbot.realtime import topics


def test_every_kind_is_read_back_as_it_is_written() -> None:
    for kind in topics.KINDS:
        name = f"{kind.scope}:{uuid4()}:{kind.feature}"

        topic = topics.parse(name)

        assert topic is not None
        assert str(topic) == name
        assert topic.kind is kind


@pytest.mark.parametrize(
    "name",
    [
        "",
        "org",
        "org:inbox",
        f"org:{uuid4()}",
        f"org:{uuid4()}:staff",
        f"ORG:{uuid4()}:inbox",
        f"org:{uuid4().hex}:inbox",
        f"org:{{{uuid4()}}}:inbox",
        f"org:{uuid4()}:inbox:more",
        f"org:{str(uuid4()).upper()}X:inbox",
        "org:urn:uuid:inbox",
        f"org: {uuid4()}:inbox",
        f"org:{uuid4()}:inbox\n",
    ],
)
def test_any_other_spelling_is_no_topic(name: str) -> None:
    assert topics.parse(name) is None


def test_nobody_outside_may_ask_for_what_only_the_service_hears() -> None:
    for feature in ("answers", "access"):
        name = f"conversation:{uuid4()}:{feature}"

        assert topics.parse(name) is not None
        assert not topics.may_ask(name, "staff")
        assert not topics.may_ask(name, "visitor")


def test_a_visitor_may_not_even_ask_for_what_staff_hear() -> None:
    assert not topics.may_ask(f"org:{uuid4()}:inbox", "visitor")
    assert topics.may_ask(f"org:{uuid4()}:inbox", "staff")
