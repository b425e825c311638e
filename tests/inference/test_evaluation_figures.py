"""The figures that `evaluate` draws, and the curves behind them."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.plots.confusion_matrix import draw_confusion_matrix
from mlpcli.plots.drawing import Drawing
from mlpcli.plots.residuals import bin_edges, draw_residuals
from mlpcli.plots.residuals_by_column import draw_residuals_by_column, explained, group_of, shown_range
from mlpcli.plots.style import short_number, value_ticks
from mlpcli.plots.text import distinct_labels
from mlpcli.report.worst_rows import short_paths
from mlpcli.statistics.ranking import at_threshold, ranking_curves
from tests.bare_runs import train_bare
from tests.conftest import Result

PNG = b"\x89PNG\r\n\x1a\n"


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.floats(0.1, 3)), min_size=2, max_size=60).filter(
        lambda rows: len({truth for truth, _, _ in rows}) == 2
    )
)
def test_curves_and_areas_are_scikit_learns(rows: list[tuple[bool, int, float]]) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    truth, scores, weights = (np.array(each) for each in zip(*rows, strict=True))
    found = ranking_curves(truth, scores.astype(float), weights)
    assert found.roc_area == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights))
    wanted = average_precision_score(truth, scores, sample_weight=weights)
    assert found.average_precision == pytest.approx(wanted)
    rate, recall, thresholds = roc_curve(truth, scores, sample_weight=weights, drop_intermediate=False)
    np.testing.assert_allclose(found.false_positive_rate, rate)
    np.testing.assert_allclose(found.recall, recall)
    np.testing.assert_array_equal(found.thresholds, thresholds)


def test_a_point_of_a_curve_is_that_of_its_threshold() -> None:
    truth, scores = np.array([True, False, True, False]), np.array([0.9, 0.5, 0.5, 0.1])
    found = ranking_curves(truth, scores)
    assert [at_threshold(found, value) for value in (0.95, 0.9, 0.5, 0.3, 0.0)] == [0, 1, 2, 2, 3]
    assert found.recall[at_threshold(found, 0.5)] == 1.0
    only = ranking_curves(np.array([True, True]), np.array([0.1, 0.2]))
    assert np.isnan(only.roc_area)


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (12.5, "12.5"), (9999, "9999"), (123456, "123k"), (-2.5e6, "-2.5M")]
)
def test_numbers_on_axes_are_short(value: float, shown: str) -> None:
    assert short_number(value) == shown


@pytest.mark.parametrize("classes", [2, 20, 60])
def test_a_confusion_matrix_of_any_size_is_drawn(classes: int) -> None:
    counts = np.diag(np.arange(classes)).astype(np.int64)
    names = tuple(f"$class_{index}" for index in range(classes))
    assert draw_confusion_matrix(counts, names, title="[/] $").png.startswith(PNG)


@pytest.mark.parametrize(
    "values", [[2.0] * 9, [1e17] * 9, [1e17, 1e17 + 16], [0.0], [-1e300, 1e300], [1, 2, 4]]
)
def test_bins_hold_values_however_little_they_differ(values: list[float]) -> None:
    edges = bin_edges(np.array(values), 8)
    counts, same = np.histogram(values, edges)
    assert (counts.sum(), len(same)) == (len(values), 9)
    if values in ([2.0] * 9, [1, 2, 4]):
        np.testing.assert_array_equal(edges, np.histogram(values, 8)[1])  # as matplotlib itself has them


@pytest.mark.parametrize("rows", [1, 40, 4000])
def test_residuals_of_any_number_of_rows_are_drawn(rows: int) -> None:
    truth = np.linspace(5, 5 if rows == 1 else 9e6, rows)
    assert draw_residuals(truth, truth * 1.1, target="_$y", title="x").png.startswith(PNG)


def test_each_of_few_values_is_a_group_of_its_own() -> None:
    weekend = np.array([0.0, 1.0] * 20)
    assert set(group_of(weekend).tolist()) == {0, 1}
    assert explained(group_of(weekend), weekend * 5) == pytest.approx(1)
    rooms = np.repeat(np.arange(1.0, 9), 6)
    assert len(set(zip(rooms, group_of(rooms), strict=True))) == 8 == len(set(group_of(rooms)))
    groups = group_of(np.arange(100.0))
    assert np.bincount(groups).tolist() == [10] * 10
    dates = np.datetime64("2024-01-01", "s") + np.arange(100) * np.timedelta64(3600, "s")
    np.testing.assert_array_equal(group_of(dates), groups)
    dates[3] = np.datetime64("NaT")
    assert group_of(dates)[3] == group_of(np.array([np.nan, 1.0]))[0] == -1


def test_errors_far_beyond_the_others_do_not_set_the_range() -> None:
    residual = np.sin(np.arange(400.0))
    assert shown_range(residual) is None
    low, high = shown_range(np.append(residual, [500, -900])) or (0, 0)
    assert -3 < low < -1 < 1 < high < 3
    assert shown_range(np.zeros(9)) is None


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0, 1, 1, 0], ["0", "1"]),
        ([1, 2, 3, 4], ["1", "2", "3", "4"]),
        ([0.5, 2.5], ["0.5", "2.5"]),
        ([7, 7], ["7"]),
        ([1.0000000164, 2.9999999825, 1.9999999994], ["1", "2", "3"]),  # unscaled from float32
        (range(1, 9), ["0", "2", "4", "6", "8"]),
        ([0, 1, 100], ["0", "25", "50", "75", "100"]),
    ],
)
def test_ticks_are_at_the_values_that_there_are(values: list[float], ticks: list[str]) -> None:
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    shown = np.array(values, np.float64)
    axes.plot(shown, shown)
    value_ticks(axes.xaxis, shown, 5)
    low, high = axes.get_xlim()
    found = [tick for tick in axes.get_xticklabels() if low <= tick.get_position()[0] <= high]
    inside = [each for each in ticks if low <= float(each) <= high]
    assert [tick.get_text() for tick in found] == inside


def test_names_that_begin_alike_have_labels_of_their_own() -> None:
    long = "price too high, thinking of leaving"
    names = ["ok", long, f"{long} since May", f"{long} since June", f"{long} and the app"]
    labels = distinct_labels(names, 18)
    assert len(set(labels)) == len(names)
    assert max(map(len, labels)) <= 18
    assert labels[:2] == ["ok", "price too high,..."]
    assert distinct_labels(["same", "same"], 8) == ["same", "same"]


def test_evaluate_draws_classes(tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    shutil.copytree(tiny_run, tmp_path / "runs")
    (run,) = (tmp_path / "runs" / "tiny").iterdir()
    shown = mlpcli("evaluate", run, "--json")
    assert shown.status == 0, shown.err
    files = {Path(file).name for file in json.loads(shown.out)["figures"]}
    assert files == {"confusion_matrix.png", "class_curves.png", "worst_rows.csv"}
    folder = run / "plots" / "test"
    assert all((folder / name).read_bytes().startswith(PNG) for name in files if name.endswith("png"))
    with (folder / "worst_rows.csv").open(newline="") as handle:
        heading = next(csv.reader(handle))
    assert heading[:4] == ["row", "target", "predicted_target", "probability"]
    assert heading[4:] == ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    assert "figures" not in json.loads(mlpcli("evaluate", run, "--json", "--no-figures").out)


@pytest.mark.slow
def test_evaluate_draws_numbers_of_a_file(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    data, spec = tmp_path / "lines.csv", tmp_path / "lines.yaml"
    lines = [
        f"{i % 7},{(i % 3) / 7:.9f},{2 * (i % 7) + i % 3},{i},{i % 9 + 1:02}.07.2019,K{i + 1:03}"
        for i in range(60)
    ]
    data.write_text("\n".join(["a,b,y,z,day,id", *lines, ""]))
    spec.write_text(
        "name: lines\n"
        "dataset: {path: lines.csv, target: [y, z], features: [a, b], target_scaling: standardize,\n"
        "  scaling: quantile}\n"
        "layers: [Dense: {units: 2}]\nfit: {epochs: 1}\n"
    )
    runs_dir = tmp_path / "runs"
    trained = mlpcli("train", spec, "--runs-dir", runs_dir)
    assert trained.status == 0, trained.err
    shown = mlpcli("evaluate", "lines", "--data", data, "--runs-dir", runs_dir)
    assert shown.status == 0, shown.err
    (folder,) = runs_dir.glob("lines/*/plots/data-lines")
    assert f"figures {folder}: residuals-y.png, residuals_by_column-y.png" in " ".join(shown.out.split())
    with (folder / "worst_rows-y.csv").open(newline="") as handle:
        found = csv.DictReader(handle)
        rows = list(found)
    assert found.fieldnames == ["row", "y", "predicted_y", "error", "id", "a", "b", "day"]
    assert all(row["id"] == f"K{int(row['row']):03}" for row in rows)
    assert all(row["day"] == f"{(int(row['row']) - 1) % 9 + 1:02}.07.2019" for row in rows)
    assert {(int(row["row"]) - 1) % 7 for row in rows if row["a"] == "3"} == {3}  # its own columns
    assert {row["b"] for row in rows} <= {f"{each / 7:.9f}" for each in range(3)}  # to the last digit
    assert "rows count from 1, not counting a header" in shown.out
    assert "the 5 most wrong rows of y; worst_rows-y.csv has all 60 rows" in shown.out
    assert "error: predicted - true" in shown.out
    written = tmp_path / "test.csv"
    again = ("evaluate", "lines", "--split", "test", "-o", written, "--no-figures", "--runs-dir", runs_dir)
    assert mlpcli(*again).status == 0
    with written.open(newline="") as handle:
        listed = list(csv.DictReader(handle))
    assert len(listed) == 12  # the test rows: their own cells, in the order of the file
    assert [row["id"] for row in listed] == [f"K{int(row['row']):03}" for row in listed]
    assert [int(row["row"]) for row in listed] == sorted(int(row["row"]) for row in listed)
    guesses = {row["row"]: float(row["predicted_y"]) for row in rows}
    assert all(abs(float(row["predicted_y"]) - guesses[row["row"]]) < 1e-4 for row in listed)
    assert "the file exists" in mlpcli(*again).err
    refused = mlpcli("evaluate", "lines", "-o", tmp_path / "x.npy", "--runs-dir", runs_dir)
    assert "an .npy file has no columns" in refused.err
    errors = [abs(float(row["error"])) for row in rows]
    assert errors == sorted(errors, reverse=True)
    assert {(float(row["y"]), int(row["row"])) for row in rows} == {
        (float(2 * (i % 7) + i % 3), i + 1) for i in range(60)
    }


def test_columns_are_shown_as_the_file_has_them() -> None:
    from mlpcli.data.features.encoders import BooleanEncoder, CategoryEncoder, NumericEncoder
    from mlpcli.data.shown_columns import decoded

    numbers = np.array([-3.0, 0.0, 250.0])
    for settings in ({}, {"offset": 3.0, "scale": 2.0}, {"log": True, "scale": 0.5}, {"clip": "smooth"}):
        encoder = NumericEncoder("a", 0.0, **settings)
        shown = decoded(encoder, encoder.scaled(numbers.copy())[:, None])
        assert shown is not None
        np.testing.assert_allclose(shown, numbers, rtol=1e-2, atol=1e-6)
    marked = NumericEncoder("a", 0.0, indicator=True)
    np.testing.assert_array_equal(decoded(marked, np.array([[1.0, 0], [0.0, 1]])), [1.0, np.nan])
    assert decoded(BooleanEncoder("b", text=True, fill=0.0), np.array([[1.0], [0.0]])) == pytest.approx(
        [1, 0]
    )
    one_hot = CategoryEncoder("c", ("north", "south"), other=True, missing=True)
    assert [*_texts(decoded(one_hot, np.eye(4)))] == ["north", "south", "other", ""]
    unseen = CategoryEncoder("c", ("north", "south"))
    assert [*_texts(decoded(unseen, np.array([[0.0, 1.0], [0.0, 0.0]])))] == ["south", "other"]
    ids = CategoryEncoder("c", ("north", "south"), embedding=2)
    assert [*_texts(decoded(ids, np.array([[0.0], [1.0], [3.0]])))] == ["other", "", "south"]


def _texts(values: np.ndarray | None) -> list[str]:
    assert values is not None
    return [str(each) for each in values]


def test_the_columns_that_explain_a_residual_come_first() -> None:
    from mlpcli.plots.residuals_by_column import explained, group_of

    random = np.random.default_rng(0)
    x, noise = random.normal(size=400), random.normal(size=400)
    kinds = np.where(x > 0, "up", "down").astype(object)
    residual = x**2 + 0.1 * noise
    assert explained(group_of(x), residual) > 0.4
    assert abs(explained(group_of(noise), residual)) < 0.1
    assert abs(explained(group_of(kinds), residual)) < 0.1
    assert explained(group_of(kinds), x) > 0.5
    assert explained(group_of(np.full(400, np.nan)), residual) == 0
    assert np.bincount(group_of(np.array([5.0, 1.0, 2.0, np.nan, 3.0, 4.0, 6.0])) + 1).tolist() == [1, 6]
    assert np.bincount(group_of(np.arange(23.0))).min() >= 5


def test_values_of_rows_are_shown_as_the_rows_have_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from mlpcli.data.images.find_images import is_image_name
    from mlpcli.report.worst_rows import show_worst_rows

    written = tmp_path / "worst_rows.csv"
    written.write_text("row,rent,predicted_rent,error,size\n7,1313.0,1200.12345,-112.87655,12.8\n")
    show_worst_rows([written], most=100, is_image=is_image_name)
    assert capsys.readouterr().out.splitlines()[-1].split() == ["7", "1313", "1200.12", "-112.88", "12.8"]


def test_a_midnight_among_times_keeps_its_own() -> None:
    from mlpcli.data.column_values import of_numbers
    from mlpcli.inference.written_cells import _has_times, _texts

    days = np.array([19723.0, 19723.5, np.nan])
    column = of_numbers("at", days, "dates")
    found = _texts(column.take(np.array([0, 2])), times=_has_times(column))
    assert found == ["2024-01-01 00:00", ""]
    dates = of_numbers("day", days[:1], "dates")
    assert _texts(dates, times=_has_times(dates)) == ["2024-01-01"]


def test_rows_of_files_of_one_image_each_are_named_by_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from mlpcli.data.images.find_images import is_image_name
    from mlpcli.report.worst_rows import show_worst_rows

    written = tmp_path / "worst_rows.csv"
    written.write_text("row,file,y,predicted\n1,cats/a.png,cat,dog\n1,cats/b.png,cat,dog\n")
    show_worst_rows([written], most=100, is_image=is_image_name)
    assert capsys.readouterr().out.splitlines()[2].split() == ["file", "y", "predicted"]
    written.write_text("row,file,y,predicted\n1,cats/a.png,cat,dog\n")  # one wrong image
    show_worst_rows([written], most=100, is_image=is_image_name)
    assert capsys.readouterr().out.splitlines()[2].split() == ["file", "y", "predicted"]
    written.write_text("row,file,y,predicted\n1,a.csv,cat,dog\n2,a.csv,cat,dog\n")
    show_worst_rows([written], most=100, is_image=is_image_name)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "rows count from 1 in each file, not counting a header"
    assert lines[4].split()[:2] == ["1", "a.csv"]


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        (["one.csv", "two.csv"], ["one.csv", "two.csv"]),
        (
            ["year=2023/month=01/part.csv", "year=2023/month=12/part.csv", "year=2024/month=01/part.csv"],
            ["...2023/month=01", "...2023/month=12", "...2024/month=01"],
        ),
        (["/data/of/all/sales/a.csv", "/data/of/all/sales/b/c.csv"], ["a.csv", "b/c.csv"]),
        (["year=2023/month=01/part.csv"] * 2, ["...h=01/part.csv"] * 2),
        (
            ["a_name_of_letters_1.csv", "some_of_letters_2.csv"],
            ["...letters_1.csv", "...letters_2.csv"],
        ),
        ([], []),
    ],
)
def test_paths_are_shortened_so_that_what_differs_is_seen(paths: list[str], shown: list[str]) -> None:
    assert short_paths(paths) == shown


def test_dates_are_drawn_beside_the_errors_where_a_drift_shows(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Any] = {}

    def draw(columns: dict[str, Any], residual: Any, *, title: str) -> Drawing:
        drawn.update(columns)
        return draw_residuals_by_column(columns, residual, title=title)

    monkeypatch.setattr("mlpcli.inference.evaluation_figures.draw_residuals_by_column", draw)
    monkeypatch.setattr("mlpcli.cli.evaluate._drawing_beside", lambda _: contextlib.nullcontext())
    rows = [
        f"2024-{1 + i // 25:02d}-{1 + i % 25:02d},2024-01-{1 + i % 7:02d},{i % 5},{i}" for i in range(100)
    ]
    (tmp_path / "t.csv").write_text("day,seen,x,y\n" + "\n".join(rows) + "\n")
    (tmp_path / "t.yaml").write_text(
        "name: dates\ndataset: {path: t.csv, target: y, features: [seen, x], test: {last: 20, by: day}}\n"
        "layers: [Dense: {units: 1}]\nloss: mse\nfit: {epochs: 1, engine: graph}\n"
    )
    run = train_bare(tmp_path / "t.yaml", tmp_path / "runs")
    shown = mlpcli("evaluate", run.folder, "--json")
    assert shown.status == 0, shown.err
    assert list(drawn) == ["x", "seen", "day"]
    assert drawn["day"].dtype == "datetime64[s]"
    assert drawn["day"].min() == np.datetime64("2024-04-06")
    assert set(np.round(drawn["x"], 5)) == {0, 1, 2, 3, 4}
    said = " ".join(mlpcli("evaluate", run.folder, "--no-figures").out.split())
    assert said.count("the test rows are later than the training rows: an interval says") == 1
    train = mlpcli("evaluate", run.folder, "--no-figures", "--split", "train")
    assert "later than the training rows" not in train.out


def test_rows_that_were_split_off_in_groups_are_told_to_be_alike(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    rows = [f"p{i // 5},{i % 7},{i}" for i in range(100)]
    (tmp_path / "t.csv").write_text("person,x,y\n" + "\n".join(rows) + "\n")
    (tmp_path / "t.yaml").write_text(
        "name: groups\ndataset: {path: t.csv, target: y, test: {share: 0.2, by: person}}\n"
        "layers: [Dense: {units: 1}]\nloss: mse\nmetrics: [MeanAbsoluteError]\n"
        "fit: {epochs: 1, engine: graph}\n"
    )
    trained = mlpcli("train", tmp_path / "t.yaml", "--runs-dir", tmp_path)
    alike = "test rows with the same 'person' may be alike, and an interval counts each by itself: it may be"
    assert " ".join(trained.out.split()).count(alike) == 1
    evaluated = mlpcli("evaluate", "groups", "--no-figures", "--runs-dir", tmp_path)
    assert " ".join(evaluated.out.split()).count(alike) == 1
    of_training = mlpcli("evaluate", "groups", "--no-figures", "--split", "train", "--runs-dir", tmp_path)
    assert (of_training.status, "may be alike" in of_training.out) == (0, False)
    page = mlpcli("report", "groups", "--runs-dir", tmp_path, "-o", tmp_path / "page.html")
    assert page.status == 0, page.err
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    models = r"network [\d.]+, linear [\d.]+, mean [\d.]+"
    assert re.search(f"<br>root_mean_squared_error: {models}<br>mean_absolute_error: {models}</p>", written)


def test_whole_numbers_come_back_whole_from_the_normal_values_of_their_quantiles() -> None:
    from mlpcli.data.features.encoders import NumericEncoder
    from mlpcli.data.quantiles import Quantiles
    from mlpcli.data.shown_columns import decoded

    rooms = np.round(np.random.default_rng(0).lognormal(2, 0.5, 2000))
    kept = Quantiles.of(rooms, 12, 0.0002)
    encoder = NumericEncoder("rooms", 3.0, 0.0, 1.0, quantiles=kept)
    coded = kept.to_normal(np.append(rooms, 3.5)).astype(np.float32)[:, None]
    shown = decoded(encoder, coded)
    assert shown is not None
    np.testing.assert_array_equal(shown[:-1], rooms)
    assert shown[-1] == pytest.approx(3.5, abs=1e-3)
    assert not np.array_equal(kept.from_normal(coded[:-1, 0].astype(np.float64)), rooms)
