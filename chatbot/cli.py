"""The command `chatbot`: the only reader of argv."""

import json
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import uvloop
from rich.console import Console

from chatbot import demo, doctor, embedded, foreground, logs, serving, terminal, workers
from chatbot.answering.writing import Writing
from chatbot.app import Service, endpoints_of, fetcher_of, models_of, openapi_schema, reranker_of
from chatbot.database import Database
from chatbot.errors import ChatbotError, StartupError
from chatbot.evaluation import command
from chatbot.jobs import Jobs
from chatbot.orgs import sites
from chatbot.settings import Settings
from chatbot.staff import login
from chatbot.staff.tables import Role
from knowledge.errors import KnowledgeError
from knowledge.retrieve import Retriever
from knowledge.web import crawl
from migrations import run

LOOPBACK = "127.0.0.1"
CONNECTIONS = 5
_NOTHING_TO_MIGRATE = "chatbot: the embedded database is migrated at every start; nothing to do."

data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="The embedded database's folder."
)
worker_option = click.option("--worker-of", type=(str, int), hidden=True)
org_option = click.option("--org", "org", required=True, help="The organisation's slug.")


def main() -> None:
    """Run the command line; every failure is one line that says what to do, and exit code 1."""
    try:
        commands(standalone_mode=False)
    except (StartupError, ChatbotError, KnowledgeError) as error:
        sys.exit(f"chatbot: {error}")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


@click.group()
def commands() -> None:
    """A website chatbot that answers from your own documents and hands over to people."""


@commands.command("demo")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65_534))
@click.option("--demo-port", type=click.IntRange(1, 65_535), help="Default: the port after.")
@data_dir_option
@click.option("--reset", is_flag=True, help="Forget the data directory first.")
def demo_command(port: int, demo_port: int | None, data_dir: Path | None, reset: bool) -> None:
    """Everything in one process, with a demo organisation, on this machine only."""
    settings = _settings(data_dir)
    if reset:
        embedded.forget(settings.data_dir)
    settings = replace(settings, public_url=f"http://localhost:{port}")
    listener = serving.bind(LOOPBACK, port)
    website_listener = serving.bind(LOOPBACK, demo_port or port + 1)
    website_port = website_listener.getsockname()[1]
    website_url = f"http://localhost:{website_port}"

    async def run_demo(found: Settings) -> None:
        service = Service(
            found,
            fetcher=demo.fetcher(website_port),
            more_routes=[demo.way_to(website_url)],
        )
        prepared = await demo.prepare(service, found.data_dir, website_port)
        click.echo(demo.greeting(found.public_url, prepared, website_url))
        website = demo.website(prepared.tag, found.public_url)
        apps = [(service.asgi, listener), (website, website_listener)]
        await serving.serve(apps, crowd=service.realtime)

    with serving.ready(settings) as found:
        _run(run_demo(found))


@commands.command()
@click.option("--host", default=LOOPBACK, show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65_535))
@click.option("--no-jobs", is_flag=True, help="Leave background jobs to `chatbot worker`.")
@click.option(
    "--workers",
    "count",
    default=1,
    show_default=True,
    type=click.IntRange(1, workers.WORKERS_MAX),
    help="Processes that share the port; of several, one more runs the jobs.",
)
@worker_option
@data_dir_option
def serve(data_dir: Path | None, **told: Any) -> None:
    """The service; with the embedded database when CHATBOT_DATABASE_URL is not set."""
    sys.exit(workers.serve(_settings(data_dir), **told))


@commands.command()
@worker_option
@data_dir_option
def worker(data_dir: Path | None, worker_of: workers.WorkerOf | None) -> None:
    """Background jobs alone."""
    workers.work(_settings(data_dir), worker_of)


@commands.command()
def migrate() -> None:
    """Bring CHATBOT_DATABASE_OWNER_URL's database to the newest schema."""
    settings = Settings.from_env()
    if not settings.database_url:
        click.echo(_NOTHING_TO_MIGRATE)
        return
    if not settings.database_owner_url:
        raise StartupError(
            "owner_url_missing: set CHATBOT_DATABASE_OWNER_URL to the same database as a member of"
            " chatbot_owner (see migrations/sql/bootstrap.sql)."
        )
    run.upgrade(settings.database_owner_url)
    click.echo(f"schema at {run.head()}")


@commands.command("doctor")
@data_dir_option
def doctor_command(data_dir: Path | None) -> None:
    """Check database, roles, row-level security, secrets, model: a line each; exit 1 on a
    failure.
    """
    settings = _settings(data_dir)
    if settings.database_url:
        findings = doctor.examine(settings)
    else:
        with serving.ready(settings) as found:
            findings = doctor.examine(found)
    click.echo("\n".join(doctor.lines(findings)))
    if not all(finding.ok for finding in findings):
        sys.exit(1)


@commands.command()
def openapi() -> None:
    """Print the API's schema, with the structs of the sockets; needs no database."""
    click.echo(json.dumps(openapi_schema(), indent=1, sort_keys=True))


@commands.group()
def org() -> None:
    """Organisations."""


@org.command("create")
@click.argument("name")
@data_dir_option
def org_create(name: str, data_dir: Path | None) -> None:
    """Make an organisation; prints its slug."""

    async def create(database: Database, _settings: Settings) -> None:
        click.echo((await sites.create_org(database, name)).slug)

    _with_database(data_dir, create)


@org.command("list")
@data_dir_option
def org_list(data_dir: Path | None) -> None:
    """Every organisation: slug and name."""

    async def show(database: Database, _settings: Settings) -> None:
        for each in await sites.list_orgs(database):
            click.echo(f"{each.slug}\t{each.name}")

    _with_database(data_dir, show)


@commands.group()
def site() -> None:
    """Websites that embed the chat."""


@site.command("create")
@org_option
@click.option("--name", default="Website", show_default=True)
@click.option("--origin", "origins", multiple=True, required=True, help="https://www.example.org")
@data_dir_option
def site_create(org: str, name: str, origins: tuple[str, ...], data_dir: Path | None) -> None:
    """Allow a website to embed the chat; prints the tag to paste."""

    async def create(database: Database, settings: Settings) -> None:
        org_id = await sites.get_org_id(database, org)
        async with database.transaction(org_id, actor="system") as db:
            made = await sites.create_site(db, org_id, name=name, allowed_origins=origins)
            click.echo(sites.tag(made, settings.public_url))

    _with_database(data_dir, create)


@site.command("tag")
@org_option
@data_dir_option
def site_tag(org: str, data_dir: Path | None) -> None:
    """Print the tag of each of the organisation's sites."""

    async def show(database: Database, settings: Settings) -> None:
        org_id = await sites.get_org_id(database, org)
        async with database.transaction(org_id) as db:
            for each in await sites.sites(db, org_id):
                click.echo(sites.tag(each, settings.public_url))

    _with_database(data_dir, show)


@commands.group()
def staff() -> None:
    """People who work here."""


@staff.command("invite")
@click.argument("email")
@org_option
@click.option("--name", help="As visitors read it; asked for when missing.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.AGENT.value,
    show_default=True,
)
@data_dir_option
def staff_invite(email: str, org: str, name: str | None, role: str, data_dir: Path | None) -> None:
    """Give somebody a place in the organisation; then: chatbot staff password EMAIL."""
    known_as = (name or _asked_name()).strip()

    async def invite(database: Database, _settings: Settings) -> None:
        org_id = await sites.get_org_id(database, org)
        await login.invite(database, org_id, email=email, name=known_as, role=Role(role))
        click.echo(
            f"{email} is {role} of {org}. Now set a password: chatbot staff password {email}"
        )

    _with_database(data_dir, invite)


def _asked_name() -> str:
    """No default: what stands before the @ may be `you` or `info`, and would be shown."""
    if not sys.stdin.isatty():
        raise click.UsageError('Say --name "First Last": it is what visitors read.')
    return str(click.prompt("Name, as visitors read it"))


@staff.command("password")
@click.argument("email")
@data_dir_option
def staff_password(email: str, data_dir: Path | None) -> None:
    """Set somebody's password (asked for, or read from standard input); ends their sessions."""
    if sys.stdin.isatty():
        word = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        word = sys.stdin.readline().rstrip("\n")

    async def change(database: Database, _settings: Settings) -> None:
        await login.set_password(database, login.Passwords(), email, word)
        click.echo("done")

    _with_database(data_dir, change)


@commands.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@org_option
@data_dir_option
def ingest(paths: tuple[Path, ...], org: str, data_dir: Path | None) -> None:
    """Put files and folders into the knowledge base; exit 1 if any failed."""
    console = Console(stderr=True)
    files = terminal.files_of(paths)

    async def put(database: Database, settings: Settings) -> Sequence[terminal.Result]:
        queue = Jobs(settings.database_url)
        return await terminal.ingest_files(
            database,
            queue,
            models_of(settings),
            await sites.get_org_id(database, org),
            files,
            console=console,
            limits=settings.limits,
        )

    results = _with_database(data_dir, put)
    failed = [each for each in results if each.status != "ready"]
    passages = sum(each.passages for each in results)
    click.echo(f"{len(results) - len(failed)} ready ({passages} passages), {len(failed)} failed")
    if failed:
        sys.exit(1)


@commands.command("crawl")
@click.argument("url")
@org_option
@click.option("--kind", type=click.Choice(["page", "sitemap", "site"]), default="site")
@click.option("--depth", type=click.IntRange(0, crawl.DEPTH_MAX), default=3, show_default=True)
@click.option(
    "--pages", "pages_max", type=click.IntRange(1, crawl.PAGES_MAX), default=200, show_default=True
)
@data_dir_option
def crawl_command(url: str, org: str, data_dir: Path | None, **told: Any) -> None:
    """Read a website into the knowledge base; exit 1 if that failed."""
    wanted = foreground.wanted(url=url, **told)

    async def read(database: Database, settings: Settings) -> bool:
        org_id, models = await sites.get_org_id(database, org), models_of(settings)
        reader = foreground.Reading(database, fetcher_of(settings), models, limits=settings.limits)
        return await reader.read(org_id, wanted, out=Console(), log=Console(stderr=True))

    if not _with_database(data_dir, read):
        sys.exit(1)


@commands.command()
@click.argument("question")
@org_option
@click.option("--site", "site_key", metavar="KEY", help="As a visitor of this site is answered.")
@click.option("--show-passages", is_flag=True, help="Print what was found, with scores.")
@data_dir_option
def ask(
    question: str, org: str, site_key: str | None, show_passages: bool, data_dir: Path | None
) -> None:
    """One answer, streamed, with its sources below; from all documents, or a site's."""
    if not question.strip():
        raise click.UsageError("Ask something: the question is empty.")
    console = Console()

    async def answer(database: Database, settings: Settings) -> None:
        org_id = await sites.get_org_id(database, org)
        labels = await terminal.labels_of(database, org_id, site_key)
        retriever = Retriever(database.transaction, models_of(settings), reranker_of(settings))
        if show_passages:
            await terminal.show_passages(retriever, org_id, question, console, labels=labels)
        writing = Writing(retriever, endpoints_of(settings))
        await terminal.answer(database, writing, org_id, question, console, labels=labels)

    _with_database(data_dir, answer)


@commands.command("eval")
@click.option("--data", "folders", multiple=True, required=True, type=click.Path(path_type=Path))
@click.option("--suite", "suites", multiple=True, type=click.Choice(command.SUITES))
@click.option("--limit", type=click.IntRange(1), help="Questions a suite, by chance.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON a suite and folder.")
@click.option("--calibrate", is_flag=True, help="Fit the weights of --org to these questions.")
@click.option("--org", help="Search as this organisation does.")
@data_dir_option
def eval_command(data_dir: Path | None, **told: Any) -> None:
    """Measure search and answers on folders in BEIR's layout, beside other ways to search."""
    wanted = command.Wanted(**told)

    async def measure(database: Database, settings: Settings) -> None:
        models, endpoints = models_of(settings), endpoints_of(settings)
        out, log = Console(), Console(stderr=True)
        await command.run(database, models, endpoints, wanted, out=out, log=log)

    _with_database(data_dir, measure)


def _settings(data_dir: Path | None) -> Settings:
    settings = Settings.from_env()
    logs.set_up(settings.log_level)
    return settings if data_dir is None else replace(settings, data_dir=data_dir)


def _with_database(data_dir: Path | None, work: Any) -> Any:
    """Run `work(database, settings)` on the database that the settings name."""

    async def open_and_work(found: Settings) -> Any:
        database = Database(found.database_url, connections=CONNECTIONS)
        try:
            return await work(database, found)
        finally:
            await database.close()

    with serving.ready(_settings(data_dir)) as found:
        return _run(open_and_work(found))


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(work)
