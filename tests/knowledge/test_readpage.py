"""What is read in a page of a website, and what the crawler finds in it, however hostile it is."""

import time
from collections.abc import Mapping

import pytest

from knowledge.reading import readpage
from knowledge.reading.blocks import BlockKind
from knowledge.web import links
from knowledge.web.weburl import parse

FOLDED = """<!doctype html><html><head><title>Help</title></head><body><nav><a href=/>Home</a></nav>
<main><h1>Help</h1><h2>Orders</h2>
<details><summary>Can I change my order?</summary><p>Until it is packed.</p></details>
<h3><button aria-expanded=false aria-controls=fee>Is there a fee?</button></h3>
<div id=fee hidden><p>Not for members.</p></div>
<table><tr><th>Country</th><th>Days</th></tr><tr><td>France</td><td>3</td></tr></table>
<ul><li>Keep the box<ul><li>and the label</li></ul></li></ul>
</main><footer>All rights reserved</footer></body></html>"""


def test_what_a_page_folds_away_is_read_with_its_question() -> None:
    blocks = list(readpage.read(FOLDED.encode()).blocks)
    texts = [block.text for block in blocks if block.text]
    headings = [block.text for block in blocks if block.kind is BlockKind.HEADING]
    tables = [block.rows for block in blocks if block.kind is BlockKind.TABLE]

    assert headings == ["Help", "Orders", "Can I change my order?", "Is there a fee?"]
    assert texts[texts.index("Can I change my order?") + 1] == "Until it is packed."
    assert texts[texts.index("Is there a fee?") + 1] == "Not for members."
    assert tables == [[["Country", "Days"], ["France", "3"]]]
    assert "Keep the box" in texts
    assert "and the label" in texts
    assert not {"Home", "All rights reserved"} & set(texts)


def test_an_article_is_read_without_what_stands_around_it() -> None:
    story = "A long sentence about how kettles are made, tested and repaired in our workshop. " * 8
    around = "".join(f"<div class=menu-item><a href=/{at}>Offer {at}</a></div>" for at in range(40))
    html = (
        f"<html><body><div class=sidebar>{around}</div>"
        "<div class=cookie-banner>We value your privacy</div>"
        f"<div class=post><h2>How it is made</h2><p>{story}</p><p>{story}</p></div>"
        "<div class=footer>Imprint</div></body></html>"
    )

    said = " ".join(block.text for block in readpage.read(html.encode()).blocks)

    assert "how kettles are made" in said
    assert "How it is made" in said
    assert "Offer 7" not in said
    assert "privacy" not in said


HOSTILE: Mapping[str, str] = {
    "angles": "<" * 10_000_000,
    "open tags": "<a " * 3_000_000,
    "open quotes": '<a x="' * 1_000_000,
    "comments": "<!--" * 2_000_000,
    "scripts": "<script>" * 1_000_000,
    "titles": "<title>" * 1_000_000,
    "attributes": "<a " + "a='" * 1_000_000,
    "equals": "<a " + "a = " * 1_000_000,
    "links": "".join(f"<a href=/p{at}?x>" for at in range(200_000)),
    "bases": "<base href=x>" * 300_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_costs_the_server_next_to_nothing(name: str) -> None:
    began = time.process_time()

    found = links.read(HOSTILE[name], parse("https://example.org/"))

    assert time.process_time() - began < 1.0
    assert len(found.links) <= links.LINKS_MAX


def test_links_are_those_of_the_page() -> None:
    html = """<html><head><title> Tea &amp; more
    </title><base href="/z/"><link rel=canonical href='c?utm_source=1'></head>
    <!-- <a href=no> --><script>"<a href=no2>"</script><a class=x href=one>1</a>
    <A HREF="two#x">2</A><a href=three rel="ugc nofollow">3</a><a
    href="&#x2f;four">4</a><a href=mailto:x>5</a><a href="pic.jpg">6</a>
    <a data-href=no3 href=five>"""

    found = links.read(html, parse("https://example.org/a/b"))

    assert found.title == "Tea & more"
    assert str(found.canonical) == "https://example.org/z/c"
    assert [link.path for link in found.links] == ["/z/one", "/z/two", "/four", "/z/five"]
