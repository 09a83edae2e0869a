"""Every way in which a model gives no whole answer: a code for programs, a sentence for the people
who set the model up.
"""

from typing import Final

FAILURES: Final = {
    "unreachable": (
        "Nobody answered at the endpoint's address. Check the base URL, and that the endpoint runs."
    ),
    "address_refused": (
        "This address may not be reached from here. Use a public https address, or have the "
        "operator name its host in CHATBOT_MODEL_HOSTS."
    ),
    "tls_failed": (
        "The endpoint's certificate is not valid for its name. Ask its owner to renew it."
    ),
    "rate_limited": (
        "The endpoint takes no more requests for now. Wait, or ask its provider for a higher limit."
    ),
    "refused": (
        "The endpoint refused the request. Check the key, the model's name and the base URL, and "
        "that the account has credit."
    ),
    "unavailable": "The endpoint has trouble of its own. Try again later.",
    "timeout_first": (
        "The first word did not come in time. Choose a faster model, or check how busy it is."
    ),
    "timeout_idle": "The model stopped in the middle of its answer. Try again.",
    "timeout_whole": "The answer took too long and was cut. Choose a faster model.",
    "ended_early": "The connection ended before the answer did. Try again.",
    "empty": (
        "The model answered without a word. Choose another one: this one may use up its tokens "
        "for thinking."
    ),
    "filtered": "The endpoint's content filter cut the answer. Ask its provider about the filter.",
    "bad_reply": (
        "What came back is no streamed chat completion. Check that the base URL ends as its "
        "provider says, mostly in /v1."
    ),
    "too_long": "The model sent more than an answer can hold. Choose another model.",
    "circuit_open": (
        "The endpoint failed several times in a row and is left alone for half a minute."
    ),
    "key_unreadable": "The stored key can no longer be decrypted. Enter it again.",
    "stopped": "The answer was stopped before its end.",
    "no_model": "There is no model to ask. Give one, or go on with quoted answers.",
}


class ModelFailed(Exception):
    """The model gave no whole answer. `code` is one of FAILURES; `kind` is what the endpoint itself
    called it, if it did; `retry_after_s` is when it wants to be asked again.
    """

    def __init__(self, code: str, *, kind: str = "", retry_after_s: float | None = None) -> None:
        self.code = code
        self.kind = kind
        self.retry_after_s = retry_after_s
        super().__init__(f"{code} ({kind})" if kind else code)

    @property
    def message(self) -> str:
        """What to do about it, for whoever set the model up."""
        said = f" It said: {self.kind}." if self.kind else ""
        return FAILURES[self.code] + said
