"""The command `headway`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import headway
from headway import command
from headway.output import Watch

_EPILOG = "HEADWAY_URL says where the site is, HEADWAY_INGEST_TOKEN (or HEADWAY_TOKEN) holds the token."


def main(given: Sequence[str] | None = None) -> int:
    """Run what is asked. Answers the exit code: the command's own, 128 and the signal that ended it, or 126, 127."""
    asked = _parser().parse_args(given)
    argv = asked.command[1:] if asked.command[:1] == ["--"] else asked.command
    if not argv:
        asked.usage.error("name the command to run: headway run -- make all")
    if asked.url or asked.timeout is not None:
        headway.configure(asked.url, timeout=asked.timeout)
    name = asked.name or Path(argv[0]).name or argv[0]
    job = headway.job(
        name, agent=asked.agent, title=asked.title, id=asked.id, attempt=asked.attempt, metadata=dict(asked.metadata)
    )
    code = command.run(argv, job, Watch(job, words=asked.output, percentages=asked.progress))
    headway.flush()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="headway", description="Reports work to a Headway site.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"headway {headway.__version__}")
    run = parser.add_subparsers(required=True, metavar="run").add_parser(
        "run",
        help="run a command and report it as a job",
        description="Runs a command and reports it as a job. The command's input, output and exit code are its own.",
        epilog=_EPILOG,
    )
    run.set_defaults(usage=run)
    run.add_argument("--name", help="what kind of work it is (the command's name unless said)")
    run.add_argument("--title", help="how the job is shown (its name unless said)")
    run.add_argument("--agent", help="the agent that it belongs to (default)")
    run.add_argument("--id", help="its id, unique within the agent (a UUID unless said)")
    run.add_argument("--attempt", type=int, help="a higher one starts a job of the same id anew")
    run.add_argument(
        "--metadata", type=_fact, action="append", default=[], metavar="KEY=VALUE", help="a fact about it, repeatable"
    )
    run.add_argument("--progress", action="store_true", help="take percentages in the output for its progress")
    run.add_argument("--no-output", dest="output", action="store_false", help="report no line of the output")
    run.add_argument("--url", help="the site (HEADWAY_URL)")
    run.add_argument("--timeout", type=float, metavar="SECONDS", help="how long to wait for the site at the end (3)")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …", help="the command and its arguments")
    return parser


def _fact(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} should be KEY=VALUE")
    return key, value
