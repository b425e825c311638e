"""The contract of a run: what its rows look like. Reading it needs no TensorFlow."""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from mlpcli import runs
from mlpcli.data.contract_form import read_contract
from mlpcli.data.dataset import Contract
from mlpcli.errors import Problem, RunError, UsageError
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import TRAIN_AGAIN, damaged


def run_contract(run: Run) -> Contract:
    """Return the contract of a run: what its rows look like.

    Raises:
        RunError: the run's record has none, or it is damaged.
    """
    document = runs.data_facts(run).contract
    try:
        return read_contract(document)
    except ValidationError as error:
        raise damaged(run / runs.RECORD, error, ("data", "contract")) from None
    except ValueError as error:
        rule = f"{run / runs.RECORD} is damaged: data.contract: {error}"
        raise RunError(Problem(rule, hint=TRAIN_AGAIN)) from None


def at_level(contract: Contract, level: float) -> Contract:
    """Return the contract with intervals and sets of another level.

    Args:
        contract: of the run.
        level: the share of rows that is to be inside.

    Raises:
        UsageError: the run has no intervals, or does not keep the bounds of this level.
    """
    outputs = []
    for each in contract.outputs:
        if each.intervals is None or each.fitted is None:
            outputs.append(each)
            continue
        found = each.intervals.at(level)
        if found is None:
            known = [kept for kept, _ in each.intervals.others] or [each.intervals.level]
            rule = f"--intervals: the run keeps the levels {known[0]:g} to {known[-1]:g}, in steps of 0.01"
            rule = rule if len(known) > 1 else f"--intervals: the run has only the level {known[0]:g}"
            raise UsageError(Problem(rule, received=level))
        outputs.append(replace(each, fitted=replace(each.fitted, intervals=found)))
    if all(each.intervals is None for each in contract.outputs):
        hint = "write predict: {intervals: 0.9} in the spec, and train again"
        raise UsageError(Problem("--intervals: the run has no intervals", received=level, hint=hint))
    return replace(contract, outputs=tuple(outputs))
