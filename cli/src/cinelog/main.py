"""The `cinelog` command. Each subcommand is imported when it is called: `run` must be at work at once."""

import gc
import os
import sys
from importlib import import_module

import click
from cinelog_common.errors import Category, CinelogError

from cinelog.terminal import plain

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_ALLOCATIONS = 50_000
"""More objects than freed ones, before the young are looked through for cycles."""

_COMMANDS = {
    "run": ("cinelog.commands.run", "Turn one source into playable video, here and now."),
    "serve": ("cinelog.commands.serve", "Run everything in one process, with HTTP, without any server."),
    "service": ("cinelog.commands.service", "Run one service of a deployment on Kafka, MongoDB and S3."),
    "jobs": ("cinelog.commands.jobs", "Submit, list, show, watch, cancel, retry and delete jobs over HTTP."),
    "topics": ("cinelog.commands.topics", "Create or check the topics of a deployment."),
    "doctor": ("cinelog.commands.doctor", "Say what this machine can do, and why something cannot be used."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = import_module(module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cinelog")
def cli() -> None:
    """Cinelog turns any source into playable video, and loses nothing when anything dies."""


def main() -> None:
    """Run the command and exit: 0 done, 1 the job failed, 2 wrong use, 130 interrupted."""
    # What imports allocate stays: looking through it again and again is a tenth of the time they take.
    gc.set_threshold(_ALLOCATIONS)
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has left; what is still buffered must not fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILED
    # Nor is it looked through before the end.
    gc.freeze()
    sys.exit(code)


def _run() -> int:
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except click.ClickException as error:
        error.show()
        code = EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except CinelogError as error:
        tell(error)
        code = EXIT_USAGE if error.category is Category.INVALID_REQUEST else EXIT_FAILED
    return code if isinstance(code, int) else EXIT_DONE


def tell(error: CinelogError) -> None:
    """Print what went wrong and what to do about it, without a traceback."""
    click.echo(f"{click.style('error', fg='red')} [{error.category}] {plain(error.message)}", err=True)
    if error.action:
        click.echo(f"      {plain(error.action)}", err=True)
