"""The built front ends as files: loader and app of the widget, the console, the stand-alone chat
page.
"""

import re
from html import escape
from pathlib import Path

import msgspec
from litestar import MediaType, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from chatbot.database import Database
from chatbot.errors import NotFound, Unavailable
from chatbot.orgs.sites import site_by_key
from chatbot.settings import Settings

ASSETS = Path(__file__).parent / "assets"
NOT_BUILT = "The front ends are not built. Run: make build"
LOADER_CACHE = "public, max-age=300, stale-while-revalidate=86400"
NAME_CHARS_MAX = 100
IMMUTABLE = "public, max-age=31536000, immutable"
CONSOLE_CSP = (
    "default-src 'self'; connect-src 'self' {socket}; require-trusted-types-for 'script';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
CHAT_CSP = (
    "default-src 'none'; script-src 'self'; connect-src 'self' {socket}; img-src 'self';"
    " base-uri 'none'; form-action 'none'"
)
_OLD_PART = re.compile(r"(main|live|socket|reason)-[A-Z0-9]+\.js")
_CROSS_ORIGIN = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".json": "application/json",
}


def are_built() -> bool:
    """Whether `make build` has run."""
    return (ASSETS / "widget" / "loader.js").exists() and (
        ASSETS / "console" / "index.html"
    ).exists()


@get("/w/v1/loader.js", include_in_schema=False)
async def loader() -> Response[bytes]:
    return _file("widget", "loader.js", LOADER_CACHE, _CROSS_ORIGIN)


@get("/w/assets/{name:str}", include_in_schema=False)
async def widget_asset(name: FromPath[str]) -> Response[bytes] | Redirect:
    """One part of the app. A loader from before the last update names parts that are gone: it is
    led to today's.
    """
    try:
        return _file("widget/assets", name, IMMUTABLE, _CROSS_ORIGIN)
    except NotFound:
        part = _OLD_PART.fullmatch(name)
        if part is None:
            raise
    manifest = msgspec.json.decode(
        (ASSETS / "widget" / "manifest.json").read_bytes(), type=dict[str, str]
    )
    today = manifest["app" if part[1] == "main" else part[1]]
    headers = {**_CROSS_ORIGIN, "Cache-Control": "no-store"}
    return Redirect(f"/w/{today}", headers=headers)


@get("/console/assets/{name:str}", include_in_schema=False)
async def console_asset(name: FromPath[str]) -> Response[bytes]:
    return _file("console/assets", name, IMMUTABLE, {})


@get(["/console", "/console/{path:path}"], include_in_schema=False)
async def console(settings: NamedDependency[Settings], path: FromPath[str] = "") -> Response[bytes]:
    """The console is one page; its router reads the rest of the address."""
    headers = {"Content-Security-Policy": _policy(CONSOLE_CSP, settings)}
    return _file("console", "index.html", "no-cache", headers)


@get("/chat/{key:str}", include_in_schema=False)
async def chat_page(
    key: FromPath[str], database: NamedDependency[Database], settings: NamedDependency[Settings]
) -> Response[str]:
    """The chat by itself: for links, pop-outs, and sites that cannot take a script."""
    site = await site_by_key(database, key)
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">'
        f"<title>{escape(site.name)}</title></head><body>"
        f'<script async src="/w/v1/loader.js" data-key="{escape(site.key)}" data-inline></script>'
        "</body></html>"
    )
    policy = _policy(CHAT_CSP, settings)
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(page, media_type=MediaType.HTML, headers=headers)


@get("/", include_in_schema=False)
async def home() -> Redirect:
    return Redirect("/console")


ROUTES = Router(
    path="/", route_handlers=[loader, widget_asset, console_asset, console, chat_page, home]
)


def _policy(template: str, settings: Settings) -> str:
    """Older Safari does not count a WebSocket to the page's own host as `'self'`: name it."""
    return template.format(socket=settings.public_url.replace("http", "ws", 1))


def _file(folder: str, name: str, cache: str, headers: dict[str, str]) -> Response[bytes]:
    """One built file by its plain name; nothing outside its folder has one."""
    path = ASSETS / folder / name
    plain = Path(name).name == name and len(name) <= NAME_CHARS_MAX and "\0" not in name
    if not plain or not path.is_file():
        if not are_built():
            raise Unavailable("not_built", NOT_BUILT)
        raise NotFound
    return Response(
        path.read_bytes(),
        media_type=_TYPES.get(path.suffix, "application/octet-stream"),
        headers={"Cache-Control": cache, **headers},
    )
