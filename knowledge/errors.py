"""What can go wrong with a document, each with a code that programs read and a sentence for its
owner.
"""

from typing import Final

BODY_BYTES_MAX: Final = 20 * 1024 * 1024
NAME_CHARS_MAX: Final = 200
URL_CHARS_MAX: Final = 2_000
LABELS_MAX: Final = 20
LABEL_CHARS_MAX: Final = 40
PASSAGE_CHARS_MAX: Final = 4_000  # of one that a person wrote anew
OVERRIDES_MAX: Final = 2_000
QUESTION_CHARS_MAX: Final = 500
VARIANTS_MAX: Final = 50
ANSWER_CHARS_MAX: Final = 4_000

MESSAGES: Final = {
    "not_found": "There is no such document.",
    "bad_name": f"A document needs a name of 1 to {NAME_CHARS_MAX} characters.",
    "bad_labels": (
        f"A label has 1 to {LABEL_CHARS_MAX} letters, digits, spaces or - _ . : and there are at "
        f"most {LABELS_MAX} of them."
    ),
    "bad_passage": (
        f"A passage has at least one letter or digit and at most {PASSAGE_CHARS_MAX:,} characters. "
        "Switch it off instead of emptying it."
    ),
    "too_many_overrides": (
        f"This document has {OVERRIDES_MAX:,} changed passages already. Change the document itself "
        "and upload it again."
    ),
    "override_in_use": (
        "A passage of the document still obeys this change. Put the passage back instead."
    ),
    "not_restorable": (
        "The bytes of this version are no longer kept. Upload the file again if you still have it."
    ),
    "no_way_back": (
        "There is no earlier model to go back to: its vectors are kept for a week after a move."
    ),
    "passage_busy": "Somebody else is changing this passage. Look at it again, then repeat it.",
    "empty": "The file is empty. Export or save it again, then upload it once more.",
    "too_large": "The file is larger than we can read. Split it into smaller documents.",
    "unsupported_type": (
        "This kind of file cannot be read. Save it as PDF, DOCX, PPTX, XLSX, ODT, ODP, ODS, EPUB, "
        "HTML, Markdown, CSV, TSV, JSON, e-mail (.eml) or plain text."
    ),
    "type_mismatch": (
        "The content of the file is not what its name says. Open it in its program and save it in "
        "the format you want, then upload it again."
    ),
    "too_many_documents": "There are as many documents as allowed. Delete some first.",
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
    "bad_question": (
        f"A question has at least one letter or digit and at most {QUESTION_CHARS_MAX} characters."
    ),
    "bad_variants": (
        f"There are at most {VARIANTS_MAX} other ways to ask a question, each of at most "
        f"{QUESTION_CHARS_MAX} characters with a letter or digit."
    ),
    "bad_answer": f"An answer has 1 to {ANSWER_CHARS_MAX:,} characters.",
    "bad_faq_url": "The address of an answer begins with http:// or https:// and has no spaces.",
    "bad_switch": "This is neither yes nor no. Write yes, no, or leave it empty.",
    "faq_exists": "There is an answer to this question already. Change that one instead.",
    "faq_busy": "Somebody else is changing these questions right now. Try it again.",
    "too_many_faqs": "There are as many questions as allowed. Delete some first.",
    "duplicate_in_file": "The file has this question twice. Keep one of the rows.",
    "no_columns": (
        "The first row must name the columns, at least “question” and “answer” (or “Frage” and "
        "“Antwort”). Add that row and try again."
    ),
    "too_many_rows": "The file has more rows than can be read at once. Split it.",
    "internal": "Something went wrong on our side. Try the document again.",
}


class KnowledgeError(Exception):
    """`code` is one of `MESSAGES`; `message` may say more than the catalogue does."""

    def __init__(self, code: str, message: str | None = None) -> None:
        self.code = code
        self.message = message or MESSAGES[code]
        super().__init__(f"{code}: {self.message}")
