"""What a model looks at: the importance of its columns, and how its prediction follows a column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.dataset import Contract, Output, Split
from mlpcli.data.features.dates import parse_dates
from mlpcli.data.features.encoders import DateEncoder
from mlpcli.data.features.image_encoder import pixel_column
from mlpcli.data.features.verification_sample import Sample
from mlpcli.data.label_keys import label_number
from mlpcli.data.levels import median_of
from mlpcli.data.named_arrays import of_name
from mlpcli.data.raw_columns import (
    column_places,
    correlated_groups,
    places_beside_images,
    values_at,
    with_values,
)
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays, NumberType
from mlpcli.errors import Problem, UsageError
from mlpcli.inference.evaluate import predict_outputs, values_of
from mlpcli.inference.named_in_options import no_metric
from mlpcli.inference.own_data import own_data, own_split
from mlpcli.inference.row_values import RowValues, row_values
from mlpcli.model.build import output_loss
from mlpcli.model.default_losses import gives_scores
from mlpcli.model.trained_model import TrainedModel, load_trained
from mlpcli.runs.explanation import ColumnImportance, Dependence, Explanation
from mlpcli.runs.folder import Run
from mlpcli.runs.scores import more_is_better
from mlpcli.spec.schema import ComponentSpec
from mlpcli.statistics.bootstrap import draw_counts
from mlpcli.training.row_metrics import RowMetric

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 10_000
"""Of more rows a random sample is permuted, and said."""

LEAST_ROWS = 500
"""However large the network is, so many are permuted."""

MOST_PRODUCTS = 6e10
"""Multiplications of all predictions together: of a large network fewer rows are permuted, and said."""

REPEATS = 5
RESAMPLES = 500
ROUNDING = 1e-12
"""Of a metric; smaller differences of two sums are those of the order in which they are added."""

CORRELATED = 0.8
STRONGEST = 6
"""The columns whose dependence is drawn."""

Progress = Callable[[int, int], None]

GRID = 20
LINES = 30
DEPENDENCE_ROWS = 500


def explain_run(
    run: Run,
    *,
    split: str = "test",
    metric: str | None = None,
    repeats: int = REPEATS,
    rows: int | None = None,
    progress: Progress = lambda done, of: None,
) -> Explanation:
    """Measure the importance of each raw column, and how the predictions depend on the strongest.

    The importance of a column is how much worse a metric becomes when the values of the column are shuffled
    among the rows (Breiman 2001; Fisher, Rudin and Dominici 2019). It says what this model relies on,
    not what causes what. Correlated columns stand in for each other, so they are also permuted together.

    Args:
        run: the run.
        split: on which of its splits; test rows say what holds for new ones.
        metric: its name; None for the first that is no loss, else the loss.
        repeats: how often each column is shuffled.
        rows: the most rows; None for 10,000, and fewer of a large network.
        progress: called with how many of how many predictions of all rows are made.

    Raises:
        UsageError: the rows have no columns, or there is no such metric or split; a number is below 1.
    """
    if repeats < 1 or (rows is not None and rows < 1):
        rule = "repeats and rows must be at least 1"
        raise UsageError(Problem(rule, received=repeats if repeats < 1 else rows))
    trained = load_trained(run)
    own = own_data(trained)
    found, warnings = own_split(trained, own, split)
    places = column_places(trained.contract)
    if not places:
        rule = f"run {run.label} reads rows of {' x '.join(map(str, trained.contract.shape))} values"
        raise UsageError(Problem(rule, hint="explain is for rows of columns: tables, and flat arrays"))
    beside = places_beside_images(trained.contract)
    groups = correlated_groups(_some_flat(found, trained, places), beside, CORRELATED) if beside else []
    wanted = [*((name,) for name in places), *groups]
    most = _most_rows(trained, repeats * len(wanted)) if rows is None else rows
    sampled = _sampled(found, most, trained.spec.seed)
    measured, why = _metric_of(trained, sampled, metric)
    importances = _importances(trained, sampled, measured, wanted, places, repeats, progress)
    columns = sorted((each for each in importances if len(each.columns) == 1), key=_strength)
    if columns and not any(each.value or any(each.interval) for each in columns):
        why = f"{measured.names[0]} is the same whichever column is shuffled: --metric loss says more"
    strongest = [each.columns[0] for each in columns[:STRONGEST] if each.value > 0]
    base = float(_value(measured, measured.sums(trained.spec.seed).sum(axis=0)))
    return Explanation(
        source=split,
        rows=len(sampled),
        of_rows=len(found),
        metric=measured.names[0],
        base=base,
        columns=tuple(columns),
        groups=tuple(sorted((each for each in importances if len(each.columns) > 1), key=_strength)),
        dependences=tuple(_dependences(trained, sampled, own.dataset.sample, strongest, places)),
        repeats=repeats,
        warnings=(*trained.warnings, *warnings, *([why] if why else [])),
    )


def _most_rows(trained: TrainedModel, predictions: int) -> int:
    """Return how many rows can be predicted so often, by the number of the network's weights."""
    products = max(trained.model.count_params(), 1) * max(predictions, 1)
    return int(min(MOST_ROWS, max(LEAST_ROWS, MOST_PRODUCTS / products)))


def _some_flat(split: Split, trained: TrainedModel, places: Mapping[str, tuple[int, ...]]) -> Array:
    """Return at most `MOST_ROWS` of the rows as flat rows, in which correlation is measured."""
    some = _sampled(split, MOST_ROWS, trained.spec.seed)
    return _flat(some.x, trained.contract, places)


def _strength(each: ColumnImportance) -> float:
    return -each.value


def _sampled(split: Split, most: int, seed: int) -> Split:
    """Return some of the rows of a split, drawn at random; all where there are no more."""
    if len(split) <= most:
        return split
    chosen = np.sort(np.random.default_rng(seed).choice(len(split), most, replace=False))
    return _take(split, chosen)


def _take(split: Split, chosen: Array) -> Split:
    def pick(arrays: Arrays | None) -> Arrays | None:
        if isinstance(arrays, dict):
            return {name: each[chosen] for name, each in arrays.items()}
        return None if arrays is None else arrays[chosen]

    return Split(pick(split.x), pick(split.y), split.rows[chosen], pick(split.weights))


def _flat(x: Arrays, contract: Contract, places: Mapping[str, tuple[int, ...]]) -> Array:
    """Return rows as flat rows, (rows, width)."""
    width = 1 + max(place for each in places.values() for place in each)
    return values_at(x, contract, range(width)) if isinstance(x, dict) else np.asarray(x)


def _metric_of(trained: TrainedModel, split: Split, name: str | None) -> tuple[RowMetric, str]:
    """Return the metric by which columns are judged, measured on the rows as they are; and why not the first.

    Raises:
        UsageError: there is none of this name, or it is no function of sums over rows.
    """
    found = row_values(trained, split)
    if name is None:
        named = [each for each in found.metrics if each.names != ("loss",) and len(each.names) == 1]
        first = named[0] if named else found.metrics[0]
        if not _is_at_its_worst(trained, split, first):
            return first, ""
        areas = [each for each in named if "auc" in each.names[0]]
        chosen = areas[0] if areas else found.metrics[0]
        still = f"{first.names[0]} is no better than with one class for all rows, which no column can lower"
        return chosen, f"{still}: columns are judged by {chosen.names[0]}"
    known = [each for metric in found.metrics for each in metric.names]
    if name in found.left_out:
        raise UsageError(
            Problem(f"--metric {name}: {found.left_out[name]}", hint=f"choose {', '.join(known)}")
        )
    measured = found.metric(name)
    if measured is None:
        raise no_metric(name, trained.run.label, known)
    return measured, ""


def _is_at_its_worst(trained: TrainedModel, split: Split, metric: RowMetric) -> bool:
    """Return whether a metric of predicted classes is what one class for all rows would have, or worse."""
    output = next((each for each in trained.contract.outputs if each.name == metric.output), None)
    if output is None or output.kind not in ("classes", "one_hot"):
        return False
    value = float(_value(metric, metric.sums(trained.spec.seed).sum(axis=0)))
    if metric.is_share:
        counts = np.bincount(class_indices(np.asarray(of_name(split.y, output.name))).reshape(-1))
        return bool(value <= counts.max() / counts.sum() + ROUNDING)
    return more_is_better(metric.names[0]) and not value > 0


def _value(metric: RowMetric, sums: Array) -> Array:
    """Return the first value of a metric for sums of addends."""
    return np.asarray(metric.values(sums)[..., 0])


def _importances(
    trained: TrainedModel,
    split: Split,
    base: RowMetric,
    wanted: Sequence[tuple[str, ...]],
    places: Mapping[str, tuple[int, ...]],
    repeats: int,
    progress: Progress,
) -> list[ColumnImportance]:
    """Return the importance of each column or group of columns."""
    from mlpcli.checks.log_names import directions

    name, seed = base.names[0], trained.spec.seed
    sign = -1.0 if directions(trained.model, validation=False).get(name) == "max" else 1.0
    own = base.sums(seed)
    counts = np.concatenate(list(draw_counts(len(own), RESAMPLES, seed)))
    resampled, whole = base.drawn(counts @ own)[..., 0], float(_value(base, own.sum(axis=0)))
    orders = [np.random.default_rng([seed, repeat]).permutation(len(split)) for repeat in range(repeats)]
    found = []
    for number, columns in enumerate(wanted):
        positions = [place for column in columns for place in places[column]]
        sums = []
        for repeat, order in enumerate(orders):
            metric = _shuffled(trained, split, positions, order).metric(name)
            assert metric is not None
            sums.append(metric.sums(seed))
            progress(number * repeats + repeat + 1, len(wanted) * repeats)
        drawn = counts @ np.concatenate(sums, axis=1)  # at once: the draws are what takes long to read
        values = _value(base, np.stack([each.sum(axis=0) for each in sums]))
        worse = _value(base, drawn.reshape(len(counts), repeats, -1)).mean(axis=1) - resampled
        low, high = np.nanpercentile(sign * worse, [2.5, 97.5])
        mean = sign * (float(values.mean()) - whole)
        least = ROUNDING * abs(whole)
        found.append(
            ColumnImportance(columns, _rounded(mean, least), (_rounded(low, least), _rounded(high, least)))
        )
    return found


def _rounded(value: float, least: float) -> float:
    """Return a value, or 0 where it is no more than what the order of a sum leaves; never -0.0."""
    return 0.0 if abs(value) <= least else float(value)


def _shuffled(trained: TrainedModel, split: Split, positions: Sequence[int], order: Array) -> RowValues:
    """Return what rows add to the metrics when some of their values come from other rows."""
    values = values_at(split.x, trained.contract, positions)[order]
    return row_values(trained, replace(split, x=with_values(split.x, trained.contract, positions, values)))


def _dependences(
    trained: TrainedModel,
    split: Split,
    sample: Sample | None,
    columns: Sequence[str],
    places: Mapping[str, tuple[int, ...]],
) -> list[Dependence]:
    """Return how the predictions follow some columns, where the raw values of rows are known.

    Args:
        trained: the model.
        split: the rows.
        sample: rows of the run's table with their raw values; None for data that is no table.
        columns: raw columns.
        places: by column, the positions of its values.
    """
    few = _sampled(split, DEPENDENCE_ROWS, trained.spec.seed)
    output = trained.contract.outputs[0]
    loss = output_loss(trained.spec, output.name)
    found = []
    for name in columns:
        grid = _grid(sample, trained.contract, name, places[name])
        if grid is None:
            continue
        values, blocks = grid
        curves = []
        for block in blocks:
            x = with_values(few.x, trained.contract, places[name], block)
            shown, curve = shown_of(output, loss, values_of(predict_outputs(trained, x), output))
            curves.append(curve)
        table = np.stack(curves, axis=1)  # (rows, grid)
        found.append(
            Dependence(name, values, table.mean(axis=0), table[:LINES], shown, _others(trained.contract))
        )
    return found


def _others(contract: Contract) -> tuple[str, ...]:
    """Return what is predicted beside what `shown_of` shows of the first output."""
    first, *further = contract.outputs
    named = (first.classes or ()) if first.is_scored else first.target
    both = first.is_scored and first.kind != "labels" and len(named) == 2
    return (*(() if both else named[1:]), *(name for each in further for name in each.target))


def _grid(
    sample: Sample | None, contract: Contract, name: str, places: Sequence[int]
) -> tuple[tuple[float | str, ...], Array] | None:
    """Return values of a column, in order, and what each becomes in a row; None where they are not known."""
    import pyarrow as pa

    if sample is None or contract.preprocessor is None:
        return None
    raw = sample.columns[name]
    if not isinstance(raw, list) and raw.ndim > 1:  # images, which have no order
        return None
    cells = {each: pa.chunked_array([_cells(column)]) for each, column in sample.columns.items()}
    preprocessor = contract.preprocessor  # of a mean of folds, each of which encodes a row in its own way
    encoded = preprocessor.transform(preprocessor.columns(cells)).x[:, list(places)]
    encoder = next((each for each in preprocessor.encoders if each.name == name), None)
    if isinstance(raw, list) and isinstance(encoder, DateEncoder):
        at = _times_apart(raw, encoder, preprocessor.dialect.numbers)
        return (tuple(raw[place] for place in at), encoded[at]) if len(at) else None
    if isinstance(raw, list):
        names, first, counts = np.unique(np.array(raw, str), return_index=True, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:GRID]
        numbers = [label_number(text) for text in names[order]]
        if all(number is not None for number in numbers):
            order = order[np.argsort(np.array(numbers, np.float64), kind="stable")]
        return tuple(str(each) or "(missing)" for each in names[order]), encoded[first[order]]
    known = np.flatnonzero(np.isfinite(raw))
    if not len(known):
        return None
    ordered = known[np.argsort(raw[known], kind="stable")]
    at = np.unique(np.linspace(0, len(ordered) - 1, GRID).round().astype(int))
    values, first = np.unique(raw[ordered[at]], return_index=True)
    return tuple(float(value) for value in values), encoded[ordered[at]][first]


def _times_apart(raw: Sequence[str], encoder: DateEncoder, numbers: NumberType) -> Array:
    """Return the positions of cells whose times are quantiles of all, from the first to the last."""
    dates = parse_dates([text.strip() for text in raw], encoder.format, numbers)
    times = dates.days * 86_400.0 + dates.seconds
    known = np.flatnonzero(dates.valid)
    _, first = np.unique(times[known], return_index=True)
    ordered = known[first]
    at = np.unique(np.linspace(0, len(ordered) - 1, min(GRID, len(ordered))).round().astype(int))
    return np.asarray(ordered[at])


def _cells(column: list[str] | Array) -> pa.Array:
    """Return a column of raw values as PyArrow has it; that of images as bytes."""
    import pyarrow as pa

    return pa.array(column) if isinstance(column, list) or column.ndim == 1 else pixel_column(column)


def shown_of(output: Output, loss: ComponentSpec, values: Array) -> tuple[str, Array]:
    """Return what is drawn of predictions: its name, and its value in each row, (rows,) float64.

    It is the first number, of quantiles its median; the probability of the second of two classes, or their
    score; else the probability of the first class, or label.

    Args:
        output: the one that is drawn.
        loss: of the output.
        values: (rows, ...), as `predict_outputs` returns them.
    """
    values = median_of(values, output.levels) if output.levels else values
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    if not output.is_scored:
        return f"predicted {output.target[0]}", flat[:, 0]
    classes, width = output.classes or (), flat.shape[1]
    second = len(classes) == 2 and output.kind != "labels"
    what = "score" if second and width == 1 and gives_scores(loss) else "probability"
    return f"{what} of {classes[int(second)]}", flat[:, int(second and width == 2)]
