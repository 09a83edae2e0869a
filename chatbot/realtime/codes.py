"""Every code that the real-time layer tells a client: what it means and what to do.
docs/realtime.md shows this table; a test holds it against what the layer really says.
"""

import msgspec

from chatbot.errors import Retry


class Code(msgspec.Struct, frozen=True):
    """`retry` is the class that programs act on; `means` and `do` are for people."""

    retry: Retry
    means: str
    do: str


_AGAIN = "Connect again, later each time, and catch up."
_LATER = "Wait a moment, then ask again."
_WRONG = "Mend the client: the same again is refused again."

CATALOGUE: dict[str, Code] = {
    "not_signed_in": Code("never", "The session was ended, or is not valid here.", "Sign in anew."),
    "token_expired": Code(
        "refetch", "The token has ended.", "Get a fresh one, then connect again."
    ),
    "forbidden": Code(
        "never", "The person may not do this.", "Ask an administrator for the right."
    ),
    "not_found": Code(
        "never", "No such topic or thing, or not yours.", "Leave it; fetch the list it was in."
    ),
    "access_changed": Code(
        "refetch", "Topics were taken from you.", "Fetch what you may still see."
    ),
    "invalid_request": Code("never", "The event's data is not of the agreed shape.", _WRONG),
    "unknown_event": Code("never", "There is no such event.", _WRONG),
    "bad_text": Code("never", "Characters that cannot be stored.", "Remove them."),
    "too_large": Code("never", "More than the limit in bytes.", "Send less."),
    "payload_too_large": Code("never", "The event is longer than a socket may send.", "Send less."),
    "too_many_joins": Code("backoff", "More topics asked for than a while allows.", _LATER),
    "too_many_presence": Code("backoff", "Presence changed more often than it may.", _LATER),
    "too_many_requests": Code("backoff", "More events than a socket may send.", _LATER),
    "too_many_topics": Code("never", "More topics than a socket may hold.", "Leave some first."),
    "too_many_connections": Code("backoff", "More sockets than a person may have.", "Close some."),
    "slow_consumer": Code("backoff", "This socket did not keep up.", _AGAIN),
    "paused": Code("backoff", "Topics of this kind are switched off.", "Poll by HTTP meanwhile."),
    "signals_paused": Code("refetch", "A kind you hear was switched off.", "Poll it by HTTP."),
    "signals_resumed": Code("refetch", "It is on again.", "Subscribe it again, then fetch."),
    "signals_lost": Code("refetch", "The database was replaced.", "Fetch everything you show."),
    "server_restarting": Code(
        "backoff", "This server is going down.", "Connect again within `retry_after_s`, at random."
    ),
    "relay_starting": Code("backoff", "The server follows the database in a moment.", _LATER),
    "unavailable": Code("backoff", "The database or a part of the service is away.", _LATER),
    "internal": Code("never", "A mistake of ours, logged under the number shown.", "Report it."),
}

FROM_CLIENTS = frozenset({"not_connected", "offline", "timeout"})
"""What clients meet by themselves and tell us of; no server says it."""
