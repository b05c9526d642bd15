"""The command `headway`."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path

import headway
from headway import command
from headway.output import Watch
from headway.reporting import reporter

_EPILOG = "HEADWAY_URL says where the site is, HEADWAY_INGEST_TOKEN (or HEADWAY_TOKEN) holds the token."
_LEVELS = ("info", "success", "warning", "error")


def main(given: Sequence[str] | None = None) -> int:
    """Do what is asked. Answers the exit code: of `run` the command's own, 128 and the signal that ended it, or 126, 127;
    of the others 1 where the site did not take it."""
    asked = _parser().parse_args(given)
    if asked.url or asked.timeout is not None:
        headway.configure(asked.url, timeout=asked.timeout)
    code: int = asked.do(asked)
    return code


def _run(asked: argparse.Namespace) -> int:
    argv = asked.command[1:] if asked.command[:1] == ["--"] else asked.command
    if not argv:
        asked.usage.error("name the command to run: headway run -- make all")
    name = asked.name or Path(argv[0]).name or argv[0]
    job = headway.job(
        name, agent=asked.agent, title=asked.title, id=asked.id, attempt=asked.attempt, metadata=dict(asked.metadata),
        queue=asked.queue, tags=asked.tag,
    )  # fmt: skip
    source = (os.environ.get("HEADWAY_SOURCE") or name) if asked.output and asked.logs else None
    code = command.run(argv, job, Watch(job, words=asked.output, percentages=asked.progress, source=source))
    headway.flush()
    return code


def _tile(asked: argparse.Namespace) -> int:
    if asked.add:
        headway.increment(asked.id, asked.value)
    else:
        headway.tile(asked.id, asked.value)
    return _arrived()


def _notify(asked: argparse.Namespace) -> int:
    headway.notify(asked.title, asked.body, asked.level, asked.channel)
    return _arrived()


def _deployed(asked: argparse.Namespace) -> int:
    headway.deployed(asked.version, asked.title, asked.link)
    return _arrived()


def _arrived() -> int:
    """1 where the site did not take it, of which a warning told."""
    return 0 if headway.flush() and not reporter.told.refused and not reporter.settings.fault else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="headway", description="Reports work to a Headway site.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"headway {headway.__version__}")
    commands = parser.add_subparsers(required=True, metavar="run | tile | notify | deployed")
    for add in (_add_run, _add_tile, _add_notify, _add_deployed):
        one = add(commands)
        one.add_argument("--url", help="the site (HEADWAY_URL)")
        one.add_argument(
            "--timeout", type=float, metavar="SECONDS", help="how long to wait for the site at the end (3)"
        )
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    run = commands.add_parser(
        "run",
        help="run a command and report it as a job",
        description="Runs a command and reports it as a job. The command's input, output and exit code are its own.",
        epilog=_EPILOG,
    )
    run.set_defaults(do=_run, usage=run)
    run.add_argument("--name", help="what kind of work it is (the command's name unless said)")
    run.add_argument("--title", help="how the job is shown (its name unless said)")
    run.add_argument("--agent", help="the agent that it belongs to (default)")
    run.add_argument("--id", help="its id, unique within the agent (a UUID unless said)")
    run.add_argument("--attempt", type=int, help="a higher one starts a job of the same id anew")
    run.add_argument(
        "--metadata", type=_fact, action="append", default=[], metavar="KEY=VALUE", help="a fact about it, repeatable"
    )
    run.add_argument("--queue", help="the queue that it counts for")
    run.add_argument("--tag", action="append", default=[], metavar="WORD", help="a word to find it by, repeatable")
    run.add_argument("--progress", action="store_true", help="take percentages in the output for its progress")
    run.add_argument("--no-logs", dest="logs", action="store_false", help="send no lines of the output to the logs")
    run.add_argument("--no-output", dest="output", action="store_false", help="report no line of the output at all")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …", help="the command and its arguments")
    return run


def _add_tile(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    tile = commands.add_parser(
        "tile", help="set a figure of the page", description="Sets a figure of the page, or adds to it.", epilog=_EPILOG
    )
    tile.set_defaults(do=_tile)
    tile.add_argument("id", help="the tile, such as requests.total")
    tile.add_argument("value", type=_number, help="a number")
    tile.add_argument("--add", action="store_true", help="add the number to what the tile shows")
    return tile


def _add_notify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    notify = commands.add_parser(
        "notify",
        help="let the site notify somebody",
        description="Lets the site notify its channels, or one of them.",
        epilog=_EPILOG,
    )
    notify.set_defaults(do=_notify)
    notify.add_argument("title")
    notify.add_argument("body", nargs="?", help="what else there is to say")
    notify.add_argument("--level", choices=_LEVELS, default="info")
    notify.add_argument("--channel", help="the one channel that gets it; those that take its level unless said")
    return notify


def _add_deployed(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    deployed = commands.add_parser(
        "deployed",
        help="mark on the charts that a version went out",
        description="Marks on the site's charts that a version went out, now.",
        epilog=_EPILOG,
    )
    deployed.set_defaults(do=_deployed)
    deployed.add_argument("version", help="such as v1.4.2, or a commit")
    deployed.add_argument("--title", help="what is in it, in a line")
    deployed.add_argument("--link", metavar="ADDRESS", help="where it says more: a release, a comparison, a build")
    return deployed


def _number(text: str) -> float:
    """Raises ValueError, of which argparse tells."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _fact(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} should be KEY=VALUE")
    return key, value
