"""What can go wrong on the way to a website, each with a code that programs read and a sentence
for the person who gave the address.
"""

from typing import Final

from knowledge.errors import KnowledgeError

WEB_MESSAGES: Final = {
    "bad_url": (
        "This is not the address of a web page. Give one that begins with http:// or https://, "
        "without a user name."
    ),
    # One sentence for every refusal, so that nobody can map a network by the answers.
    "address_refused": (
        "No public website was found at this address. Check its spelling; private and local "
        "addresses and unusual ports are never fetched."
    ),
    "fetch_timeout": "The website did not answer in time. Try again later.",
    "fetch_failed": "The connection to the website failed. Try again later.",
    "tls_failed": "The website's certificate is not valid for its name. Ask its owner to renew it.",
    "http_error": "The website answered with an error.",
    "too_large": "The page is larger than we can read. Split it, or upload it as a document.",
    "too_many_redirects": (
        "The page leads from one address to the next without end. If it asks for cookies or a "
        "log-in, it cannot be read."
    ),
    "bad_encoding": "The website sent its page in a form that cannot be unpacked.",
    "not_html": "This is neither a web page nor a PDF or plain text. Upload it as a document.",
    "not_a_sitemap": (
        "This is not a sitemap. Give the address of an XML sitemap, or read the website by its "
        "links."
    ),
    "robots_disallowed": "The website's robots.txt asks programs not to read this page.",
    "robots_unreachable": (
        "The website's robots.txt could not be read, so nothing else was fetched. Try again later."
    ),
    "outside_scope": "This address is not below the one that the crawl started from.",
    "redirected_away": "The address leads to another website. Give that address instead.",
    "redirected": "This address leads to another one, which is listed by itself.",
    "canonical": "The page names another address as its own, which is listed by itself.",
    "duplicate": "Another page of this website has the same content.",
    "noindex": "The page asks not to be indexed.",
    "sitemap": "A sitemap; the pages that it lists are listed by themselves.",
    "no_longer_linked": "Nothing on the website leads to this page any more.",
    "pages_limit": (
        "There are more pages than this crawl may read. Raise its limit, or start from a page "
        "further down."
    ),
    "time_limit": "The crawl took too long and was ended. Narrow it, or shorten its delay.",
    "site_down": (
        "Many pages in a row could not be fetched, so the crawl was ended. Pages read before stay "
        "in use."
    ),
    "not_found": "There is no such crawl.",
    "internal": "Something went wrong on our side. Run the crawl again.",
    "crawl_exists": "This address is read already. Change that crawl instead.",
}


class WebError(KnowledgeError):
    """`status` is what the server answered, where it is a server's answer that went wrong."""

    def __init__(self, code: str, *, status: int | None = None, message: str | None = None) -> None:
        self.status = status
        if code == "http_error" and status is not None:
            message = f"The website answered with error {status}."
        super().__init__(code, message or WEB_MESSAGES[code])
