"""The `torghut` command. Commands are imported when they are called: start-up is felt."""

import importlib
import os
import shlex
import sys
import traceback
from typing import Final

import click

from torghut_assets.cli.screen import plain
from torghut_assets.domain.errors import TorghutError
from torghut_assets.version import __version__

_COMMANDS: Final = {
    "approve": "torghut_assets.cli.approve:approve",
    "audit": "torghut_assets.cli.audit:audit",
    "keys": "torghut_assets.cli.keys:keys",
    "ledger": "torghut_assets.cli.ledger:ledger",
    "advise": "torghut_assets.cli.advise:advise",
    "candidate": "torghut_assets.cli.candidate:candidate",
    "dag": "torghut_assets.cli.dag:dag",
    "doctor": "torghut_assets.cli.doctor:doctor",
    "drill": "torghut_assets.cli.drill:drill",
    "demo": "torghut_assets.cli.demo:demo",
    "env": "torghut_assets.cli.env:env",
    "handoff": "torghut_assets.cli.handoff:handoff",
    "kill": "torghut_assets.cli.kill:kill",
    "lineage": "torghut_assets.cli.lineage:lineage",
    "metrics": "torghut_assets.cli.metrics:metrics",
    "migrate": "torghut_assets.cli.migrate:migrate",
    "ramp": "torghut_assets.cli.ramp:ramp",
    "report": "torghut_assets.cli.report:report",
    "run": "torghut_assets.cli.run:run",
    "session": "torghut_assets.cli.session:session",
    "snapshot": "torghut_assets.cli.snapshot:snapshot",
    "sql": "torghut_assets.cli.sql:sql",
    "stage": "torghut_assets.cli.stage:stage",
    "tca": "torghut_assets.cli.tca:tca",
    "trials": "torghut_assets.cli.trials:trials",
    "universe": "torghut_assets.cli.universe:universe",
    "verify-statistics": "torghut_assets.cli.statistics:verify_statistics",
    "warehouse": "torghut_assets.cli.warehouse:warehouse",
    "warm": "torghut_assets.cli.env:warm",
}


_ANY_FORMAT: Final = frozenset(
    {"doctor", "handoff", "kill", "migrate", "universe", "verify-statistics", "warm"}
)
"""Commands for a home of any format: what stops trading must work whatever happened."""
_COMPLETION_REQUEST: Final = "_TORGHUT_COMPLETE"
"""The variable in which the shell scripts that click writes say what they want."""
_BAD_INPUT: Final = 4
_INTERNAL_ERROR: Final = 70
_INTERRUPTED: Final = 130


class _LateGroup(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in alphabetical order."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module and return the command."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{_COMMANDS[cmd_name]} is not a command")
        return command


@click.group(cls=_LateGroup)
@click.version_option(__version__, prog_name="torghut")
@click.pass_context
def torghut(context: click.Context) -> None:
    """Carry a trading strategy from thesis to gate decision, with evidence.

    State is kept in the folder TORGHUT_HOME (default: .torghut).

    \b
    Exit status of every command:
      0  done, and passed where something is decided
      1  done, and refused by a gate
      2  wrong usage
      3  evidence missing or altered
      4  bad input
    70 is an error inside torghut, with its traceback; 130 is an interruption.
    """
    from torghut_assets.resources.home import Home

    if context.invoked_subcommand not in _ANY_FORMAT:
        Home.from_environment().require_format()


def main() -> None:
    """Run the command; a refusal becomes one line on standard error and its exit status."""
    if _COMPLETION_REQUEST in os.environ:
        from torghut_assets.cli.completion import complete

        complete()
    try:
        torghut.main(prog_name="torghut", standalone_mode=False, color=False if plain() else None)
    except TorghutError as error:
        _say(str(error))
        _log_refusal(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _say(f"interrupted. What was made is kept; go on with: {_same_command()}")
        sys.exit(_INTERRUPTED)
    except OSError as error:
        _say(f"{error.filename or 'operating system'}: {error.strerror or error}.")
        sys.exit(_BAD_INPUT)
    except Exception:  # noqa: BLE001 - Python would end with 1, and 1 means refused by a gate
        traceback.print_exc()
        sys.exit(_INTERNAL_ERROR)


def _log_refusal(error: TorghutError) -> None:
    from torghut_assets.resources.event_log import log_event

    log_event("refused", error=type(error).__name__, exit_status=error.exit_code)


def _same_command() -> str:
    """Return the command as it was typed, ready to be pasted."""
    return shlex.join(["torghut", *sys.argv[1:]])


def _say(message: str) -> None:
    """Print one line, whatever a message quotes from outside."""
    shown = "".join(c if c.isprintable() else " " for c in " ".join(message.split()))
    click.echo(f"torghut: {shown}", err=True)


if __name__ == "__main__":
    main()
