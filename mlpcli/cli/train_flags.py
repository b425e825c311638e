"""The options of `mlpcli train`, and which of them do not go together."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.cli.options import LogTo

if TYPE_CHECKING:
    from mlpcli.errors import Problem


@dataclass(frozen=True)
class TrainFlags:
    """The options of one `mlpcli train`, as given on the command line."""

    spec: Path | None
    settings: Sequence[str]
    resume: str | None
    further: str | None  # --continue
    epochs: int | None
    force: bool
    best: bool
    trusted: bool
    runs_dir: Path
    advice: bool
    max_minutes: float | None
    replicas: int | None
    log_to: LogTo | None

    def arguments(self) -> list[str]:
        """Return the arguments of the same command for another process, without --replicas."""
        given = ["train", *([str(self.spec)] if self.spec is not None else [])]
        given += [word for setting in self.settings for word in ("--set", setting)]
        given += ["--resume", self.resume] if self.resume is not None else []
        given += ["--trust-plugins"] if self.trusted else []
        given += ["--force"] if self.force else []
        return [*given, "--runs-dir", str(self.runs_dir)]


def check_flags(options: TrainFlags, repeats: Mapping[str, str]) -> None:
    """Refuse options that do not go together; then with what is wrong with the spec or the run, too.

    Args:
        options: the options.
        repeats: those of them that stand for values of --set; see `_repeats`.

    Raises:
        MlpcliError: with everything that is wrong.
    """
    from mlpcli.cli.named import find_named
    from mlpcli.cli.spec_file import read_spec
    from mlpcli.errors import AllAtOnce, UsageError
    from mlpcli.export.mlflow_log import check_installed

    at_once = AllAtOnce()
    with at_once:
        if problems := [*_usage_problems(options, repeats)]:
            raise UsageError(*problems)
    if options.log_to is not None:
        at_once.of(check_installed)
    if not at_once.errors:
        return
    for name in filter(None, (options.resume, options.further)):
        at_once.of(find_named, name, options.runs_dir, unfinished=name == options.resume)
    with at_once, as_written(repeats):
        if options.spec is not None:
            read_spec(options.spec, options.settings)
    at_once.finish()


@contextlib.contextmanager
def as_written(repeats: Mapping[str, str]) -> Iterator[None]:
    """Name options in the problems of an error raised inside, not the values of --set they stand for."""
    from mlpcli.errors import MlpcliError

    flags = {f"--set {setting}": option for option, setting in repeats.items()}
    try:
        yield
    except MlpcliError as error:
        error.problems = tuple(
            replace(each, place=replace(each.place, flag=flags[each.place.flag]))
            if each.place is not None and each.place.flag in flags
            else each
            for each in error.problems
        )
        raise


def _usage_problems(options: TrainFlags, repeats: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the options that do not go together.

    Args:
        options: the options.
        repeats: as they are written, those that stand for values of --set.
    """
    from mlpcli.errors import Problem

    is_new = options.resume is None and options.further is None
    if repeats and not is_new:
        names = " and ".join(option.partition(" ")[0] for option in repeats)
        rule = f"{names} cannot be combined with --resume or --continue"
        yield Problem(rule, hint="a run keeps the folds and seeds that it was started with")
    if options.resume is not None and options.further is not None:
        yield Problem("--resume and --continue cannot be combined", hint="keep one")
    if options.further is not None and options.spec is not None:
        yield Problem("--continue uses the run's own spec", hint="leave SPEC out, or use --set")
    if options.replicas is not None and options.further is not None:
        hint = "leave out --replicas: a run is continued in one process"
        yield Problem("--replicas and --continue cannot be combined", hint=hint)
    if options.best and options.further is None:
        yield Problem("--best is for --continue", hint="mlpcli train --continue NAME --best")
    if options.max_minutes is not None and not 0 < options.max_minutes < math.inf:
        yield Problem("--max-minutes must be a positive number of minutes", received=options.max_minutes)
    if options.epochs is not None and options.further is None:
        yield Problem("--epochs is for --continue", hint="use --set fit.epochs=N")
    if options.spec is None and is_new:
        yield Problem("Missing argument 'SPEC'; see mlpcli train --help")
