"""markitdown on the same files, in a Python of its own: it brings 350 MB that nothing here needs.

    /path/to/python benchmarks/peer_markitdown.py FILE…

A line of JSON for each file: name, seconds, Markdown or error. Imports nothing of ours.
"""

import importlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

FILE_S_MAX: Final = 120


def main() -> None:
    converter: Any = importlib.import_module("markitdown").MarkItDown()
    signal.signal(signal.SIGALRM, _give_up)
    for name in sys.argv[1:]:
        begun = time.perf_counter()
        text, error = "", ""
        signal.alarm(FILE_S_MAX)
        try:
            text = str(converter.convert(name).markdown)
        except Exception as raised:  # whatever a stranger's library raises is its answer
            error = type(raised).__name__
        signal.alarm(0)
        seconds = time.perf_counter() - begun
        print(
            json.dumps({"name": Path(name).name, "seconds": seconds, "text": text, "error": error}),
            flush=True,
        )


def _give_up(*_: object) -> None:
    raise TimeoutError


if __name__ == "__main__":
    main()
