"""Signed tokens: what a client carries, bound to one purpose, checked before it is believed."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from chatbot.database import utc_now
from chatbot.errors import NotSignedIn

TOKEN_BYTES_MAX = 512
CLOCK_SKEW = timedelta(seconds=60)


class Tokens:
    """Signs with the last key, believes every key: to rotate, append one, later drop the first.

    itsdangerous signs with HMAC-SHA1 by default; here the digest is SHA-256 and the salt is the
    purpose, so a token made for one purpose is garbage for another. The age is checked here and not
    by `max_age`, which rejects a token whose signer's clock runs two seconds ahead.
    """

    def __init__(self, keys: Sequence[str], clock: Callable[[], datetime] = utc_now) -> None:
        self._keys = list(keys)
        self.now = clock

    def sign(self, purpose: str, claims: dict[str, str]) -> str:
        return self._serializer(purpose).dumps(claims)

    def read(
        self, purpose: str, token: str, *, age_max: timedelta
    ) -> tuple[dict[str, str], datetime]:
        """The claims and when they were signed; NotSignedIn for anything but a valid, young
        token.
        """
        if not token or len(token) > TOKEN_BYTES_MAX or not token.isascii():
            raise NotSignedIn
        try:
            claims, signed_at = self._serializer(purpose).loads(token, return_timestamp=True)
        except BadData as error:
            raise NotSignedIn from error
        if not -CLOCK_SKEW <= self.now() - signed_at <= age_max:
            raise NotSignedIn("token_expired", "The session has expired. Start a new one.")
        return _texts(claims), signed_at

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._keys, salt=purpose, signer_kwargs={"digest_method": sha256}
        )


def _texts(claims: Any) -> dict[str, str]:
    if not isinstance(claims, dict):
        raise NotSignedIn
    return {str(name): str(value) for name, value in claims.items()}
