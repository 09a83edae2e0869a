"""All that can be set from outside, read once from the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from chatbot.errors import StartupError

PREFIX = "CHATBOT_"
LIMIT_PREFIX = "CHATBOT_LIMIT_"
SECRET_LENGTH_MIN = 32
SECRET_LETTERS_MIN = 8
METRICS_TOKEN_LENGTH_MIN = 16
UPLOAD_BYTES_MAX = 20 * 1024 * 1024  # what the knowledge base stores of one file
SOCKET_FRAME_BYTES_MAX = 65_536  # beyond it the connection is cut, unread
_WHOLE_NUMBER = re.compile(r"[0-9]{1,12}|[0-9]{1,3}(,[0-9]{3}){1,3}")  # as the README shows them


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True)
class Limits:
    """Every limit that an operator may move; `CHATBOT_LIMIT_<NAME>` sets one, in the unit it
    names.
    """

    message_chars_max: int = field(default=4000, metadata=_help("longest message"))
    body_bytes_max: int = field(default=65_536, metadata=_help("largest JSON body"))
    upload_bytes_max: int = field(
        default=20_000_000, metadata=_help("largest document, at most 20 MiB")
    )
    documents_max: int = field(default=10_000, metadata=_help("documents of one organisation"))
    faqs_max: int = field(
        default=5_000, metadata=_help("questions with answers of one organisation")
    )
    crawls_max: int = field(default=50, metadata=_help("websites that one organisation has read"))
    sessions_per_minute: int = field(
        default=60, metadata=_help("new visitor sessions per address block and minute")
    )
    messages_per_minute: int = field(
        default=20, metadata=_help("messages of one visitor per minute")
    )
    messages_per_minute_block: int = field(
        default=60, metadata=_help("… of one address block (/32, or /64 of IPv6)")
    )
    messages_per_minute_site: int = field(default=600, metadata=_help("… on one website"))
    answers_per_visitor_day: int = field(
        default=100, metadata=_help("answers written by a model for one visitor a day (UTC)")
    )
    answers_per_site_day: int = field(default=5_000, metadata=_help("… on one website"))
    answers_per_org_day: int = field(default=10_000, metadata=_help("… for one organisation"))
    tokens_per_visitor_day: int = field(
        default=500_000, metadata=_help("tokens of a model for one visitor a day (UTC)")
    )
    tokens_per_site_day: int = field(default=20_000_000, metadata=_help("… on one website"))
    tokens_per_org_day: int = field(default=40_000_000, metadata=_help("… for one organisation"))
    logins_per_minute: int = field(
        default=5, metadata=_help("log-in attempts per account and address block and minute")
    )
    conversations_per_visitor: int = field(
        default=200, metadata=_help("conversations one visitor may open")
    )
    answer_seconds_max: int = field(default=120, metadata=_help("longest time an answer may take"))
    database_connections: int = field(default=20, metadata=_help("pooled connections a process"))
    visitor_session_days: int = field(
        default=30, metadata=_help("a visitor's session ends after this")
    )
    visitor_idle_hours: int = field(default=24, metadata=_help("… or after this without a sign"))
    staff_idle_hours: int = field(default=12, metadata=_help("staff log-in ends after this idle"))
    topics_per_socket: int = field(default=20, metadata=_help("topics one socket may subscribe"))
    events_per_second: int = field(
        default=10, metadata=_help("events one socket may send per second (twice that at once)")
    )
    joins_per_second: int = field(
        default=20, metadata=_help("topics one socket may ask for per second (twice that at once)")
    )
    joins_per_second_process: int = field(
        default=2_000, metadata=_help("… all sockets of a process (twice that at once)")
    )
    connects_per_second_process: int = field(
        default=500, metadata=_help("sockets a process takes in per second (twice that at once)")
    )
    presence_per_half_minute: int = field(
        default=20, metadata=_help("presence calls of one socket in 30 seconds")
    )
    socket_event_bytes_max: int = field(
        default=65_536, metadata=_help("largest event of a socket, at most 64 KiB")
    )
    socket_queue_frames: int = field(
        default=256, metadata=_help("frames waiting for one socket before it is closed")
    )
    socket_queue_bytes: int = field(default=1_000_000, metadata=_help("… and bytes waiting for it"))
    socket_prove_seconds: int = field(
        default=5, metadata=_help("from connecting to proving whose socket it is")
    )
    socket_ping_seconds: int = field(
        default=15, metadata=_help("heartbeat of a socket: how often it is asked")
    )
    socket_pong_seconds: int = field(
        default=10, metadata=_help("… and how long its answer may take")
    )
    sockets_per_person: int = field(default=20, metadata=_help("open sockets of one person"))
    sockets_per_block: int = field(
        default=2_000, metadata=_help("open sockets of one address block (/32, or /64 of IPv6)")
    )
    sockets_unproven_per_block: int = field(
        default=200, metadata=_help("… that did not prove yet whose they are")
    )
    sockets_per_process: int = field(default=10_000, metadata=_help("open sockets of a process"))


@dataclass(frozen=True)
class Settings:
    """What `from_env` found; constructors get what they need from here."""

    database_url: str = field(
        default="",
        metadata=_help("Postgres ≥ 15 with pgvector ≥ 0.8.4 (empty: the embedded server)"),
    )
    database_owner_url: str = field(
        default="",
        metadata=_help("the same database as a member of `chatbot_owner`, for `migrate`"),
    )
    secret_keys: tuple[str, ...] = field(
        default=(),
        metadata=_help("signing keys, comma-separated, the last signs (embedded: made once)"),
    )
    public_url: str = field(
        default="http://localhost:8000", metadata=_help("where browsers reach the service")
    )
    redis_url: str = field(
        default="",
        repr=False,
        metadata=_help(
            "Redis between several workers or nodes, for words of answers, typing and presence"
            " (empty: none)"
        ),
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(), metadata=_help("addresses whose X-Forwarded-For is believed")
    )
    model: str = field(
        default="extractive", metadata=_help("`extractive`, or a model of the endpoint below")
    )
    embeddings: str = field(
        default="local", metadata=_help("`local`, or an embedding model of the endpoint below")
    )
    openai_api_key: str = field(default="", metadata=_help("key of the endpoint"))
    openai_base_url: str = field(
        default="https://api.openai.com/v1", metadata=_help("any OpenAI-compatible endpoint")
    )
    model_hosts: tuple[str, ...] = field(
        default=(),
        metadata=_help(
            "`host` or `host:port` of endpoints that organisations may name although they are not"
            " public"
        ),
    )
    reranker: str = field(
        default="", metadata=_help("a model that orders passages once more (empty: none)")
    )
    reranker_url: str = field(
        default="", metadata=_help("its endpoint, which speaks Cohere's `/rerank`")
    )
    reranker_key: str = field(
        default="", repr=False, metadata=_help("key of that endpoint, if it wants one")
    )
    metrics_token: str = field(
        default="",
        repr=False,
        metadata=_help("who shows it as a bearer may read `/metrics` (empty: this machine alone)"),
    )
    log_level: str = field(default="info", metadata=_help("debug, info, warning or error"))
    data_dir: Path = field(
        default=Path(".chatbot"), metadata=_help("the embedded server's data and generated secrets")
    )
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Settings from `CHATBOT_*`, `OPENAI_API_KEY` and `OPENAI_BASE_URL`.

        Raises StartupError for an unknown `CHATBOT_*` name or a value that cannot be read.
        """
        env = os.environ if environ is None else environ
        known = {env_name(each): each for each in fields(cls) if each.name != "limits"}
        _refuse_unknown(env, set(known))
        values = {
            each.name: _read(each, env[name]) for name, each in known.items() if env.get(name)
        }
        if values.get("reranker"):
            _check_reranker_url(values.get("reranker_url", ""))
        return cls(**values, limits=_limits(env))


def environment(settings: Settings) -> dict[str, str]:
    """What another process must have in its environment to find the same settings."""
    found = {
        LIMIT_PREFIX + name.upper(): str(value) for name, value in vars(settings.limits).items()
    }
    for each in fields(Settings):
        value = getattr(settings, each.name)
        if each.name != "limits" and value:
            found[env_name(each)] = ",".join(value) if isinstance(value, tuple) else str(value)
    return dict(os.environ) | found


def env_name(setting: "Field[Any]") -> str:
    """The environment variable of a field of Settings."""
    name = setting.name.upper()
    return name if name.startswith("OPENAI_") else PREFIX + name


def _refuse_unknown(env: Mapping[str, str], known: set[str]) -> None:
    limits = {LIMIT_PREFIX + each.name.upper() for each in fields(Limits)}
    for name in sorted(env):
        if name.startswith(PREFIX) and name not in known | limits:
            raise StartupError(
                f"unknown_setting: {name} is not a setting. The README lists all of them."
            )


def _read(setting: "Field[Any]", value: str) -> Any:
    match setting.name:
        case "secret_keys" | "trusted_proxies" | "model_hosts":
            items = tuple(part.strip() for part in value.split(",") if part.strip())
            return _checked_secrets(items) if setting.name == "secret_keys" else items
        case "data_dir":
            return Path(value)
        case "public_url":
            return value.rstrip("/")
        case "metrics_token" if len(value) < METRICS_TOKEN_LENGTH_MIN:
            raise StartupError(
                "weak_secret: CHATBOT_METRICS_TOKEN needs at least"
                f" {METRICS_TOKEN_LENGTH_MIN} characters. Make one with: openssl rand -hex 16"
            )
        case "log_level" if value.lower() not in {"debug", "info", "warning", "error"}:
            raise StartupError("bad_setting: CHATBOT_LOG_LEVEL is debug, info, warning or error.")
        case _:
            return value


def _check_reranker_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise StartupError(
            "bad_setting: CHATBOT_RERANKER needs CHATBOT_RERANKER_URL, the http:// or https://"
            " address of its endpoint."
        )


def _checked_secrets(keys: tuple[str, ...]) -> tuple[str, ...]:
    for key in keys:
        if len(key) < SECRET_LENGTH_MIN or len(set(key)) < SECRET_LETTERS_MIN:
            raise StartupError(
                "weak_secret: every key in CHATBOT_SECRET_KEYS needs at least "
                f"{SECRET_LENGTH_MIN} characters, {SECRET_LETTERS_MIN} of them different."
                " Make one with: openssl rand -base64 48"
            )
    return keys


def _limits(env: Mapping[str, str]) -> Limits:
    values: dict[str, int] = {}
    for each in fields(Limits):
        name = LIMIT_PREFIX + each.name.upper()
        if name not in env:
            continue
        values[each.name] = _whole_number(name, env[name])
    if values.get("upload_bytes_max", 0) > UPLOAD_BYTES_MAX:
        raise StartupError(f"bad_setting: a document has at most {UPLOAD_BYTES_MAX:,} bytes.")
    if values.get("socket_event_bytes_max", 0) > SOCKET_FRAME_BYTES_MAX:
        raise StartupError(
            f"bad_setting: an event of a socket has at most {SOCKET_FRAME_BYTES_MAX:,} bytes."
        )
    return Limits(**values)


def _whole_number(name: str, value: str) -> int:
    number = int(value.replace(",", "")) if _WHOLE_NUMBER.fullmatch(value) else 0
    if number == 0:
        raise StartupError(f"bad_setting: {name} must be a whole number above zero.")
    return number


def table() -> str:
    """The settings as the README shows them: Markdown, one row each, limits last."""
    rows = ["| setting | default | what it is |", "| --- | --- | --- |"]
    for each in fields(Settings):
        if each.name != "limits":
            default = getattr(Settings(), each.name) or "–"
            rows.append(f"| `{env_name(each)}` | {default} | {each.metadata['help']} |")
    for each in fields(Limits):
        name = LIMIT_PREFIX + each.name.upper()
        rows.append(f"| `{name}` | {getattr(Limits(), each.name):,} | {each.metadata['help']} |")
    return "\n".join(rows)
