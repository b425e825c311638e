"""Valid specs mutated by their structure: `check` finds what is wrong, with its place, or has a plan.

`MLPCLI_FUZZ=5000 pytest tests/spec/test_spec_fuzz.py` tries that many specs through the schema, and a
twentieth of them, the less mutated ones, through data, model and plan too, other ones each time.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, Phase, example, given, settings

from mlpcli.errors import MlpcliError, SpecError
from mlpcli.spec.json_schema import spec_schema
from mlpcli.spec.load import load_spec
from mlpcli.spec.yaml_reader import read_text
from tests.mutations import TABLE, VALID, mutated_specs

EXAMPLES = int(os.environ.get("MLPCLI_FUZZ", "120"))
fuzz = settings(
    max_examples=EXAMPLES,
    derandomize="MLPCLI_FUZZ" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table that the specs read, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(TABLE, encoding="utf-8")


def outcome(call: Callable[[], object]) -> str:
    """Return "worked", or "refused" where it is one of our errors, which says what is wrong and where."""
    error = _error_of(call)
    if error is None:
        return "worked"
    assert error.problems
    for problem in error.problems:
        counts_the_rest = problem.rule.startswith("and ")
        assert problem.rule
        assert problem.headline().isprintable()
        assert problem.place is not None or counts_the_rest or not isinstance(error, SpecError)
    return "refused"


def _error_of(call: Callable[[], object]) -> MlpcliError | None:
    try:
        call()
    except MlpcliError as error:
        return error
    return None


def write(tree: dict[str, Any]) -> Path:
    """A spec of plain values as a file."""
    file = Path("spec.yaml")
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    return file


def test_a_mutated_spec_loads_and_fits_the_schema_or_its_problems_have_places() -> None:
    outcomes: Counter[str] = Counter()
    schema = jsonschema.Draft202012Validator(spec_schema())

    @fuzz
    @given(tree=mutated_specs())
    @example(tree=VALID[2] | {"layers": 3})
    def each(tree: dict[str, Any]) -> None:
        file = write(tree)
        found = outcome(lambda: load_spec(file))
        outcomes[found] += 1
        if found == "worked":
            told = [error.json_path for error in schema.iter_errors(read_text(file).data)]
            assert [path for path in told if not path.endswith(".columns")] == []  # a text that is no range

    each()
    assert min(outcomes["worked"], outcomes["refused"]) > outcomes.total() / 10, outcomes


@pytest.mark.slow
def test_a_mutated_spec_has_a_plan_that_can_be_run_or_its_problems_have_places() -> None:
    outcomes: Counter[str] = Counter()

    @settings(fuzz, max_examples=max(20, EXAMPLES // 20), phases=[Phase.explicit, Phase.generate])
    @given(tree=mutated_specs(most=2))
    @example(tree=VALID[0])
    @example(tree=VALID[1])
    def each(tree: dict[str, Any]) -> None:
        file = write(tree)
        outcomes[outcome(lambda: _plan_and_read_again(file))] += 1

    each()
    assert min(outcomes["worked"], outcomes["refused"]) > outcomes.total() / 10, outcomes


def _plan_and_read_again(file: Path) -> None:
    from mlpcli.training.forecast import forecast

    plan = forecast(load_spec(file))
    resolved = file.with_name("resolved.yaml")
    resolved.write_text(plan.resolved, encoding="utf-8")
    load_spec(resolved)
