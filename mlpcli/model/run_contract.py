"""The contract of a run: what its rows look like. Reading it needs no TensorFlow."""

from __future__ import annotations

from pydantic import ValidationError

from mlpcli import runs
from mlpcli.data.contract_form import read_contract
from mlpcli.data.dataset import Contract
from mlpcli.errors import Problem, RunError
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
