"""How an evaluation is shown: a table or a line of JSON a suite; and what it is doing meanwhile."""

from collections.abc import Generator
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.table import Table

from knowledge.evaluation.fitting import DEFAULTS, Fitted
from knowledge.evaluation.shelving import Said
from knowledge.evaluation.suites import Figures, Report
from knowledge.preferences import Calibration, Provenance

_OURS = "here"
# Figures that only say what others were measured on: the last column has them.
_COUNTS = frozenset({"answers_n", "left_out_n", "present_n", "unanswerable_n", "quotes_n"})


@contextmanager
def telling(log: Console) -> Generator[Said]:
    """A way to say what is going on: one line that changes, or a line each where nobody watches."""
    if not log.is_terminal:
        yield lambda doing: log.out(doing, highlight=False)
        return
    with log.status("") as status:
        yield status.update


def show(report: Report, out: Console, *, as_json: bool) -> None:
    if as_json:
        out.out(msgspec.json.encode(report).decode(), highlight=False)
        return
    if not report.n:
        reason = "; ".join(report.notes)
        out.out(f"{report.suite} · {report.data}: left out, {reason}", highlight=False)
        return
    table = Table(title=f"{report.suite} · {report.data} · {report.n:,} questions", min_width=48)
    table.add_column("")
    systems: dict[str, Figures | str] = {_OURS: report.metrics, **report.peers}
    for system in systems:
        table.add_column(system, justify="right")
    table.add_column("of", justify="right")
    names = dict.fromkeys(
        name for figures in systems.values() if isinstance(figures, dict) for name in figures
    )
    for name in names:
        if name in _COUNTS and report.counts:
            continue
        cells = [
            _cell(name, each.get(name)) if isinstance(each, dict) else ""
            for each in systems.values()
        ]
        label = name.removesuffix("_s").removesuffix("_n").replace("_", " ")
        table.add_row(label, *cells, f"{report.counts.get(name, report.n):,}")
    missing = [f"{name}: {why}" for name, why in report.peers.items() if isinstance(why, str)]
    table.caption = " · ".join([*missing, *report.notes]) or None
    out.print(table)


def show_fit(fitted: Fitted, out: Console, *, as_json: bool) -> None:
    """What changed on questions that were held out, and what is searched with from now on."""
    if as_json:
        out.out(msgspec.json.encode(fitted).decode(), highlight=False)
        return
    table = Table(title="calibrated; figures of questions that were held out", min_width=48)
    for name in ("", "defaults", "fitted", "questions"):
        table.add_column(name, justify="left" if not name else "right")
    for change in fitted.changes:
        cells = [_cell("", change.before), _cell("", change.after)]
        table.add_row(change.figure.replace("_", " "), *cells, f"{change.n:,}")
    out.print(table)
    for note in fitted.notes:
        out.out(note, highlight=False)
    show_weights(fitted.calibration, out)


def show_weights(calibration: Calibration | None, out: Console) -> None:
    """Where the weights and bands come from."""
    if calibration is None:
        out.out(f"weights and bands: the defaults, fitted on {_origin(DEFAULTS)}", highlight=False)
        return
    scale = calibration.scale
    out.out(
        f"weights and bands: share of the vectors {calibration.share}, of short texts"
        f" {calibration.faq_share}; unsure from {scale.partial_from}, answered from"
        f" {scale.answered_from}; fitted on {_origin(calibration.provenance)}",
        highlight=False,
    )


def _origin(provenance: Provenance) -> str:
    named = ", ".join(provenance.data)
    code = f", {provenance.code}" if provenance.code else ""
    return f"{named} ({provenance.queries:,} questions, {provenance.at[:10]}{code})"


def _cell(name: str, value: float | int | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value * 1_000:.1f} ms" if name.endswith("_s") else f"{value:.4f}"
