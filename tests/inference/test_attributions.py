"""What columns add to predictions: against exact Shapley values by definition, and on data that is known."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_iris

from mlpcli.data.writers import TableWriter
from mlpcli.inference.explain_chunks import Forecast
from mlpcli.report.predict import PredictionReport
from mlpcli.statistics.shapley import MOST_EXACT, Attribution, Coalitions
from tests.bare_runs import train_bare
from tests.conftest import Result

Function = Callable[[np.ndarray], np.ndarray]


def _attribution(function: Function, x: np.ndarray, background: np.ndarray, seed: int = 0) -> Attribution:
    """Attribute by the coalitions that are asked for."""
    plan = Coalitions(x.shape[1], len(background), seed)
    found = Attribution.of(plan, len(x), 1)
    for row, other in enumerate(background):
        masks = plan.of_row(row)
        inner = function(np.where(masks, x[:, None], other))[..., None]
        assert inner.shape == (len(x), plan.each, 1)
        found.add(row, np.full((len(x), 1), function(other)), inner, function(x)[:, None])
    return found


def _by_definition(function: Function, x: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The mean over all orders in which the columns of a row may come in, of what each changes."""
    count = x.shape[1]
    value: dict[frozenset[int], np.ndarray] = {}
    for size in range(count + 1):
        for inside in itertools.combinations(range(count), size):
            mixed = np.repeat(background[None], len(x), axis=0)
            mixed[:, :, list(inside)] = x[:, None, list(inside)]
            value[frozenset(inside)] = function(mixed).mean(axis=1)
    found = np.zeros(x.shape)
    for coalition, with_it in value.items():
        for column in coalition:
            rest = coalition - {column}
            orders = math.factorial(len(rest)) * math.factorial(count - len(coalition))
            found[:, column] += orders * (with_it - value[rest]) / math.factorial(count)
    return found


def _tangled(x: np.ndarray) -> np.ndarray:
    """A function in which all columns interact."""
    return np.asarray(np.tanh(x @ np.linspace(-1, 1, x.shape[-1])) + np.prod(1 + 0.5 * x[..., :4], axis=-1))


@pytest.mark.parametrize("columns", [1, 2, 4, 6, MOST_EXACT])
def test_few_columns_have_exact_shapley_values(columns: int) -> None:
    random = np.random.default_rng(columns)
    x, background = random.normal(size=(3, columns)), random.normal(size=(5, columns))
    found = _attribution(_tangled, x, background)
    np.testing.assert_allclose(found.values[..., 0], _by_definition(_tangled, x, background), atol=1e-12)
    np.testing.assert_allclose(found.base_values[:, 0], _tangled(background).mean())
    assert not found.errors.any()


def test_many_columns_are_sampled_and_the_stated_error_holds() -> None:
    random = np.random.default_rng(1)
    x, background = random.normal(size=(4, 9)), random.normal(size=(12, 9))
    exact = _by_definition(_tangled, x, background)
    found = [_attribution(_tangled, x, background, seed) for seed in range(30)]
    for each in found:
        total = each.values[..., 0].sum(axis=1)
        np.testing.assert_allclose(total, _tangled(x) - _tangled(background).mean())
    squares = np.mean([(each.values[..., 0] - exact) ** 2 for each in found])
    stated = np.mean([each.errors[..., 0] ** 2 for each in found])
    assert 0.85 < np.sqrt(squares / stated) < 1.15  # as wide as stated, and no wider


def test_an_additive_function_and_pairs_of_columns_are_exact_even_when_sampled() -> None:
    random = np.random.default_rng(2)
    x, background = random.normal(size=(4, 12)), random.normal(size=(7, 12))
    terms: list[Function] = [lambda v: 3 * v, np.sin, np.square, *[np.abs] * 9]

    def added(rows: np.ndarray) -> np.ndarray:
        return np.asarray(sum(term(rows[..., place]) for place, term in enumerate(terms)))

    found = _attribution(added, x, background)
    for place, term in enumerate(terms):
        centred = term(x[:, place]) - term(background[:, place]).mean()
        np.testing.assert_allclose(found.values[:, place, 0], centred, atol=1e-12)
    pair = _attribution(lambda rows: np.asarray(rows[..., 0] * rows[..., 11]), x, background)
    wanted = _by_definition(
        lambda rows: np.asarray(rows[..., 0] * rows[..., 1]), x[:, [0, 11]], background[:, [0, 11]]
    )
    np.testing.assert_allclose(pair.values[:, [0, 11], 0], wanted, atol=1e-12)
    assert pair.errors.max() < 1e-12


SPEC = """\
name: homes
seed: 3
dataset: {path: homes.csv, target: [price, rent], target_scaling: standardize, test: 0.2, validation: 0.2,
          features: [rooms, area, town, an_explanation]}
layers: [Dense: {units: 6, activation: tanh}, Dense: {units: 2}]
loss: mse
optimizer: {Adam: {learning_rate: 0.05}}
fit: {epochs: 3, batch_size: 16, engine: graph}
"""


def _homes(folder: Path) -> list[dict[str, str]]:
    """Write a table with numbers, words, dates and gaps; return its rows as they are written."""
    random = np.random.default_rng(5)
    rows = []
    for number in range(60):
        town = str(random.choice(["Ulm", "Bonn", "Köln"]))
        rooms, area = int(random.integers(1, 8)), float(random.normal(90, 20))
        price = 20 * rooms + area + 40 * (town == "Ulm") * (rooms > 4)
        rows.append(
            {
                "rooms": "" if number % 11 == 3 else str(rooms),
                "area": f"{area:.1f}",
                "town": "" if number % 7 == 2 else town,
                "an_explanation": f"20{random.integers(10, 24)}-0{random.integers(1, 10)}-11",
                "price": f"{price:.1f}",
                "rent": f"{area * rooms / 10:.2f}",
            }
        )
    _write(folder / "homes.csv", rows)
    return rows


def _write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


COLUMNS = ("rooms", "area", "town", "an_explanation")
TARGETS = ("price", "rent")


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, str]]]:
    """The folder of a run with two targets, and the rows of its table."""
    folder = tmp_path_factory.mktemp("homes")
    rows = _homes(folder)
    (folder / "homes.yaml").write_text(SPEC, encoding="utf-8")
    return train_bare(folder / "homes.yaml", folder / "runs").folder, rows


def _read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _brute_force(
    predict: Callable[[list[dict[str, str]]], np.ndarray],
    row: dict[str, str],
    background: list[dict[str, str]],
    groups: list[tuple[str, ...]],
) -> np.ndarray:
    """Shapley values by their definition, of raw rows that are put together as text."""
    sets = [
        each for size in range(len(groups) + 1) for each in itertools.combinations(range(len(groups)), size)
    ]
    mixed = [
        other | {name: row[name] for group in inside for name in groups[group]}
        for inside in sets
        for other in background
    ]
    means = predict(mixed).reshape(len(sets), len(background), -1).mean(axis=1)
    value = dict(zip(sets, means, strict=True))
    found = np.zeros((len(groups), means.shape[1]))
    for order in itertools.permutations(range(len(groups))):
        for place, group in enumerate(order):
            before, after = (tuple(sorted(order[: place + more])) for more in (0, 1))
            found[group] += (value[after] - value[before]) / math.factorial(len(groups))
    return found


@pytest.mark.parametrize(
    ("groups", "options"),
    [
        ([(each,) for each in COLUMNS], ()),
        ([("rooms", "area"), ("town",), ("an_explanation",)], ("--group", "both=rooms,area")),
    ],
    ids=["columns", "groups"],
)
def test_contributions_are_the_shapley_values_of_raw_rows(
    groups: list[tuple[str, ...]],
    options: tuple[str, ...],
    homes: tuple[Path, list[dict[str, str]]],
    mlpcli: Callable[..., Result],
    tmp_path: Path,
) -> None:
    from mlpcli.inference.own_data import own_data
    from mlpcli.model.trained_model import load_trained
    from mlpcli.runs.folder import open_run

    folder, rows = homes
    chosen = own_data(load_trained(open_run(folder))).dataset.train.rows
    background = [rows[place] for place in chosen]

    def predict(mixed: list[dict[str, str]]) -> np.ndarray:
        result = mlpcli("predict", folder, _write(tmp_path / "mixed.csv", mixed))
        return np.array([[float(row[f"predicted_{each}"]) for each in TARGETS] for row in _read(result.out)])

    new = [rows[2] | {"rooms": ""}]  # without a town, and without rooms
    data = _write(tmp_path / "new.csv", new)
    result = mlpcli("predict", folder, data, "--explain", "-o", "-", "--background", "100", *options)
    assert result.status == 0, result.err
    assert f"exact Shapley values against {len(background)} training rows" in result.err
    (found,) = _read(result.out)
    exact = _brute_force(predict, new[0], background, groups)
    names = ["both" if len(group) > 1 else group[0] for group in groups]
    for place, target in enumerate(TARGETS):
        own = np.array([float(found[f"{target}_contribution_{each}"]) for each in names])
        assert np.abs(exact[:, place]).max() > 0.1
        np.testing.assert_allclose(own, exact[:, place], atol=1e-4)
        total = float(found[f"{target}_base_value"]) + own.sum()
        assert float(found[f"predicted_{target}"]) == pytest.approx(total, abs=1e-4)
        assert abs(float(found[f"{target}_contribution_residual"])) < 1e-4
        assert float(found[f"{target}_contribution_error"]) == 0


def test_a_column_called_error_keeps_its_contribution_beside_the_error_of_contributions(
    homes: tuple[Path, list[dict[str, str]]], mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    folder, rows = homes
    data = _write(tmp_path / "new.csv", rows[2:4])
    shown = ("predict", folder, data, "--explain", "-o", "-", "--background", "20")
    for name in ("error", "residual"):
        usual = _read(mlpcli(*shown, "--group", "both=rooms,area").out)
        named = _read(mlpcli(*shown, "--group", f"{name}=rooms,area").out)
        for one, other in zip(usual, named, strict=True):
            assert other[f"rent_contribution_{name}_2"] == one["rent_contribution_both"] != "0.0"
            assert other[f"rent_contribution_{name}"] == one[f"rent_contribution_{name}"]


def test_a_line_for_each_row_says_what_its_cells_add(
    homes: tuple[Path, list[dict[str, str]]], mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    folder, rows = homes
    new = [rows[2], rows[10] | {"town": "a town with a very long name"}]
    data = _write(tmp_path / "new.csv", new)
    shown = mlpcli("predict", folder, data, "--explain", "--strongest", "2")
    assert shown.status == 0, shown.err
    assert max(map(len, shown.out.splitlines())) <= 80
    first = shown.out[: shown.out.index("   rent ")]
    assert first.startswith("1  price ")
    assert first.count(" (") == 3
    assert "(2 others)" in first
    assert "\n2  price" in shown.out
    output = tmp_path / "out.parquet"
    told = mlpcli("predict", folder, data, "--explain", "--keep", "town", "-o", output)
    assert "base + contributions = prediction within" in " ".join(told.out.split())
    for found, row in zip(pq.read_table(output).to_pylist(), new, strict=True):
        assert found["town"] == row["town"]
        text = found["rent_explanation"]
        assert f"rooms {row['rooms']}" in text
        assert f"an_explanation {row['an_explanation']}" in text
        assert ("town missing" if not row["town"] else "town a town with a very lo...") in text


def test_an_explained_row_has_the_prediction_of_any_other(
    homes: tuple[Path, list[dict[str, str]]], mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    """Rows that are left out or have no prediction have no explanation, and the others keep theirs."""
    folder, rows = homes
    new = [rows[0], rows[1] | {"rooms": "many"}, rows[4] | {"town": "Paris"}, rows[5]]
    data = _write(tmp_path / "new.csv", new)
    given = (
        "--rejects",
        tmp_path / "bad.csv",
        "--on-unknown",
        "null",
        "--force",
        "--runs-dir",
        folder / "runs",
    )
    plain = _read(mlpcli("predict", folder, data, *given).out)
    explained = mlpcli("predict", folder, data, "--explain", "-o", "-", *given)
    assert explained.status == 0, explained.err
    table = _read(explained.out)
    assert [{name: row[name] for name in plain[0]} for row in table] == plain
    assert [bool(row["price_explanation"]) for row in table] == [True, False, True]
    assert table[1]["price_contribution_rooms"] == ""
    assert f"area {rows[5]['area']}" in table[2]["price_explanation"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--explain", "--class", "versicolour"), "did you mean 'versicolor'?"),
        (("--explain", "--group", "petal,sepal width (cm)"), "the run has no column 'petal'"),
        (
            ("--explain", "--group", "x=petal width (cm)", "--group", "petal width (cm),sepal width (cm)"),
            "column 'petal width (cm)' is in two groups",
        ),
        (
            ("--explain", "--group", "petal width (cm)=sepal width (cm)"),
            "there is a column or a group of this name",
        ),
        (("--explain", "--group", "width="), "--group width: no column is named"),
        (("--class", "setosa", "--strongest", "2"), "--class: needs --explain"),
        (("--explain", "-o", "out.npy"), "an .npy file holds the outputs of the network alone"),
        (
            ("--explain", "--pictures", "here"),
            "is of columns, of which no pictures are drawn; leave",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: tuple[str, ...], message: str, tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    result = mlpcli("predict", "tiny", _iris(tmp_path), *options, "--runs-dir", tiny_run)
    assert result.status == 2
    assert message in result.err
    assert "Traceback" not in result.err


def _iris(folder: Path) -> Path:
    np.save(folder / "rows.npy", load_iris().data[::50])
    return folder / "rows.npy"


def test_classes_and_arrays_are_explained_by_the_probability_of_the_predicted_class(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    np.savez(tmp_path / "rows.npz", x=load_iris().data[::50])
    given = ("predict", "tiny", tmp_path / "rows.npz", "--explain", "--json", "--runs-dir", tiny_run)
    shown = mlpcli(*given)
    assert shown.status == 0, shown.err
    document = json.loads(shown.out)
    for row, cells in zip(document["predictions"], load_iris().data[::50], strict=True):
        assert row["explained_class"] == row["predicted_target"]
        names = [f"contribution_{name}" for name in load_iris().feature_names]
        total = row["base_value"] + sum(row[name] for name in names)
        assert total == pytest.approx(row[f"probability_{row['predicted_target']}"], abs=1e-6)
        assert f"petal length (cm) {cells[2]:.6g}" in row["explanation"]
    facts = document["explained"]
    assert facts["method"] == "exact"
    assert facts["background_rows"] == 64
    assert facts["columns"][-1] == "explanation"
    assert facts["largest_residual"] < 1e-6
    same = json.loads(mlpcli(*given, "--class", "setosa", "--group", "correlated").out)["predictions"]
    for row in same:
        assert row["explained_class"] == "setosa"
        together = [name for name in row if "+" in name]
        assert together == ["contribution_sepal length (cm)+petal length (cm)+petal width (cm)"]
        total = row["base_value"] + row[together[0]] + row["contribution_sepal width (cm)"]
        assert total == pytest.approx(row["probability_setosa"], abs=1e-6)


def test_rows_are_shown_a_few_at_a_time_with_the_same_numbers_however_they_are_computed(
    homes: tuple[Path, list[dict[str, str]]],
    mlpcli: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By XLA after some rows, equal rows once; a row that is read a hundred times is explained once."""
    from mlpcli.inference import attributions
    from mlpcli.inference.predict import PredictOptions, predict_run
    from mlpcli.runs.explanation import ExplainOptions
    from mlpcli.runs.folder import open_run

    class Parts(TableWriter):
        """Counts what comes together."""

        def __init__(self) -> None:
            super().__init__()
            self.sizes: list[int] = []

        def write(self, columns: Mapping[str, pa.Array], outputs: np.ndarray) -> None:
            self.sizes.append(len(outputs))
            super().write(columns, outputs)

    folder, rows = homes
    data = _write(tmp_path / "new.csv", [*rows[:7], {**rows[3], "town": ""}])

    def explained() -> Parts:
        writer = Parts()
        options = PredictOptions(explain=ExplainOptions(background=20))
        predict_run(open_run(folder), data, writer, options=options)
        return writer

    plain = explained()
    assert plain.sizes == [8]
    monkeypatch.setattr(attributions, "WORTH_XLA", 0)
    monkeypatch.setattr(attributions, "AT_ONCE", 3 * 14 * 20)  # of 4 columns, 14 coalitions
    parts = explained()
    assert parts.sizes == [3, 3, 2]
    one, other = plain.table(), parts.table()
    assert one.column_names == other.column_names
    for name in [
        each for each in one.column_names if "contribution_" in each or each.startswith("predicted")
    ]:
        np.testing.assert_allclose(one[name].to_numpy(), other[name].to_numpy(), atol=1e-4, err_msg=name)
    output = tmp_path / "out.parquet"
    assert mlpcli("predict", folder, data, "--explain", "--background", "20", "-o", output).status == 0
    assert pq.ParquetFile(output).num_row_groups == 1


def test_a_long_explanation_is_announced_with_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[tuple[float, int | None]] = []

    def say(seconds: float, rows: int | None) -> None:
        said.append((seconds, rows))

    short = Forecast(say, 4096)
    short.add(50, 2.0, 50, 3000)  # with the compilation
    assert not said
    short.add(50, 1.0, 100, 3000)
    short.add(50, 1.0, 150, 3000)
    slow, whole = Forecast(say, 4096), Forecast(say, 4096)
    slow.add(50, 10.0, 50, 60)
    whole.add(50, 10.0, 50, 4096)
    assert said == [(0.02, 2900), (0.2, 10), (0.2, None)]
    for seconds, rows in said:
        PredictionReport("explained").forecast(seconds, rows)
    assert " ".join(capsys.readouterr().err.split()) == (
        "explaining the other 2,900 rows takes about 58.0 s (20.0 s for 1,000 rows) "
        "explaining takes about 3 min 20 s for 1,000 rows"
    )


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with PredictionReport("explained") as report:
        for seconds in range(0, 70, 5):
            report.rows(seconds * 10, seconds)
    assert capsys.readouterr().err.splitlines() == [
        "300 rows explained in 30.0 s",
        "600 rows explained in 1 min 0 s",
    ]
