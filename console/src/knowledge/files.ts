/** What of a file can be refused before it travels. Pure. */
import { bytes } from "../times";

export const FILE_BYTES_MAX = 20_000_000;

/** What the file chooser offers; the server goes by what is in a file. */
export const ENDINGS =
  ".pdf,.docx,.pptx,.xlsx,.odt,.odp,.ods,.epub,.html,.htm,.md,.markdown,.csv,.tsv,.txt,.json,.jsonl,.eml";

export const FORMATS =
  "PDF, DOCX, PPTX, XLSX, ODT, EPUB, HTML, Markdown, CSV, TSV, JSON, e-mail (.eml) or plain text";

export function problemWith(file: { size: number }): string | null {
  if (file.size === 0) return "The file is empty.";
  if (file.size > FILE_BYTES_MAX) {
    return `The file has ${bytes(file.size)}; at most ${bytes(FILE_BYTES_MAX)} can be uploaded.`;
  }
  return null;
}
