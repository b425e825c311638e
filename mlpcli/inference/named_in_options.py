"""Whether a run has what options of a command name: columns, groups of them, classes; no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlpcli.data.contract_columns import kept_columns
from mlpcli.data.dataset import Contract
from mlpcli.data.raw_columns import column_places, is_image
from mlpcli.errors import AllAtOnce, DataError, Problem, SpecError, UsageError, nearest
from mlpcli.inference.column_groups import given_groups
from mlpcli.inference.row_columns import names_of_split
from mlpcli.inference.wanted_groups import wanted_groups
from mlpcli.model.run_contract import run_contract
from mlpcli.model.run_spec import own_spec
from mlpcli.runs.explanation import ExplainOptions
from mlpcli.runs.folder import Run


def check_explained(run: Run, options: ExplainOptions) -> None:
    """Check that a run has the columns and the class that `--group` and `--class` name.

    Raises:
        UsageError: it has not, or has no columns.
    """
    contract, at_once = run_contract(run), AllAtOnce()
    if options.class_name is not None:
        at_once.of(check_class, contract, options.class_name, run.label)
    if not is_image(contract):
        with at_once:
            if not (columns := list(column_places(contract))):
                raise no_columns(run.label, contract)
            given_groups(options.groups, columns)
    at_once.finish()


def check_class(contract: Contract, name: str, label: str) -> None:
    """Check that a model predicts a class.

    Args:
        contract: of the model.
        name: of the class, or the label.
        label: of the run, for messages.

    Raises:
        UsageError: there is no such class.
    """
    outputs = [each for each in contract.outputs if each.kind not in ("groups", "sequences")]
    known = {known for each in outputs for known in each.classes or ()}
    if outputs and not known:
        rule = f"--class {name}: run {label} predicts numbers, which are explained in their units"
        raise UsageError(Problem(rule, hint="leave --class out"))
    if outputs and name not in known:
        hint = nearest(name, known) or f"the classes are {', '.join(sorted(known)[:12])}"
        raise UsageError(Problem(f"--class {name}: run {label} has no such class", hint=hint))


def check_metric(run: Run, name: str) -> None:
    """Check that a metric was measured when a run was trained; nothing where none were.

    Raises:
        UsageError: there is no such metric.
    """
    known = list(dict.fromkeys(each for measured in run.record.metrics.values() for each in measured))
    if known and name not in known:
        raise no_metric(name, run.label, known)


def no_metric(name: str, label: str, known: Sequence[str]) -> UsageError:
    """Return the error of a metric that a run does not have."""
    hint = nearest(name, known) or f"the metrics are {', '.join(known)}"
    return UsageError(Problem(f"--metric {name}: run {label} has no such metric", hint=hint))


def no_columns(label: str, contract: Contract) -> UsageError:
    """Return the error of explaining rows that have no columns."""
    shape = " x ".join(map(str, contract.shape))
    rule = f"--explain: run {label} reads rows of {shape} values, which are no columns"
    return UsageError(Problem(rule, hint="explain a run of tables or of flat arrays"))


def check_by_own_rows(run: Run, by: Sequence[str], data: str) -> None:
    """Check `--by` by the columns of a run's own rows, where the file of new rows cannot be opened.

    Args:
        run: the run.
        by: names of columns.
        data: what was named; the file may have further columns.

    Raises:
        UsageError: the run's own rows have no such column.
    """
    contract, rows = run_contract(run), f"the rows of run {run.label}"
    _doubted(lambda names: wanted_groups(contract, names, by, rows=rows), run, data)


def check_kept(run: Run, keep: Sequence[str]) -> None:
    """Check `--keep` by the columns of a run's own table; nothing where that is not known.

    Raises:
        UsageError: the table has no such column.
    """
    if not keep or run_contract(run).kind != "table" or own_spec(run).spec.dataset.path is None:
        return
    if (names := own_columns(run)) is not None:
        kept_columns(names, keep, f"the data of run {run.label}")


def check_kept_by_own_rows(run: Run, keep: Sequence[str], data: str) -> None:
    """Check `--keep` as `check_by_own_rows` does `--by`."""
    _doubted(lambda names: kept_columns(names, keep, f"the data of run {run.label}"), run, data)


def _doubted(check: Callable[[tuple[str, ...]], object], run: Run, data: str) -> None:
    """Check names by the columns of a run's own rows, if these can be read."""
    if (names := own_columns(run)) is None:
        return
    try:
        check(names)
    except UsageError as error:
        problems = (
            Problem(each.rule, hint=f"{each.advice()}; or {data} has it, once it can be read")
            for each in error.problems
        )
        raise UsageError(*problems) from None


def own_columns(run: Run) -> tuple[str, ...] | None:
    """Return the columns of the rows that a run was trained on; None where they are no longer there."""
    try:
        return names_of_split(own_spec(run), run_contract(run), "train")
    except (SpecError, DataError):
        return None
