"""Origins are compared exactly; a wildcard is one whole label at the left."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chatbot.orgs import origins


@pytest.mark.parametrize(
    ("sent", "normal"),
    [
        ("https://www.example.org", "https://www.example.org"),
        ("HTTPS://WWW.Example.ORG:443", "https://www.example.org"),
        ("http://localhost:8001", "http://localhost:8001"),
        ("https://*.example.org", "https://*.example.org"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_what_is_an_origin(sent: str, normal: str) -> None:
    assert origins.normal(sent) == normal


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "null",
        "*",
        "https://",
        "example.org",
        "ftp://example.org",
        "https://a@example.org",
        "https://example.org/",
        "https://example.org/path",
        "https://example.org?x",
        "https://ex ample.org",
        "https://example.org:99999",
        "https://*.*.example.org",
        "https://w*.example.org",
        "https://münchen.example",
        "https://example.org:",
        "https://-a.example",
        "https://example.org\n",
        "x" * 300,
    ],
)
def test_what_is_none(sent: str) -> None:
    assert origins.normal(sent) is None


def test_a_wildcard_is_one_label() -> None:
    allowed = ["https://*.example.org"]

    assert origins.is_allowed("https://shop.example.org", allowed)
    assert not origins.is_allowed("https://example.org", allowed)
    assert not origins.is_allowed("https://a.b.example.org", allowed)
    assert not origins.is_allowed("https://shop.example.org.evil.example", allowed)
    assert not origins.is_allowed("https://*.example.org", allowed)


@given(some.text(max_size=300))
def test_no_text_breaks_it(sent: str) -> None:
    found = origins.normal(sent)

    assert found is None or origins.normal(found) == found
    assert not origins.is_allowed(sent, [])
