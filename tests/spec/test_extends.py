"""`extends`: specs on top of specs, and errors that point into the file they come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mlpcli.errors import SpecError
from mlpcli.spec.load import LoadedSpec, load_spec
from tests.conftest import Result

BASE = """\
name: base
seed: 7
dataset: {name: iris, validation: {last: 20}}
layers:
  - Dense: {units: 8, activation: relu}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {SGD: {learning_rate: 0.1, momentum: 0.9}}
metrics: [accuracy]
fit: {epochs: 3, batch_size: 16}
"""


def _specs(folder: Path, **texts: str) -> Path:
    """Write `<name>.yaml` for each text; returns the path of the first."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / f"{next(iter(texts))}.yaml"


def _load(folder: Path, **texts: str) -> LoadedSpec:
    return load_spec(_specs(folder, **texts))


def test_mappings_merge_and_lists_replace(tmp_path: Path) -> None:
    over = "extends: base.yaml\nfit: {epochs: 9}\nmetrics: []\nlayers: [Dense: {units: 3, activation: softmax}]\n"
    spec = _load(tmp_path, over=over, base=BASE).spec
    assert (spec.seed, spec.fit.epochs, spec.fit.batch_size) == (7, 9, 16)
    assert (spec.metrics, len(spec.layers)) == ([], 1)
    assert spec.optimizer.arguments == {"learning_rate": 0.1, "momentum": 0.9}


def test_the_name_is_the_files_own(tmp_path: Path) -> None:
    assert _load(tmp_path, over="extends: base.yaml\n", base=BASE).spec.name == "over"
    assert _load(tmp_path, over="extends: base.yaml\nname: mine\n", base=BASE).spec.name == "mine"


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("{SGD: {learning_rate: 0.5}}", ("SGD", {"learning_rate": 0.5, "momentum": 0.9})),
        ("{Adam: {beta_1: 0.8}}", ("Adam", {"beta_1": 0.8})),
        ("SGD", ("SGD", {})),
    ],
)
def test_a_part_merges_with_its_own_class_alone(
    optimizer: str, expected: tuple[str, dict[str, float]], tmp_path: Path
) -> None:
    part = _load(tmp_path, over=f"extends: base.yaml\noptimizer: {optimizer}\n", base=BASE).spec.optimizer
    assert (part.class_name, part.arguments) == expected


def test_a_chain_is_followed_to_its_end(tmp_path: Path) -> None:
    loaded = _load(
        tmp_path,
        third="extends: second.yaml\nseed: 3\n",
        second="extends: base.yaml\nfit: {epochs: 5}\nseed: 2\n",
        base=BASE,
    )
    assert (loaded.spec.seed, loaded.spec.fit.epochs, loaded.spec.fit.batch_size) == (3, 5, 16)


def test_errors_point_into_the_file_they_come_from(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    spec = _specs(
        tmp_path,
        over="extends: middle.yaml\nfit: {epochs: 0}\n",
        middle="extends: base.yaml\nloss: msee\n",
        base=BASE.replace("units: 8", "unit: 8").replace("iris", "no"),
    )
    result = mlpcli("train", spec)
    base, middle = tmp_path / "base.yaml", tmp_path / "middle.yaml"
    assert result.status == 2
    assert result.err.splitlines() == [
        f"{spec}:2:15 fit.epochs: must be a positive number of epochs, received 0",
        "     2 | fit: {epochs: 0}",
        "                       ^",
        f"{base}:3:17 dataset.name: some YAML readers read this as a boolean, received no; "
        "write false, or 'no' in quotes for a string",
        "     3 | dataset: {name: no, validation: {last: 20}}",
        "                         ^",
        f"{base}:5:13 layers[0].Dense.unit: Dense has no such argument, received 'unit'; "
        "did you mean 'units'?",
        "     5 |   - Dense: {unit: 8, activation: relu}",
        "                     ^",
        f"{middle}:2:7 loss: unknown loss, received 'msee'; did you mean 'mse'?",
        "     2 | loss: msee",
        "               ^",
        "4 problems found",
    ]


def test_what_is_replaced_is_no_problem_any_more(tmp_path: Path) -> None:
    over = "extends: base.yaml\nlayers: [Dense: {units: 3, activation: softmax}]\nseed: 1\n"
    broken = BASE.replace("units: 8", "unit: 8").replace("seed: 7", "seed: 07")
    assert _load(tmp_path, over=over, base=broken).spec.seed == 1


def test_a_problem_of_model_or_data_points_into_the_base(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    spec = _specs(tmp_path, over="extends: base.yaml\nfit: {epochs: 1}\n", base=BASE.replace("iris", "irs"))
    result = mlpcli("train", spec, "--runs-dir", tmp_path / "runs")
    assert result.err.startswith(f"{tmp_path / 'base.yaml'}:3:17 dataset.name: must be one of digits, iris")


def test_files_are_found_from_the_spec_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    base = BASE.replace(
        "name: iris, validation: {last: 20}", "path: t.csv, target: kind, test: more/test.csv"
    )
    _specs(tmp_path / "shared", base=base)
    spec = _load(tmp_path, over="extends: shared/base.yaml\n").spec
    assert (spec.dataset.path, spec.dataset.test) == ("shared/t.csv", "shared/more/test.csv")
    over = "extends: shared/base.yaml\ndataset: {path: mine.csv, test: null}\n"
    spec = _load(tmp_path, over=over).spec
    assert (spec.dataset.path, spec.dataset.test) == ("mine.csv", None)
    variable = base.replace("t.csv", "'${HOME}/t.csv'", 1)
    _specs(tmp_path / "shared", base=variable)
    assert _load(tmp_path, over="extends: shared/base.yaml\n").spec.dataset.path == "${HOME}/t.csv"


WRONG = {
    "extends: 3\n": "SPEC:1:10 extends: must be the path of another spec, from this spec's folder, received 3",
    "extends: bse.yaml\n": "SPEC:1:10 extends: there is no such file, received 'bse.yaml'; did you mean 'base.yaml'?",
    "extends: far/away.yaml\n": "SPEC:1:10 extends: there is no such file, received 'far/away.yaml'; "
    "there is no folder 'FOLDER/far'",
    "extends: over.yaml\n": "SPEC:1:10 extends: the specs extend each other in a circle: over.yaml > over.yaml, "
    "received 'over.yaml'; one of them must not extend another",
    "extends: list.yaml\n": "FOLDER/list.yaml:1:1: a spec must be a mapping; "
    "write keys such as dataset:, layers:, loss:",
    "extends: empty.yaml\n": "FOLDER/empty.yaml:1:1: the spec is empty; "
    "write at least dataset, layers, loss and optimizer",
    "extends: ring.yaml\n": "FOLDER/ring.yaml:2:10 extends: the specs extend each other in a circle: "
    "over.yaml > ring.yaml > over.yaml, received 'over.yaml'; one of them must not extend another",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_extended_is_told(text: str, tmp_path: Path) -> None:
    spec = _specs(
        tmp_path, over=text, base=BASE, list="- a\n", empty="", ring="seed: 1\nextends: over.yaml\n"
    )
    with pytest.raises(SpecError) as caught:
        load_spec(spec)
    expected = WRONG[text].replace("SPEC", str(spec)).replace("FOLDER", str(tmp_path))
    assert [problem.headline() for problem in caught.value.problems] == [expected]


def test_set_goes_over_what_is_inherited(tmp_path: Path) -> None:
    spec = _specs(tmp_path, over="extends: base.yaml\n", base=BASE.replace("units: 8", "unit: 8"))
    settings = ["layers[0].Dense={units: 5}", "metrics+=AUC"]
    loaded = load_spec(spec, settings=settings)
    assert loaded.spec.layers[0].arguments == {"units": 5}
    assert isinstance(loaded.spec.metrics, list)
    assert [metric.class_name for metric in loaded.spec.metrics] == ["accuracy", "AUC"]
    with pytest.raises(SpecError, match="extends: must be written in the file, not on the command line"):
        load_spec(spec, settings=["extends=base.yaml"])


def test_an_inherited_dataset_goes_away_with_null(tmp_path: Path) -> None:
    over = "extends: base.yaml\ndataset: {name: null, path: t.csv, target: kind}\n"
    assert _load(tmp_path, over=over, base=BASE).spec.dataset.path == "t.csv"


def test_the_base_is_read_by_the_rules_of_a_spec(tmp_path: Path) -> None:
    loaded = _load(tmp_path, over="extends: base.yaml\n", base=BASE.replace("0.1", "1e-4"))
    assert loaded.spec.optimizer.arguments["learning_rate"] == 1e-4
    assert yaml.safe_load("1e-4") == "1e-4"  # which is why
