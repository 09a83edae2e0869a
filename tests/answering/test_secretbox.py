"""Keys at rest: unreadable without the secret, and in anybody else's row."""

import pytest

from chatbot.answering.models.secretbox import Box, KeyUnreadable
from chatbot.database import new_id
from chatbot.errors import StartupError

OLD, NEW = "an old secret of the service " * 2, "a new secret of the service " * 2
KEY = "sk-proj-0123456789"


def test_what_was_sealed_can_be_opened_and_does_not_show() -> None:
    org_id, box = new_id(), Box([OLD])

    sealed = box.seal(org_id, KEY)

    assert box.open(org_id, sealed) == KEY
    assert KEY.encode() not in sealed
    assert box.seal(org_id, KEY) != sealed


def test_the_last_secret_seals_and_every_one_opens() -> None:
    org_id = new_id()
    before = Box([OLD]).seal(org_id, KEY)

    both = Box([OLD, NEW])
    after = both.seal(org_id, KEY)

    assert both.open(org_id, before) == both.open(org_id, after) == KEY
    assert Box([NEW]).open(org_id, after) == KEY
    with pytest.raises(KeyUnreadable):
        Box([NEW]).open(org_id, before)


def test_in_the_row_of_another_organisation_it_cannot_be_opened() -> None:
    box = Box([OLD])
    sealed = box.seal(new_id(), KEY)

    with pytest.raises(KeyUnreadable):
        box.open(new_id(), sealed)


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, b"gAAAAA"])
def test_what_is_damaged_is_unreadable(damage: bytes) -> None:
    with pytest.raises(KeyUnreadable):
        Box([OLD]).open(new_id(), damage)


def test_a_changed_byte_is_noticed() -> None:
    org_id, box = new_id(), Box([OLD])
    sealed = bytearray(box.seal(org_id, KEY))
    sealed[30] ^= 1

    with pytest.raises(KeyUnreadable):
        box.open(org_id, bytes(sealed))


def test_without_a_secret_nothing_is_sealed_or_opened() -> None:
    with pytest.raises(StartupError, match="missing_secret"):
        Box([]).seal(new_id(), KEY)
    with pytest.raises(KeyUnreadable):
        Box([]).open(new_id(), Box([OLD]).seal(new_id(), KEY))
