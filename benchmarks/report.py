"""What every benchmark needs: a database of its own, percentiles, the machine, one way to print."""

import os
import platform
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import click
import msgspec
import numpy as np
import psutil

from chatbot import embedded
from chatbot.database import Database
from migrations import run

Metrics = Mapping[str, float | int | str]


def report(
    name: str, metrics: Metrics, peers: Mapping[str, Metrics], *, as_json: bool = False
) -> None:
    """One object as JSON, or a table with a column for each peer that has the figure too."""
    if as_json:
        found = {"name": name, "machine": machine(), "metrics": metrics, "peers": peers}
        click.echo(msgspec.json.encode(found))
        return
    click.echo(f"{name} · {machine()}")
    for key, value in metrics.items():
        others = "".join(f"  {who} {other[key]}" for who, other in peers.items() if key in other)
        click.echo(f"  {key:32} {value}{others}")
    for who, other in peers.items():
        if apart := [f"{key} {value}" for key, value in other.items() if key not in metrics]:
            click.echo(f"  beside: {who}: {', '.join(apart)}")


def percentiles(seconds: Sequence[float], *, prefix: str = "") -> dict[str, float]:
    """p50, p95 and p99 in milliseconds, under names like `p50_ms`."""
    values = np.percentile(np.asarray(seconds) * 1_000, [50, 95, 99])
    names = ("p50_ms", "p95_ms", "p99_ms")
    return {
        f"{prefix}{name}": round(float(value), 2) for name, value in zip(names, values, strict=True)
    }


def machine() -> str:
    cores, memory = os.cpu_count(), psutil.virtual_memory().total / 2**30
    return (
        f"{platform.system()} {platform.machine()}, {cores} cores, {memory:.0f} GiB,"
        f" Python {platform.python_version()}"
    )


@asynccontextmanager
async def bench_database(*, connections: int = 20) -> AsyncGenerator[Database]:
    """A migrated database on a temporary server with durable settings, as the run-time role."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
        embedded.running(Path(folder)) as urls,
    ):
        run.upgrade(urls.owner)
        database = Database(urls.app, connections=connections)
        try:
            yield database
        finally:
            await database.close()
