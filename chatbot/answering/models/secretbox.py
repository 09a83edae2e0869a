"""Organisations' keys at rest: encrypted with a key derived from the service's own secrets, bound
to the organisation they belong to.
"""

import base64
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chatbot.errors import StartupError

_INFO: Final = b"chatbot.answer-models.keys.v1"  # no other use of the secrets derives the same key
_KEY_BYTES: Final = 32


class KeyUnreadable(Exception):
    """What was stored cannot be opened: its secret is gone, or it is not this organisation's."""


class Box:
    """The last secret encrypts, every one decrypts: to rotate, append one; drop the first when the
    keys were entered again.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        keys = [Fernet(_derived(secret)) for secret in reversed(secrets)]
        self._fernet = MultiFernet(keys) if keys else None

    def seal(self, org_id: UUID, secret: str) -> bytes:
        if self._fernet is None:
            raise StartupError("missing_secret: set CHATBOT_SECRET_KEYS before storing a key.")
        return self._fernet.encrypt(org_id.bytes + secret.encode())

    def open(self, org_id: UUID, sealed: bytes) -> str:
        """KeyUnreadable when it cannot be had."""
        if self._fernet is None:
            raise KeyUnreadable
        try:
            plain = self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise KeyUnreadable from error
        if plain[:16] != org_id.bytes:
            raise KeyUnreadable
        return plain[16:].decode()


def _derived(secret: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_INFO)
    return base64.urlsafe_b64encode(kdf.derive(secret.encode()))
