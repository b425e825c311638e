"""`inspect NEW --against RUN`: drift that was made is found, and none is found where there is none."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.data.column_values import ColumnValues, of_numbers, of_texts
from mlpcli.data.dataset import Contract, Output
from mlpcli.data.readers.reading import AS_RECORDED
from mlpcli.data.types import Array
from mlpcli.inference.column_drift import compare_columns, corrected
from mlpcli.inference.inspect_drift import new_rows
from mlpcli.inference.tell_apart import tell_apart
from mlpcli.plots.drift_panels import DriftPanel, draw_drift
from mlpcli.statistics.drift import (
    auc_interval,
    chi_square,
    chi_square_tail,
    fisher_exact,
    kolmogorov_smirnov,
    kolmogorov_tail,
    mid_ranks,
    outside_p,
    stability_index,
    total_variation,
)
from tests.bare_runs import train_bare
from tests.conftest import Result

COUNTS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=2, max_size=6)


@given(st.integers(20, 300), st.integers(20, 300), st.floats(0, 1), st.integers(0, 9))
def test_kolmogorov_and_smirnov_are_scipys(known: int, new: int, shift: float, seed: int) -> None:
    from scipy.stats import ks_2samp

    random = np.random.default_rng(seed)
    one, other = random.normal(size=known), random.normal(size=new) + shift
    distance, p = kolmogorov_smirnov(one, other)
    wanted = ks_2samp(one, other)
    assert distance == pytest.approx(wanted.statistic)
    assert p == pytest.approx(wanted.pvalue, abs=0.06, rel=0.5)


@given(COUNTS)
def test_chi_square_is_scipys_where_no_bin_has_few_rows(pairs: list[tuple[int, int]]) -> None:
    from scipy.stats import chi2_contingency
    from scipy.stats import fisher_exact as exact

    known, new = np.array(pairs).T
    found, p = chi_square(known, new)
    assert 0 <= p <= 1
    table = np.stack([known, new])[:, known + new > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        assert (found, p) == (0.0, 1.0)
        return
    wanted = chi2_contingency(table, correction=False)
    if wanted.expected_freq.min() >= 5:
        assert (found, p) == pytest.approx((wanted.statistic, wanted.pvalue))
    elif table.shape[1] == 2:
        assert p == pytest.approx(exact(table).pvalue)


def test_tails_are_scipys() -> None:
    from scipy.stats import chi2, kstwobign

    for value, degrees in ((3.2, 2), (50, 4), (0.1, 1), (1000, 900), (20, 30), (0, 3)):
        assert chi_square_tail(value, degrees) == pytest.approx(chi2.sf(value, degrees), rel=1e-9)
    for value in (0.2, 0.5, 0.99, 1.0, 1.36, 3.0):
        assert kolmogorov_tail(value) == pytest.approx(kstwobign.sf(value), rel=1e-6)
    assert fisher_exact(1000, 3, 90, 5) == pytest.approx(1.9898e-4, rel=1e-3)


def test_the_area_and_its_interval_are_known() -> None:
    from scipy.stats import rankdata
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        one, other = random.normal(size=60).round(1) + 0.5, random.normal(size=90).round(1)
        area, low, high = auc_interval(one, other)
        assert low <= area <= high
        covered += low <= 0.638 <= high  # Phi(0.5 / sqrt(2))
    truth = np.repeat([1, 0], [60, 90])
    assert area == pytest.approx(roc_auc_score(truth, np.concatenate([one, other])))
    assert mid_ranks(one).tolist() == rankdata(one).tolist()
    assert 0.91 < covered / 300 < 0.99
    assert auc_interval(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == (1.0, 1.0, 1.0)


def test_sizes_of_a_difference_are_known() -> None:
    assert stability_index(np.array([500, 500]), np.array([500, 500])) == 0
    half = stability_index(np.array([5e6, 5e6]), np.array([8e6, 2e6]))
    assert half == pytest.approx(0.3 * np.log(1.6) - 0.3 * np.log(0.4))
    assert total_variation(np.array([3, 1]), np.array([1, 3])) == 0.5
    assert outside_p(0, 10, 10) == 1
    assert outside_p(2, 100, 100) == pytest.approx(0.5)  # r^2 (1 + 2 (1 - r)) with r = 1/2
    random = np.random.default_rng(1)
    often = 0
    for _ in range(400):
        known, new = random.normal(size=60), random.normal(size=60)
        often += outside_p(int(((new < known.min()) | (new > known.max())).sum()), 60, 60) < 0.05
    assert often / 400 < 0.06


def _columns(random: np.random.Generator, rows: int, drifted: bool) -> dict[str, ColumnValues]:
    towns = ["Ulm", "Bonn", "Kiel", None]
    shares = [0.2, 0.2, 0.5, 0.1] if drifted else [0.5, 0.3, 0.15, 0.05]
    whole = random.integers(0, 4, rows).astype(float)
    return {
        "normal": of_numbers("normal", random.normal(size=rows) + drifted),
        "skewed": of_numbers("skewed", random.exponential(size=rows) * (1 + drifted)),
        "whole": of_numbers("whole", whole),
        "town": of_texts("town", towns, random.choice(4, rows, p=shares)),
        "many": of_texts("many", [f"v{n}" for n in range(300)], random.zipf(1.5, rows) % 300),
    }


def test_few_false_alarms_and_made_drift_is_found() -> None:
    """Of 60 pairs of tables of five columns without drift, some 5% may name a column; all with drift do."""
    random = np.random.default_rng(2)
    alarms = 0
    for trial in range(60):
        known, new = _columns(random, 400, False), _columns(random, 60 + 10 * trial, False)
        found = corrected([compare_columns(known[name], new[name], "used") for name in known])
        alarms += any(each.size != "none" for each in found)
    assert alarms <= 7
    known, new = _columns(random, 400, False), _columns(random, 300, True)
    found = corrected([compare_columns(known[name], new[name], "used") for name in known])
    sizes = {each.name: each.size for each in found}
    assert sizes["normal"] == sizes["town"] == "large"
    assert sizes["skewed"] in ("moderate", "large")
    assert sizes["whole"] == sizes["many"] == "none"
    assert [each.size for each in found] == sorted(
        (each.size for each in found), key=["large", "moderate", "small", "none"].index
    )


def test_a_small_model_tells_only_what_differs() -> None:
    random = np.random.default_rng(3)
    known = _columns(random, 300, False)
    same = tell_apart(known, _columns(random, 200, False), (300, 200), 0)
    assert same.size == "none"
    assert same.interval[0] <= 0.5 <= same.interval[1] + 0.05
    apart = tell_apart(known, _columns(random, 200, True), (300, 200), 0)
    assert apart.size == "large"
    copies = tell_apart(known, known, (300, 300), 0)
    assert copies.area == pytest.approx(0.5, abs=0.06)  # each row beside its copy
    few = tell_apart(known, _columns(random, 5, False), (300, 5), 0)
    assert few.area is None
    assert "20 rows" in few.reason


SPEC = """\
name: past
seed: 1
dataset: {path: past.csv, target: y, features: [size, town], test: 0.2, validation: 0.2}
layers: [{Dense: {units: 1, activation: sigmoid}}]
loss: binary_crossentropy
fit: {epochs: 1, engine: graph}
"""


def _write(path: Path, rows: int, *, drifted: bool, without: str = "") -> Path:
    random = np.random.default_rng(rows)
    names = [name for name in ("size", "town", "day", "note", "y") if name != without]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        for row in range(rows):
            size, town = random.normal(), str(random.choice(["Ulm", "Bonn"]))
            day = np.datetime64("2024-01-01") + random.integers(0, 300)
            if drifted:
                town = "Hamburg" if row % 3 == 0 else town
                size, day = size + 9, day + 400
            cells = {"size": f"{size:.3f}", "town": town, "day": day, "note": "x", "y": "ny"[row % 2]}
            writer.writerow(cells | ({"size": "many"} if drifted and row == 4 else {}))
    return path


@pytest.fixture(scope="module")
def past_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("past")
    _write(folder / "past.csv", 160, drifted=False)
    (folder / "past.yaml").write_text(SPEC, encoding="utf-8")
    train_bare(folder / "past.yaml", folder / "runs")
    return folder


def test_new_rows_are_compared_with_training_rows(past_run: Path, mlpcli: Callable[..., Result]) -> None:
    where = ("--runs-dir", past_run / "runs", "--against", "past")
    same = _write(past_run / "same.csv", 120, drifted=False)
    shown = mlpcli("inspect", same, *where, "--fail-on", "small")
    assert shown.status == 0, shown.out + shown.err
    assert "no change found:" in shown.out
    new = _write(past_run / "new.csv", 90, drifted=True, without="note")
    shown = mlpcli("inspect", new, *where, "--fail-on", "moderate")
    assert shown.status == 1
    words = " ".join(shown.out.split())
    assert "new category 'Hamburg' in 30 rows" in words
    assert "1 cell is no number, such as 'many'" in words
    assert "later than 2024-10-" in words
    assert max(map(len, shown.out.splitlines()[1:-1])) <= 80
    found = json.loads(mlpcli("inspect", new, *where, "--json").out)
    assert found["change"] == "large"
    columns = found["columns"]
    assert {name: each["change"] for name, each in columns.items()} == {
        "size": "large", "town": "large", "day": "large", "note": "small", "y": "none",
    }  # fmt: skip
    assert [columns[name]["role"] for name in ("size", "day", "y")] == ["used", "unused", "target"]
    assert found["together"]["auc"] > 0.95
    assert all(Path(file).read_bytes().startswith(b"\x89PNG") for file in found["figures"])
    assert len(found["figures"]) == 1
    lines = [line.split(",") for line in new.read_text(encoding="utf-8").splitlines()]
    other = past_run / "comma.csv"
    other.write_text("\n".join(";".join(each) for each in lines).replace(".", ","), encoding="utf-8")
    size = lines[1][lines[0].index("size")]
    shown = mlpcli("inspect", other, *where)
    said = f"such as {size.replace('.', ',')!r} (--decimal , reads it as {float(size)}"
    assert said in " ".join(shown.out.split()), shown.out + shown.err


@pytest.mark.parametrize("gone", [False, True])
def test_wrong_cells_are_named_however_few(past_run: Path, mlpcli: Callable[..., Result], gone: bool) -> None:
    where = ("--runs-dir", past_run / "runs", "--against", "past", "--no-figures")
    new = _write(past_run / "typed.csv", 300, drifted=False)
    lines = new.read_text(encoding="utf-8").splitlines()
    plain = json.loads(mlpcli("inspect", new, *where, "--json").out)["columns"]["size"]
    assert "unreadable" not in plain
    for row, cell in ((3, "vierzig"), (4, "vierzig"), (5, "430"), (6, "-9999")):
        lines[row] = ",".join([cell, *lines[row].split(",")[1:]])
    for wrong in (True, False):
        if not wrong:
            lines[3:5] = lines[7:9]
        new.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if gone:
            (past_run / "past.csv").rename(past_run / "hidden")
        try:
            shown = mlpcli("inspect", new, *where)
            found = json.loads(mlpcli("inspect", new, *where, "--json").out)["columns"]["size"]
        finally:
            if gone:
                (past_run / "hidden").rename(past_run / "past.csv")
        assert shown.status == 0, shown.out + shown.err
        assert max(map(len, shown.out.splitlines()[1:])) <= 80
        words, findings = " ".join(shown.out.split()), "; ".join(found["findings"])
        assert found.get("unreadable") == (2 if wrong else None)
        what = "cannot be read" if gone else "are no number"
        cells = f"2 cells {what}, such as 'vierzig'"
        assert (cells in findings, cells in words) == (wrong, wrong), shown.out
        for end in ("from -9999 to 430",) if gone else ("to 430", "to -9999"):
            assert end in findings
            assert end in words, shown.out
        if not gone:
            assert found["change"] == "none"
            size = words.index("size: 2 ")
            assert (words.find("training rows' range:") < size) is not wrong, shown.out


def test_where_the_training_rows_are_gone_ranges_and_categories_are_compared(
    past_run: Path, mlpcli: Callable[..., Result]
) -> None:
    where = ("--runs-dir", past_run / "runs", "--against", "past", "--json")
    new = _write(past_run / "later.csv", 80, drifted=True, without="y")
    same = _write(past_run / "plain.csv", 110, drifted=False)
    (past_run / "past.csv").rename(past_run / "hidden")
    try:
        shown = mlpcli("inspect", new, *where)
        plain = json.loads(mlpcli("inspect", same, *where).out)["columns"]
    finally:
        (past_run / "hidden").rename(past_run / "past.csv")
    assert shown.status == 0, shown.err
    assert "cannot be read" in shown.err
    columns = json.loads(shown.out)["columns"]
    assert {name: each["change"] for name, each in columns.items()} == {"size": "large", "town": "large"}
    assert "new category 'Hamburg' in 27 rows" in columns["town"]["findings"]
    assert any("rows outside" in each for each in columns["size"]["findings"])
    assert {name: each["change"] for name, each in plain.items()} == {"size": "none", "town": "none"}


@pytest.mark.parametrize("values", [np.arange(2.0), np.arange(1.0, 8), np.arange(400.0)])
def test_kept_quantiles_of_few_values_do_not_make_equal_rows_others(values: Array) -> None:
    from mlpcli.data.quantiles import Quantiles
    from mlpcli.inference.contract_drift import stability

    learned = np.repeat(values, 2000 // len(values))
    kept = Quantiles.of(learned, 100, 0.0)
    assert stability(kept, learned, len(learned)) < 0.02
    assert stability(kept, np.full(500, values[-1]), len(learned)) > 0.25


def test_options_that_do_not_go_together_are_refused(past_run: Path, mlpcli: Callable[..., Result]) -> None:
    where = ("--runs-dir", past_run / "runs", "--against", "past")
    data = past_run / "past.csv"
    for options, message in (
        ((*where, "--target", "y"), "leave it out"),
        ((*where, "--fail-on", "big"), "small, moderate or large"),
        (("--fail-on", "large"), "add --against RUN"),
    ):
        refused = mlpcli("inspect", data, *options)
        assert (refused.status, message in refused.err) == (2, True), refused.err


def test_columns_of_arrays_and_a_figure_of_many(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(50, 1, (30, 4)))
    shown = mlpcli("inspect", tmp_path / "rows.npy", "--against", "tiny", "--runs-dir", tiny_run, "--json",
                   "--no-figures")  # fmt: skip
    assert shown.status == 0, shown.err
    found = json.loads(shown.out)
    assert found["columns"]["petal width (cm)"]["change"] == "large"
    panels = [DriftPanel(f"$c{n}$", "small", tuple("abcdefghijklmnop"), (0.1,) * 16, (0.2,) * 16)
              for n in range(12)]  # fmt: skip
    assert draw_drift(panels, title="t") != draw_drift(panels[:2], title="t")


def test_a_table_for_a_model_of_arrays_goes_by_the_position_of_its_columns(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("a,b,target\n1,2,0\n3,4,1\n", encoding="utf-8")
    contract = Contract("array", (), (2,), "float32", (Output(("target",), "classes", ("0", "1")),))
    found = new_rows(str(table), contract, AS_RECORDED)
    assert found.columns.names == ("column 0", "column 1")
    assert found.columns.read(["column 1"])["column 1"].numbers.tolist() == [2.0, 4.0]
    assert found.targets["target"].texts == ("0", "1")
    images = Contract("array", (), (1, 2), "float32", (Output(("target",), "classes", ("0", "1")),))
    assert new_rows(str(table), images, AS_RECORDED).columns.names[0] == "mean of the values"


def test_dates_that_were_left_out_are_named_after_the_area() -> None:
    from mlpcli.report.drift_lines import _separation_lines
    from mlpcli.runs.drift_results import Separation

    found = Separation(0.805, (0.7, 0.9), "large", left_out=("time",))
    said = " ".join(_separation_lines(found, 200))
    assert said.endswith("an AUC of 0.805 (0.700 to 0.900; 0.5 is chance), leaving out the date 'time'")
    several = Separation(0.805, left_out=("a", "b", "c", "d"))
    assert "chance), leaving out the dates 'a', 'b', 'c' and 1 more" in " ".join(
        _separation_lines(several, 200)
    )


def test_ragged_rows_are_left_out_and_counted(
    past_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    where = ("--runs-dir", past_run / "runs", "--against", "past", "--no-figures")
    new = _write(tmp_path / "new.csv", 60, drifted=False)
    whole = json.loads(mlpcli("inspect", new, *where, "--json").out)
    header, *lines = new.read_text().splitlines()
    new.write_text("\n".join([header, *lines[:20], f"{lines[20]},9", *lines[20:], "1", ""]))
    result = mlpcli("inspect", new, *where, "--json")
    assert result.status == 0, result.err
    found = json.loads(result.out)
    assert found["rows"] == whole["rows"] == 60
    assert found["columns"] == whole["columns"]
    (warning,) = found["warnings"]
    assert warning.startswith(f"2 rows of {new} are left out: a row must have 5 cells")
    assert "the first of them, row 21, has 6" in warning
    new.write_text(f"{header}\n1\n2,3\n")
    refused = mlpcli("inspect", new, *where)
    assert refused.status != 0
    assert "cells" in refused.err
    assert "left out" not in refused.err
