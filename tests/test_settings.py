"""Settings are read once, strictly."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from chatbot.errors import StartupError
from chatbot.settings import Limits, Settings, table

README = Path(__file__).parent.parent / "README.md"
LONG = "k3y-with-enough-different-letters-in-it"


def test_nothing_set_gives_what_works_on_one_machine() -> None:
    assert Settings.from_env({"HOME": "/somewhere"}) == Settings()


def test_values_are_read_in_their_types() -> None:
    settings = Settings.from_env(
        {
            "CHATBOT_SECRET_KEYS": f"{LONG}-old, {LONG}-new",
            "CHATBOT_PUBLIC_URL": "https://chat.example.org/",
            "CHATBOT_LIMIT_MESSAGE_CHARS_MAX": "100",
            "CHATBOT_LIMIT_UPLOAD_BYTES_MAX": "10,000,000",
            "OPENAI_BASE_URL": "http://localhost:1/v1",
        }
    )

    assert settings.secret_keys == (f"{LONG}-old", f"{LONG}-new")
    assert settings.public_url == "https://chat.example.org"
    assert settings.limits == Limits(message_chars_max=100, upload_bytes_max=10_000_000)
    assert settings.openai_base_url == "http://localhost:1/v1"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("CHATBOT_DATABASE", "x", "unknown_setting"),
        ("CHATBOT_LIMIT_NOTHING", "1", "unknown_setting"),
        ("CHATBOT_LIMIT_MESSAGE_CHARS_MAX", "many", "bad_setting"),
        ("CHATBOT_LIMIT_MESSAGE_CHARS_MAX", "0", "bad_setting"),
        ("CHATBOT_LIMIT_MESSAGE_CHARS_MAX", "0,000", "bad_setting"),
        ("CHATBOT_LIMIT_MESSAGE_CHARS_MAX", "4,00", "bad_setting"),
        ("CHATBOT_LIMIT_MESSAGE_CHARS_MAX", "4000,000", "bad_setting"),
        ("CHATBOT_LIMIT_MESSAGE_CHARS_MAX", "4.000", "bad_setting"),
        ("CHATBOT_LIMIT_MESSAGE_CHARS_MAX", "9" * 5_000, "bad_setting"),
        ("CHATBOT_LOG_LEVEL", "loud", "bad_setting"),
        ("CHATBOT_RERANKER", "a-model", "bad_setting"),
        ("CHATBOT_SECRET_KEYS", "secret", "weak_secret"),
        ("CHATBOT_SECRET_KEYS", "a" * 64, "weak_secret"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(name: str, value: str, code: str) -> None:
    with pytest.raises(StartupError, match=code):
        Settings.from_env({name: value})


def test_a_reranker_needs_an_address_and_its_key_is_not_shown() -> None:
    settings = Settings.from_env(
        {
            "CHATBOT_RERANKER": "a-model",
            "CHATBOT_RERANKER_URL": "http://localhost:1/v2",
            "CHATBOT_RERANKER_KEY": "very secret",
        }
    )

    assert (settings.reranker, settings.reranker_key) == ("a-model", "very secret")
    assert "very secret" not in repr(settings)


def test_every_number_of_the_readme_can_be_copied() -> None:
    rows = re.findall(r"^\| `(CHATBOT_LIMIT_\w+)` \| (\S+) \|", README.read_text(), re.MULTILINE)

    assert len(rows) == len(fields(Limits))
    assert Settings.from_env(dict(rows)) == Settings()


def test_the_readme_lists_every_setting() -> None:
    readme = README.read_text()

    assert table() in readme
