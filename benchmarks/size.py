"""What a visitor downloads: the loader before the first click, the app after it, as brotli sends
them.

python -m benchmarks.size [--json]
"""

from pathlib import Path

import brotli
import click
import msgspec

from benchmarks.report import Metrics, report
from chatbot.pages import ASSETS

# Measured once from the peers' own builds, served with brotli, before anything is clicked.
CHATWOOT: Metrics = {"loader_bytes": 8_260, "app_bytes": 250_558}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
def main(as_json: bool) -> None:
    """Bytes of loader and app, brotli at its highest level."""
    widget = ASSETS / "widget"
    built = msgspec.json.decode((widget / "manifest.json").read_bytes(), type=dict[str, str])
    metrics = {"loader_bytes": _brotli(widget / "loader.js")}
    for part in ("app", "live", "socket", "reason"):
        metrics[f"{part}_bytes"] = _brotli(widget / "assets" / Path(built[part]).name)
    report("size", metrics, {"Chatwoot 4.10 (measured once)": CHATWOOT}, as_json=as_json)


def _brotli(path: Path) -> int:
    return len(brotli.compress(path.read_bytes(), quality=11))


if __name__ == "__main__":
    main()
