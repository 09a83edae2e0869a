"""What can go wrong with a document, each with a code that programs read and a sentence for its
owner.
"""

from typing import Final

BODY_BYTES_MAX: Final = 20 * 1024 * 1024
NAME_CHARS_MAX: Final = 200

MESSAGES: Final = {
    "not_found": "There is no such document.",
    "bad_name": f"A document needs a name of 1 to {NAME_CHARS_MAX} characters.",
    "empty": "The file is empty. Export or save it again, then upload it once more.",
    "too_large": "The file is larger than we can read. Split it into smaller documents.",
    "unsupported_type": (
        "This kind of file cannot be read. Save it as PDF, DOCX, PPTX, XLSX, HTML, Markdown, CSV "
        "or plain text."
    ),
    "type_mismatch": (
        "The content of the file is not what its name says. Open it in its program and save it in "
        "the format you want, then upload it again."
    ),
    "encrypted": (
        "The file is protected with a password. Save a copy without the password and upload that."
    ),
    "malformed": (
        "The file is damaged and cannot be read. Open it in its program, save it again, and upload "
        "the new file."
    ),
    "no_text": (
        "No text was found in the file. If it is a scan, run text recognition (OCR) on it first."
    ),
    "archive_bomb": (
        "The file unpacks to far more data than a document should. Remove large embedded content "
        "and save it again."
    ),
    "limit_memory": "Reading the file took too much memory. Split it into smaller documents.",
    "limit_time": "Reading the file took too long. Split it into smaller documents.",
    "parser_crashed": (
        "The reader broke on this file. Save it again, or as another format, and upload that."
    ),
    "embedding_failed": (
        "The embedding service did not answer. Check its settings, then try the document again."
    ),
    "interrupted": (
        "The work on this document was interrupted several times. Try it again; if it happens "
        "again, split the document."
    ),
    "internal": "Something went wrong on our side. Try the document again.",
}


class KnowledgeError(Exception):
    """`code` is one of `MESSAGES`; `message` may say more than the catalogue does."""

    def __init__(self, code: str, message: str | None = None) -> None:
        self.code = code
        self.message = message or MESSAGES[code]
        super().__init__(f"{code}: {self.message}")
