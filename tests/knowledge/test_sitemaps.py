"""Lists of pages as websites write them, and as somebody who means harm would."""

import pytest

from knowledge.web import sitemaps
from knowledge.web.weberrors import WebError
from tests.knowledge.website import URLSET, packed

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE urlset [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    "<urlset><url><loc>https://x.example/&b;</loc></url></urlset>"
)
OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<urlset><url><loc>https://x.example/&x;</loc></url></urlset>"
)


@pytest.mark.parametrize(
    "body",
    [
        LAUGHS,
        OUTSIDE,
        "<urlset>" * 100_000,
        "<html></html>",
        "",
        "\x00\x01",
        "<urlset><url>" + "<a>" * 50,
    ],
)
def test_a_sitemap_that_means_harm_is_refused(body: str) -> None:
    with pytest.raises(WebError, match="not_a_sitemap"):
        sitemaps.read(body.encode())


def test_a_packed_sitemap_is_unpacked_to_a_limit() -> None:
    with pytest.raises(WebError, match="too_large"):
        sitemaps.read(packed(bytes(30 * 2**20)))


def test_a_sitemap_of_a_million_entries_is_read_as_far_as_it_may() -> None:
    entries = "<url><loc>https://x.example/a</loc></url>" * 50_000

    found = sitemaps.read(URLSET.format(entries).encode())

    assert len(found.pages) == sitemaps.ENTRIES_MAX
