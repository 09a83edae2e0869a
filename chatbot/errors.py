"""Every error that leaves the house: a code that programs rely on, a sentence that people can act
on.
"""

from typing import Literal

Retry = Literal["never", "backoff", "refetch"]


class ChatbotError(Exception):
    """Base of all errors we raise on purpose; `code` is API, `message` is for people."""

    status: int = 500
    code: str = "internal"
    message: str = "Something went wrong on our side. Try again in a moment."
    retry: Retry = "never"

    def __init__(
        self,
        code: str | None = None,
        message: str | None = None,
        *,
        retry: Retry | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        self.code = code or self.code
        self.message = message or self.message
        self.retry = retry or self.retry
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.code}: {self.message}")


class Invalid(ChatbotError):
    status = 400
    code = "invalid_request"
    message = "The request could not be understood. Check its fields."


class NotSignedIn(ChatbotError):
    status = 401
    code = "not_signed_in"
    message = "The session is missing, expired or not valid here. Start a new one."


class Forbidden(ChatbotError):
    status = 403
    code = "forbidden"
    message = "You may not do this. Ask an administrator for the right."


class NotFound(ChatbotError):
    """Absent, or another organisation's: the two are told apart nowhere."""

    status = 404
    code = "not_found"
    message = "There is nothing here under that name."


class Conflict(ChatbotError):
    status = 409
    code = "conflict"
    message = "Someone else was quicker. Load the latest state and try again."
    retry: Retry = "refetch"


class TooLarge(ChatbotError):
    status = 413
    code = "too_large"
    message = "This is larger than allowed. Send less."


class TooMany(ChatbotError):
    status = 429
    code = "too_many_requests"
    message = "Too many requests. Wait a moment and try again."
    retry: Retry = "backoff"


class Unavailable(ChatbotError):
    status = 503
    code = "unavailable"
    message = "The service is not available right now. Try again in a moment."
    retry: Retry = "backoff"


class StartupError(Exception):
    """The service cannot start; the text is the one line that the operator reads."""


def envelope(error: ChatbotError) -> dict[str, object]:
    """The one shape of an error on HTTP, in socket acknowledgements and in frames."""
    body: dict[str, object] = {"code": error.code, "message": error.message, "retry": error.retry}
    if error.retry_after_s is not None:
        body["retry_after_s"] = error.retry_after_s
    return {"error": body}
