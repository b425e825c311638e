"""The help of `mlpcli` and its commands: in panels on a terminal, plain where it is read by a program."""

from __future__ import annotations

import copy
import os
import sys
from typing import TYPE_CHECKING

from typer.core import TyperCommand, TyperGroup

from mlpcli.program_name import as_called

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

START = "Start"
TRAIN = "Train"
LOOK = "Look"
USE = "Use"
KEEP = "Keep runs in order"
GROUPS = (START, TRAIN, LOOK, USE, KEEP)
"""What a person wants to do, in the order in which the commands are listed."""

WELCOME = """\
mlpcli trains, evaluates, explains and uses neural networks. One YAML file, the
spec, says all about an experiment: the data, the layers, how to train.

With a ready example (scikit-learn's digits, no download):
  mlpcli init --example digits           writes digits.yaml; no name: a list
  mlpcli train digits.yaml               trains it into a new folder under runs/
  mlpcli report digits                   one page about the run

With a table of your own:
  mlpcli init houses.csv --target price  writes houses.yaml: read it, change it
  mlpcli train houses.yaml
  mlpcli predict houses new_houses.csv -o predictions.csv

All commands: mlpcli --help    One of them: mlpcli train --help"""


class Command(TyperCommand):
    """A command, whose help has panels on a terminal."""

    def get_help(self, ctx: Context) -> str:
        """Return the help, whose commands begin as the program was called."""
        return as_called(super().get_help(ctx))

    def get_usage(self, ctx: Context) -> str:
        """Return the usage, which begins as the program was called."""
        return as_called(super().get_usage(ctx))

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the help."""
        if not _show_panels(self, ctx):
            super().format_help(ctx, formatter)


class Group(TyperGroup):
    """The program, whose commands are listed by what they are for."""

    def get_help(self, ctx: Context) -> str:
        """Return the help, whose commands begin as the program was called."""
        return as_called(super().get_help(ctx))

    def get_usage(self, ctx: Context) -> str:
        """Return the usage, which begins as the program was called."""
        return as_called(super().get_usage(ctx))

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the help."""
        if not _show_panels(self, ctx):
            super().format_help(ctx, formatter)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the commands, each group under its heading.

        Args:
            ctx: of the program.
            formatter: of plain help.
        """
        for group in GROUPS:
            rows = [
                (f"{name:{max(map(len, self.commands))}}", _first_sentence(command.help or ""))
                for name, command in self.commands.items()
                if getattr(command, "rich_help_panel", None) == group
            ]
            with formatter.section(group):
                formatter.write_dl(rows)

    def list_commands(self, ctx: Context) -> list[str]:
        """Return the names of the commands, group by group."""
        return sorted(self.commands, key=lambda name: GROUPS.index(_group(self.commands[name])))


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def _group(command: object) -> str:
    return str(getattr(command, "rich_help_panel", "") or START)


def _show_panels(command: Command | Group, ctx: Context) -> bool:
    """Print the help in panels if stdout is a terminal that can show them; return whether it is."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return False
    from typer.rich_utils import rich_format_help

    shown = copy.copy(command)
    shown.epilog = as_called(command.epilog or "")
    rich_format_help(obj=shown, ctx=ctx, markup_mode="rich")
    return True
