"""Dates are instants, read alike by NumPy and by the exported model; what cannot be told apart is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlpcli.data.features.dates import LAYOUTS, TWINS, find_format, parse_dates
from mlpcli.data.features.encoders import DateEncoder
from mlpcli.data.features.feature_kinds import choose_features
from mlpcli.data.features.preprocessor import fit_preprocessor
from mlpcli.data.inspect.find_warnings import find_warnings
from mlpcli.data.inspect.survey import survey_table
from mlpcli.data.readers.dialect import PLAIN
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.spec.features import DATE_FORMATS, FeatureSpec
from tests.conftest import Result

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FORMATS = sorted(LAYOUTS)


def instant(text: str, format: str) -> datetime | None:
    """What Python's own parser makes of a date in UTC; None if it is none."""
    day, rest = text[: LAYOUTS[format].size], text[LAYOUTS[format].size :]
    for word in ("UTC", "GMT"):
        rest = rest.removesuffix(word) + "Z" if rest.endswith(word) else rest
    clock, zone = rest.rstrip("Z"), rest[len(rest.rstrip("Z")) :]
    clock = clock.rstrip(" ") if zone else clock
    for place in range(6, len(clock)):
        if clock[place] in "+-":
            clock, zone = clock[:place].rstrip(" "), clock[place:]
            break
    try:
        found = datetime.strptime(day, format)
        if clock:
            found = datetime.fromisoformat(f"{found.date().isoformat()}T{clock[1:].replace(',', '.')}{zone}")
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


dates = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))
clocks = st.sampled_from(["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S,%f"])
zones = st.one_of(
    st.sampled_from(["", "Z", " Z", " UTC", "GMT"]),
    st.builds(
        "{}{:02d}{}{:02d}".format,
        st.sampled_from("+-"),
        st.integers(0, 23),
        st.sampled_from(["", ":"]),
        st.integers(0, 59),
    ),
    st.builds("{}{:02d}".format, st.sampled_from(["+", "-", " +"]), st.integers(0, 23)),
)


@given(st.sampled_from(FORMATS), dates, st.sampled_from(["", " ", "T"]), clocks, zones)
def test_a_date_is_the_instant_that_python_reads(
    format: str, date: datetime, gap: str, clock: str, zone: str
) -> None:
    text = (
        date.strftime(format).rjust(LAYOUTS[format].size, "0")
        if "%Y" in format[:2]
        else date.strftime(format)
    )
    layout = LAYOUTS[format]
    digits = {
        layout.year: f"{date.year:04d}"[-layout.digits :],
        layout.month: f"{date.month:02d}",
    }
    digits |= {} if layout.day is None else {layout.day: f"{date.day:02d}"}
    digits |= layout.separators
    text = "".join(digits[place] for place in sorted(digits))
    text += f"{gap}{date:{clock}}{zone}" if gap else ""
    wanted = instant(text, format)
    assert wanted is not None
    found = parse_dates([text], format)
    assert found.valid[0]
    since = wanted - EPOCH
    assert int(found.days[0]) == since.days
    assert float(found.seconds[0]) == pytest.approx(since.seconds + since.microseconds / 1e6, abs=1e-9)
    assert (found.year[0], found.month[0], found.day[0]) == (wanted.year, wanted.month, wanted.day)
    assert bool(found.zoned[0]) == bool(gap and zone)


WRONG = [
    "2023-02-29", "1900-02-29", "2024-04-31", "2024-00-10", "2024-13-01", "0000-01-01", "2024-05-31x",
    "2024x05x31", "24-05-31", "2024-5", "2024-5-", "2024--5-31", "2024-5-311", "2024-005-31", "2024-0-31",
    "2024-05-31 24:00", "2024-05-31 08:60", "2024-05-31 08:00:61", "2024-05-31 8", "2024-05-31 8:5",
    "2024-05-31 08:00:00.", "2024-05-31T08:00+24:00", "2024-05-31 13:00 PM", "2024-05-31 0:30 AM",
    "2024-05-31 PM", "2024-05-31 08:00 PMZ", "2024-05-31 08:00 M", "PM", "M",
    "2024-05-31T08:00+09:60", "2024-05-31Z", "2024-05-31 08:00 +", "2024-05-31T08:00++09:00", "2024-05-31 ",
    "2024-05-31T08:00:00.123456789012345678901234567890", "", "é024-05-31", "soon",
]  # fmt: skip

RIGHT = [
    "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31T23:59:59.999999", "2016-12-31T23:59:60Z",
    "2024-05-31T08:00Z", "2024-05-31 03:00-05:00", "2024-05-31T17:00+0900", "2024-05-31T17:00:00 +09",
    "2024-12-31 23:30:15,5-01:00", "2024-05-31T08:00:00.000000001 UTC", "2024-01-01T00:30+05:45",
]  # fmt: skip

SHORT = {
    "2024-5-31": "2024-05-31",
    "2024-12-1": "2024-12-01",
    "2024-5-1 8:05": "2024-05-01 08:05",
    "2024-5-1T8:05:30.25+2:00": None,
    "2024-5-1T8:05:30.25+02:00": "2024-05-01T06:05:30.25",
    "2024-5-10 1:05:30 PM": "2024-05-10 13:05:30",
    "2024-05-31 12:05 AM": "2024-05-31 00:05",
    "2024-5-31 12:05pm": "2024-05-31 12:05",
    "2024-5-31 11:59:59.5 am": "2024-05-31 11:59:59.5",
}
"""Dates with parts of one digit or a clock of twelve hours, and the same in full; None for none."""


@pytest.mark.parametrize("format", [each for each in FORMATS if "%Y%m" not in each])
def test_month_day_and_hour_may_have_one_digit_and_hours_go_to_twelve(format: str) -> None:
    def written(text: str) -> str:
        date, gap, clock = re.fullmatch(r"([\d-]+)(.?)(.*)", text).groups()  # type: ignore[union-attr]
        parts = dict(zip("Ymd", date.split("-"), strict=True))
        parts["y"] = parts["Y"][2:]
        return re.sub("%(.)", lambda found: parts[found[1]], format) + gap + clock

    for short, full in SHORT.items():
        found = parse_dates([written(short)], format)
        assert bool(found.valid[0]) == (full is not None), short
        if full is not None and "d" in format:
            same = parse_dates([written(full)], format)
            assert (found.days[0], found.seconds[0]) == (same.days[0], same.seconds[0]), short
    assert find_format({written("2024-5-31"): 1, written("2024-12-1 8:05 PM"): 2}) == format


def test_what_is_no_date_is_invalid_and_nothing_else() -> None:
    assert not parse_dates(WRONG, "%Y-%m-%d").valid.any()
    assert parse_dates(RIGHT, "%Y-%m-%d").valid.all()
    found = parse_dates(["2024-05-31T08:00Z", "2024-05-31 03:00-05:00", "2024-05-31T17:00+09:00"], "%Y-%m-%d")
    assert set(zip(found.days.tolist(), found.seconds.tolist(), strict=True)) == {(19874, 28800.0)}


@pytest.mark.parametrize("format", ["%Y-%m-%d", "%d.%m.%Y", "%Y%m%d", "%m/%d/%y", "%Y-%m"])
def test_the_exported_model_reads_dates_as_numpy_does(format: str) -> None:
    from mlpcli.keras_import import import_keras

    keras = import_keras()
    from mlpcli.model.raw_column_network import build_preprocessing

    def written(text: str) -> str:
        year, month, day, rest = text[:4], text[5:7], text[8:10], text[10:]
        spelled = {"%Y": year, "%y": year[2:], "%m": month, "%d": day}
        return re.sub("%.", lambda found: spelled[found[0]], format) + rest

    cells = [written(text) for text in (*RIGHT, *WRONG)]
    cells += [f"{written(full[:10])}{full[10:].replace(' 0', ' ')}" for full in SHORT.values() if full]
    cells += [*SHORT] if format == "%Y-%m-%d" else [written(text[:9]) for text in SHORT]
    parts = ["elapsed", "year", "month", "day", "weekday", "hour"]
    spec = FeatureSpec.model_validate(
        {"kind": "date", "format": format, "parts": parts, "missing": "indicator"}
    )
    columns = {"at": ParsedColumn(pa.array(cells))}
    preprocessor = fit_preprocessor(columns, {"at": spec}, np.arange(len(RIGHT)), PLAIN)
    ours = preprocessor.transform(columns).x
    served = build_preprocessing(preprocessor, ())([keras.ops.convert_to_tensor([c.strip() for c in cells])])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(served), ours, rtol=0, atol=1e-6)
    assert ours[:, -1].tolist()[: len(RIGHT)] == [0] * len(RIGHT)


def test_the_sine_of_midday_is_zero_and_no_layer_makes_much_of_its_rounding() -> None:
    from mlpcli.keras_import import import_keras

    keras = import_keras()
    from mlpcli.model.numeric_embeddings import PiecewiseLinearEmbedding
    from mlpcli.model.raw_column_network import build_preprocessing

    cells = [f"2024-{month:02}-10 {hour:02}:00:00" for month in (1, 7) for hour in (0, 12)] * 10
    later = ["2024-08-10 06:00:00", "2024-01-10 12:00:00"]
    spec = FeatureSpec.model_validate(
        {"kind": "date", "format": "%Y-%m-%d", "parts": ["hour", "month"], "missing": "error"}
    )
    columns = {"at": ParsedColumn(pa.array(cells))}
    preprocessor = fit_preprocessor(columns, {"at": spec}, np.arange(len(cells)), PLAIN)
    x = preprocessor.transform(columns).x
    assert set(x.ravel().tolist()) == {0.0, 1.0, -1.0}
    embedding = PiecewiseLinearEmbedding(bins=4, width=2)
    embedding.adapt(x)
    embedding.steps.assign(np.ones(embedding.steps.shape))
    new = preprocessor.transform({"at": ParsedColumn(pa.array(later))}).x
    assert np.abs(keras.ops.convert_to_numpy(embedding(new))).max() < 100  # and not 1e16
    for numbers in ("float64", "float32"):
        own = replace(preprocessor, dialect=replace(preprocessor.dialect, numbers=numbers))
        served = build_preprocessing(own, ())([keras.ops.convert_to_tensor(cells)])
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(served), x)
    (encoder,) = preprocessor.encoders
    assert isinstance(encoder, DateEncoder)
    old = replace(encoder, exact_zeros=False)  # a run that is older keeps what it has learned
    before = replace(preprocessor, encoders=(old,)).transform(columns).x
    assert np.unique(before[:, 0]).tolist() == [0.0, pytest.approx(1.2246e-16, rel=1e-3)]
    served = build_preprocessing(replace(preprocessor, encoders=(old,)), ())(
        [keras.ops.convert_to_tensor(cells)]
    )
    np.testing.assert_allclose(keras.ops.convert_to_numpy(served), before, rtol=1e-6, atol=0)


def test_a_second_within_a_year_is_kept() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    cells = [(start + timedelta(seconds=place)).isoformat() for place in range(50)]
    spec = FeatureSpec.model_validate(
        {"kind": "date", "format": "%Y-%m-%d", "parts": ["elapsed"], "missing": "mean"}
    )
    columns = {"at": ParsedColumn(pa.array(cells))}
    x = fit_preprocessor(columns, {"at": spec}, np.arange(50), PLAIN).transform(columns).x
    np.testing.assert_allclose(np.diff(x[:, 0]), np.diff(x[:, 0]).mean(), rtol=1e-3)


def test_months_and_years_of_two_digits_are_dates_and_their_century_is_said() -> None:
    months = [f"{1960 + place // 12}-{1 + place % 12:02d}" for place in range(100)]
    days = [f"{1 + place % 12}/{1 + place % 28}/{(60 + place) % 100:02d}" for place in range(100)]
    columns = {"month": ParsedColumn(pa.array(months)), "day": ParsedColumn(pa.array(days))}
    found = choose_features(columns, None, scaling="standardize")
    assert {name: spec.format for name, spec in found.used.items()} == {"month": "%Y-%m", "day": "%m/%d/%y"}
    (note,) = found.notes
    assert note == (
        "column 'day': its years have two digits, it is read as %m/%d/%y: 69 to 99 are 1969 to 1999, 00 to "
        "68 are 2000 to 2068"
    )
    assert parse_dates(["12/31/68", "1/1/69"], "%m/%d/%y").year.tolist() == [2068, 1969]


def test_every_format_can_be_declared() -> None:
    assert set(DATE_FORMATS) == set(LAYOUTS)


@pytest.mark.parametrize(("format", "twin"), TWINS.items())
def test_day_and_month_are_told_apart_by_one_row_or_it_is_said(format: str, twin: str) -> None:
    year = "2024" if "Y" in format else "24"
    unclear = [f"{day:02d}{format[2]}{1 + day % 12:02d}{format[2]}{year}" for day in range(1, 13)]
    clear = datetime(2024, 3, 31).strftime(format)
    columns = {"when": ParsedColumn(pa.array([*unclear, clear]))}
    found = choose_features(columns, None, scaling="standardize")
    assert found.used["when"].format == format
    assert not any("told apart" in note for note in found.notes)
    columns = {"when": ParsedColumn(pa.array(unclear))}
    found = choose_features(columns, None, scaling="standardize")
    guess = found.used["when"].format
    assert guess in (format, twin)
    other = twin if guess == format else format
    note, *century = found.notes
    assert len(century) == ("y" in format)
    assert note.startswith(f"column 'when': day and month cannot be told apart, it is read as {guess};")
    assert f"{{kind: date, format: '{other}'}}" in note
    declared = {"when": FeatureSpec.model_validate({"kind": "date", "format": other})}
    found = choose_features(columns, declared, scaling="standardize")
    assert found.used["when"].format == other
    assert not found.notes


def test_one_row_beyond_the_sample_tells_day_and_month_apart() -> None:
    many = [f"{1 + place % 12:02d}/{1 + place // 12 % 12:02d}/{1900 + place // 144}" for place in range(1500)]
    columns = {"when": ParsedColumn(pa.array([*many, "31/01/2001"]))}
    found = choose_features(columns, None, scaling="standardize")
    assert found.used["when"].format == "%d/%m/%Y"
    assert not found.notes


def test_inspect_and_check_say_what_is_unclear_about_dates(
    tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    path = tmp_path / "t.csv"
    rows = []
    for place in range(30):
        zone = "" if place in (4, 7) else "Z"
        rows.append(f"{1 + place % 12:02d}/0{1 + place % 9}/2024,2024-05-31 08:{place:02d}{zone},{place}")
    path.write_text("when,at,y\n" + "\n".join(rows) + "\n")
    unclear = "column 'when': day and month cannot be told apart, it is read as %m/%d/%Y;"
    mixed = "column 'at': 2 of 30 dates name no time zone (rows 5, 8), the others do; a date without one "
    mixed += "counts as UTC"
    warnings = "\n".join(find_warnings(survey_table(str(path), "y")))
    assert unclear in warnings
    assert mixed in warnings
    spec = tmp_path / "s.yaml"
    spec.write_text("dataset: {path: t.csv, target: y}\nlayers: [{Dense: {units: 1}}]\nloss: mse\n")
    shown = " ".join(mlpcli("check", spec).out.split())
    assert unclear in shown
    assert mixed in shown
    made = mlpcli("init", path, "--target", "y", "-o", tmp_path / "new.yaml")
    assert made.status == 0
    assert unclear in " ".join(made.out.split())
    assert "day and month cannot be told apart" in (tmp_path / "new.yaml").read_text()


@example("2024-05-31T08:00+09:00")
@given(st.text(st.sampled_from("0123456789-/.:+ TZUCGM,é"), max_size=50))
def test_any_text_is_parsed_without_an_error(text: str) -> None:
    for format in FORMATS:
        assert parse_dates([text, "x"], format).valid.shape == (2,)
    assert find_format({text: 1}) is None or parse_dates([text], find_format({text: 1}) or "").valid[0]
