"""New rows whose numbers and dates are written otherwise than in the training file."""

from __future__ import annotations

import csv
import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import mlpcli
from tests.bare_runs import train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

Cli = Callable[..., Result]

SPEC = """\
name: fees
dataset:
  path: fees.csv
  target: paid
  features:
    fee: {kind: numeric}
    "used kWh": {kind: numeric, thousands: "."}
    day: {kind: date, format: "%Y-%m-%d"}
layers: [Dense: {units: 1}]
loss: mse
fit: {epochs: 1, engine: graph}
"""


def _rows() -> list[tuple[float, float, str, float]]:
    return [
        (10 + place / 8, 1000 + 13.5 * place, f"2024-{1 + place % 12:02}-17", 2.5 * place)
        for place in range(64)
    ]


def _number(value: float, decimal: str, thousands: str = "") -> str:
    return f"{value:,.3f}".replace(",", "T").replace(".", decimal).replace("T", thousands)


def _write(path: Path, delimiter: str, decimal: str, thousands: str) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["fee", "used kWh", "day", "paid"])
        for fee, used, day, paid in _rows():
            numbers = _number(fee, decimal), _number(used, decimal, thousands), _number(paid, decimal)
            writer.writerow([numbers[0], numbers[1], day, numbers[2]])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a file with decimal commas, and the same rows with decimal points."""
    made = tmp_path_factory.mktemp("notation")
    _write(made / "fees.csv", ";", ",", ".")
    _write(made / "points.csv", ",", ".", ",")
    (made / "fees.yaml").write_text(SPEC)
    train_bare(made / "fees.yaml", made / "runs")
    return made


def test_options_say_how_new_rows_write_numbers(mlpcli: Cli, folder: Path) -> None:
    runs_dir, said = ("--runs-dir", folder / "runs"), ("--decimal", ".", "--thousands", ",")
    own = mlpcli("predict", "fees", folder / "fees.csv", *runs_dir)
    other = mlpcli("predict", "fees", folder / "points.csv", *runs_dir, *said)
    assert (own.status, other.status, own.out) == (0, 0, other.out)
    metrics = [
        json.loads(mlpcli("evaluate", "fees", "--data", folder / name, *runs_dir, *flags, "--json").out)
        for name, flags in (("fees.csv", ()), ("points.csv", said))
    ]
    assert metrics[0]["metrics"] == metrics[1]["metrics"]
    drift = mlpcli("inspect", folder / "points.csv", "--against", "fees", *runs_dir, *said, "--json")
    own_drift = mlpcli("inspect", folder / "fees.csv", "--against", "fees", *runs_dir, "--json")
    found = [json.loads(each.out)["columns"] for each in (drift, own_drift)]
    assert found[0] == found[1]


def test_a_number_in_another_notation_is_shown_with_the_option_that_reads_it(
    mlpcli: Cli, folder: Path
) -> None:
    told = mlpcli("predict", "fees", folder / "points.csv", "--runs-dir", folder / "runs")
    first, second, *_ = told.err.splitlines()
    assert (told.status, told.out) == (2, "")
    assert first.endswith(
        "rows 1 (line 2), 2 (line 3), 3 (line 4) and 61 more, column 'fee': must be a number with a decimal "
        "comma, as in the training file, received '10.000', '10.125', '10.250', ...; for '10.000': "
        "--decimal . reads it as 10, --thousands . reads it as 10000"
    )
    assert "column 'used kWh': must be a number with a decimal comma and a point between thousands" in second
    assert "for '1,000.000': --decimal . --thousands , reads it as 1000" in second
    half = mlpcli("predict", "fees", folder / "points.csv", "--runs-dir", folder / "runs", "--decimal", ".")
    assert half.status == 2  # never read as 1.0
    assert "for '1,000.000': --thousands , reads it as 1000" in half.err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--decimal", ";"], "--decimal: must be '.' or ',', received ';'"),
        (["--thousands", "-"], "--thousands: must be ',', '.', ' ', an apostrophe, or none, received '-'"),
        (["--decimal", ".", "--thousands", "."], "--thousands: must differ from --decimal, received '.'"),
        (["--thousands", ","], "--thousands: is the decimal sign of the rows that the model was trained on"),
    ],
)  # fmt: skip
def test_a_notation_that_cannot_be_is_refused(mlpcli: Cli, folder: Path, flags: list[str], told: str) -> None:
    result = mlpcli("predict", "fees", folder / "points.csv", "--runs-dir", folder / "runs", *flags)
    assert (result.status, told in result.err) == (2, True)


def test_a_date_in_another_format_is_shown_as_it_must_be_written(mlpcli: Cli, folder: Path) -> None:
    new = folder / "days.csv"
    new.write_text("fee;used kWh;day\n1;2;17.03.2024\n1;2;04/05/2024\n1;2;soon\n")
    told = mlpcli("predict", "fees", new, "--runs-dir", folder / "runs").err.splitlines()
    rule = "column 'day': must be a date such as 2024-05-31, received"
    so = "write 2024-03-17, as in the training file; --date-format %d.%m.%Y reads it so"
    assert f"{rule} '17.03.2024'; {so}" in told[0]
    ways = "--date-format %m/%d/%Y or --date-format %d/%m/%Y reads it so, each as its own day"
    assert f"{rule} '04/05/2024'; write 2024-04-05 or 2024-05-04, whichever is meant, as in the" in told[1]
    assert ways in told[1]
    assert f"{rule} 'soon'; --rejects" in told[2]
    new.write_text("fee;used kWh;day\n1;2;2031-03-17\n")
    told_of_day = mlpcli("predict", "fees", new, "--runs-dir", folder / "runs", "--on-unknown", "error").err
    assert "must be within the dates of the training rows, 2024-01-17 to 2024-12-17, received" in told_of_day


def _write_european(folder: Path) -> Path:
    """Write the rows of the run with dates such as 17.03.2024."""
    lines = [line.split(";") for line in (folder / "fees.csv").read_text().splitlines()]
    days = [".".join(reversed(line[2].split("-"))) for line in lines]
    european = [";".join([*line[:2], day, line[3]]) for line, day in zip(lines[1:], days[1:], strict=True)]
    (folder / "european.csv").write_text("\n".join([";".join(lines[0]), *european]) + "\n")
    return folder / "european.csv"


@pytest.mark.parametrize("gone", [False, True])
def test_a_comparison_with_a_run_says_which_option_reads_the_new_rows(
    mlpcli: Cli, folder: Path, tmp_path: Path, gone: bool
) -> None:
    european = _write_european(folder)
    runs_dir = ("--runs-dir", folder / "runs", "--no-figures", "--json")
    if gone:
        shutil.copytree(folder / "runs", tmp_path / "runs")
        runs_dir = ("--runs-dir", tmp_path / "runs", "--no-figures", "--json")
        record = next((tmp_path / "runs").glob("fees/*/run.json"))
        record.write_text(record.read_text().replace('"fingerprint": "', '"fingerprint": "0'))

    def findings(data: Path, column: str, *flags: str) -> str:
        shown = mlpcli("inspect", data, "--against", "fees", *runs_dir, *flags)
        return " ".join(json.loads(shown.out)["columns"][column]["findings"])

    what = "cannot be read" if gone else "are no date"
    so = "write 2024-01-17, as in the training file; --date-format %d.%m.%Y reads it so"
    assert f"64 cells {what}, such as '17.01.2024' ({so})" in findings(european, "day")
    assert what not in findings(european, "day", "--date-format", "%d.%m.%Y")
    points = folder / "points.csv"
    assert "'1,000.000' (--decimal . --thousands , reads it as 1000)" in findings(points, "used kWh")
    alone = mlpcli("inspect", european, "--date-format", "%d.%m.%Y")
    assert (alone.status, "--date-format: is for a comparison with a run" in alone.err) == (2, True)


def test_an_option_says_how_new_rows_write_dates(mlpcli: Cli, folder: Path) -> None:
    _write_european(folder)
    runs_dir, said = ("--runs-dir", folder / "runs"), ("--date-format", "%d.%m.%Y")
    own = mlpcli("predict", "fees", folder / "fees.csv", *runs_dir)
    other = mlpcli("predict", "fees", folder / "european.csv", *runs_dir, *said)
    assert (other.status, other.out) == (0, own.out)
    metrics = [
        json.loads(mlpcli("evaluate", "fees", "--data", folder / name, *runs_dir, *flags, "--json").out)
        for name, flags in (("fees.csv", ()), ("european.csv", said))
    ]
    assert metrics[0]["metrics"] == metrics[1]["metrics"]
    wrong = mlpcli("predict", "fees", folder / "fees.csv", *runs_dir, "--date-format", "%d.%m.%y.")
    assert (wrong.status, "--date-format: no such format" in wrong.err) == (2, True)


@pytest.mark.filterwarnings("ignore::mlpcli.PredictionWarning")
def test_python_says_the_same_as_arguments(folder: Path) -> None:
    run = mlpcli.load("fees", runs_dir=folder / "runs")
    row = {"fee": "1.5", "used kWh": "1,000.5", "day": "17.03.2024"}
    with pytest.raises(mlpcli.MlpcliError) as caught:
        run.predict([row])
    told = "\n".join(map(str, caught.value.problems))
    assert "decimal='.' thousands=',' reads it as 1000.5" in told
    assert "date_format='%d.%m.%Y' reads it so; leave such rows out" in told
    assert "--" not in told
    found = run.predict([row], decimal=".", thousands=",", date_format="%d.%m.%Y")
    date = pa.array([datetime.date(2024, 3, 17)])
    same = run.predict(pa.table({"fee": [1.5], "used kWh": [1000.5], "day": date}), date_format="%d.%m.%Y")
    assert found.to_pydict() == same.to_pydict()
    with pytest.raises(mlpcli.MlpcliError, match=r"^decimal: must be '\.' or ','"):
        run.predict([row], decimal="?")
    with pytest.raises(mlpcli.MlpcliError, match=r"has single values; .* as a list of one mapping: \[row\]"):
        run.predict(row)


def test_init_and_inspect_read_what_options_say(mlpcli: Cli, tmp_path: Path) -> None:
    rows = "\n".join(f"{1 + place % 9}.{place % 10}00;{place % 7}" for place in range(60))
    data = tmp_path / "t.csv"
    data.write_text(f"size;y\n{rows}\n")
    said = ("--decimal", ",", "--thousands", ".")
    shown = json.loads(mlpcli("inspect", data, *said, "--json").out)
    assert shown["columns"]["size"]["range"] == [1000, 9800]
    spec = tmp_path / "t.yaml"
    assert mlpcli("init", data, "--target", "y", *said, "-o", spec).status == 0
    text = spec.read_text()
    assert (text.count('  decimal: ","'), text.count('\n  thousands: "."')) == (1, 1)
    checked = mlpcli("check", spec, "--json")
    assert checked.status == 0
