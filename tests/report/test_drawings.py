"""Every figure as PNG and SVG: both themes, readable, in their bounds, and the same bytes again."""

from __future__ import annotations

import itertools
import math
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.plots import drawing
from mlpcli.plots.class_curves import draw_class_curves
from mlpcli.plots.column_importance import draw_dependence, draw_importance
from mlpcli.plots.compare_runs import draw_histories
from mlpcli.plots.confusion_matrix import draw_confusion_matrix
from mlpcli.plots.decision_boundary import draw_decision_boundary, grid_points, predict_plane
from mlpcli.plots.drawing import Drawing
from mlpcli.plots.learning_curves import draw_learning_curves
from mlpcli.plots.reliability_curves import Panel, draw_reliability
from mlpcli.plots.residuals import draw_residuals
from mlpcli.plots.residuals_by_column import draw_residuals_by_column
from mlpcli.plots.style import BLUE, CLASS_COLORS, DARK, INK, PAPER, RED, SOFT, cell_ink, contrast, mixed
from mlpcli.plots.unit_patterns import SIDE, LayerPattern, unit_colors
from mlpcli.plots.worst_images import draw_worst_images
from mlpcli.statistics.calibration import Bin
from mlpcli.statistics.ranking import ranking_curves
from tests.conftest import Result

TITLE = "a_name_of_an_experiment_that_is_long/2026-11-28_20-00-00 on validation and more"
READABLE = 4.5
"""The contrast that text needs (WCAG 2.2, 1.4.3)."""

NAMES = tuple(f"the class of number {index} of all" for index in range(100))
RANDOM = np.random.default_rng(0)


def _history(epochs: int) -> list[dict[str, float]]:
    names = ("loss", "val_loss", "a_metric_with_a_name_longer_than_its_panel_at_the_output_of_prices")
    return [
        {"epoch": epoch, "learning_rate": 0.1 / epoch} | dict.fromkeys(names, 1e6 / epoch)
        for epoch in range(1, epochs + 1)
    ]


def _matrix(classes: int) -> Drawing:
    counts = np.diag(np.full(classes, 1234)) + RANDOM.integers(0, 3, (classes, classes))
    return draw_confusion_matrix(counts.astype(np.int64), NAMES[:classes], title=TITLE)


def _curves(classes: int) -> Drawing:
    found = {
        NAMES[index]: ranking_curves(RANDOM.random(60) > 0.5, RANDOM.random(60)) for index in range(classes)
    }
    return draw_class_curves(found, title=TITLE, threshold=0.5 if classes == 1 else None)


def _residuals(rows: int) -> Drawing:
    truth = np.exp(RANDOM.normal(size=rows)) * 1e5
    return draw_residuals(truth, truth * 1.1, target="the price of a house in its own units", title=TITLE)


def _by_column() -> Drawing:
    columns: dict[str, Any] = {NAMES[index]: RANDOM.normal(size=50) * 10.0**index for index in range(14)}
    columns["on"] = np.datetime64("2024-01-01", "s") + np.arange(50) * np.timedelta64(9000, "s")
    columns["weekend"] = np.arange(50) % 2 * 1.0
    columns["place"] = RANDOM.choice(np.array(NAMES[:30], dtype=object), 50)
    residual = RANDOM.normal(size=50) * 1e5
    residual[3] = 1e9
    return draw_residuals_by_column(columns, residual, title=TITLE)


def _plane(classes: int) -> Drawing:
    x = RANDOM.normal(size=(40, 2)).astype(np.float32)
    splits = {name: (x, np.arange(40) % max(classes, 1)) for name in ("train", "validation", "test")}

    def predict(points: np.ndarray) -> np.ndarray:
        shape = (len(points), max(classes, 1))
        return np.abs(points[:, :1] * np.arange(1, shape[1] + 1) % 3) / 3 + np.zeros(shape)

    def patterns(low: np.ndarray, high: np.ndarray) -> list[LayerPattern]:
        maps = np.tanh(grid_points(low, high, SIDE)[:, :1].repeat(8, axis=1)).T.reshape(8, SIDE, SIDE)
        return [LayerPattern("a_layer_with_a_very_long_name_of_its_own, sigmoid", 64, maps)] * 6

    plane = predict_plane(predict, splits, None, patterns)
    features = ("the length of a petal in the units of the botanist", "width")
    names = NAMES[:classes]
    return draw_decision_boundary(
        plane, splits, title=TITLE, features=features, classes=names, target="y" * 60
    )


def _reliability() -> Drawing:
    bins = [Bin(*values) for values in zip((0.1, 0.5, 0.9), (0.2, 0.4, 0.9), (3, 40, 7), strict=True)]
    name = "an output with a long name, validation"
    panel = Panel(bins, bins, f"predicted probability of {NAMES[0]}", f"share that is {NAMES[0]}")
    return draw_reliability({name: panel, "test": panel}, title=TITLE)


def test_a_bin_of_few_predictions_is_hollow_and_no_line_goes_through_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many, few = [Bin(0.1, 0.1, 300), Bin(0.5, 0.5, 100), Bin(0.9, 0.9, 50)], Bin(0.7, 0.0, 2)
    seen: list[Any] = []
    monkeypatch.setattr("mlpcli.plots.reliability_curves.finish", seen.append)
    draw_reliability({"test": Panel(many, many)}, title="")
    draw_reliability({"test": Panel(many, [*many, few], "of ja", "is ja")}, title="")
    plain, drawn = seen
    (axes,) = drawn.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("of ja", "is ja")
    assert [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) > 2] == [
        [0.1, 0.5, 0.9]
    ] * 2
    bars = [line.get_ydata() for line in axes.lines if list(line.get_xdata()) == [0.7, 0.7]]
    assert bars[0][0] == 0
    assert bars[0][1] > 0.6  # the interval of 0 of 2
    texts = [[text.get_text() for text in each.legends[0].get_texts()] for each in (plain, drawn)]
    assert [text[-1] for text in texts] == ["after calibration", "fewer than 10 predictions"]


def _importance() -> Drawing:
    values = list(np.linspace(0.3, 0, 40))
    ends = [(value - 0.02, value + 0.02) for value in values]
    return draw_importance(NAMES[:40], values, ends, metric="mean_absolute_percentage_error", title=TITLE)


def _dependence() -> Drawing:
    ages = (NAMES[0], list(np.linspace(0, 8e5, 9)), RANDOM.random(9), RANDOM.random((5, 9)))
    places = (NAMES[1], [*NAMES[:9]], RANDOM.random(9), RANDOM.random((5, 9)))
    return draw_dependence([ages, places], shown="probability of something with a long name", title=TITLE)


def _comparison() -> Drawing:
    drawn = draw_histories([{"epoch": [1.0, 2.0], "val_loss": [2.0, 1.0]}] * 12, [TITLE] * 12)
    assert drawn is not None
    return drawn


DRAWN: dict[str, Callable[[], Drawing]] = {
    "curves of one epoch": lambda: draw_learning_curves(_history(1), title=TITLE, best_epoch=1),
    "curves of 12,000 epochs": lambda: draw_learning_curves(
        _history(12_000), title=TITLE, best_epoch=1234, planned=50_000
    ),
    "2 classes": lambda: _matrix(2),
    "15 classes": lambda: _matrix(15),
    "100 classes": lambda: _matrix(100),
    "ranking of a class": lambda: _curves(1),
    "ranking of many": lambda: _curves(12),
    "residuals of many": lambda: _residuals(4000),
    "residuals by column": _by_column,
    "a plane of classes": lambda: _plane(12),
    "a plane of numbers": lambda: _plane(0),
    "images": lambda: draw_worst_images(
        RANDOM.random((9, 8, 8)), [(NAMES[0], f"{NAMES[1]} (0.99)")] * 9, title=TITLE
    ),
    "reliability": _reliability,
    "importance": _importance,
    "dependence": _dependence,
    "comparison": _comparison,
}


@pytest.fixture(params=DRAWN)
def finished(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Drawing]:
    """A figure of matplotlib, and its files."""
    figures: list[Any] = []

    def finish(figure: Any, **settings: bool) -> Drawing:
        figures.append(figure)
        return drawing.finish(figure, **settings)

    for name, module in list(sys.modules.items()):
        if name.startswith("mlpcli.plots.") and name != drawing.__name__ and hasattr(module, "finish"):
            monkeypatch.setattr(module, "finish", finish)
    drawn = DRAWN[request.param]()
    return figures[0], drawn


def test_a_figure_is_an_svg_for_both_themes_whose_texts_have_room(finished: tuple[Any, Drawing]) -> None:
    figure, drawn = finished
    assert drawn.png.startswith(b"\x89PNG")
    _check_svg(drawn.svg)
    _check_texts(figure)


def _check_texts(figure: Any) -> None:
    """Check that every text is in the figure, and none on another."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    renderer, whole, boxes = FigureCanvasAgg(figure).get_renderer(), figure.bbox, []
    figure.draw_without_rendering()
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible():
            box = text.get_window_extent(renderer)
            if box.width > 0 and _is_drawn(text, figure):
                boxes.append((text.get_text(), box))
    assert boxes
    for words, box in boxes:
        out = (whole.x0 - box.x0, box.x1 - whole.x1, whole.y0 - box.y0, box.y1 - whole.y1)
        assert max(out) < 2, (words, out)
    for (words, first), (others, second) in itertools.combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        up = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across < 1.5 or up < 2.5, (words, others)


def _is_drawn(text: Any, figure: Any) -> bool:
    """Return whether a text is drawn: labels of ticks outside of their axis are not."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if text in (tick.label1, tick.label2):
                    low, high = sorted(axis.get_view_interval())
                    return bool(axes.axison and low <= tick.get_loc() <= high)
        if not axes.axison and text in (axes.xaxis.label, axes.yaxis.label):
            return False
    return True


def _check_svg(svg: bytes) -> None:
    root = ET.fromstring(svg)
    words = [text for each in root.iter() if each.tag.endswith("}text") for text in each.itertext()]
    assert any("a_name_of_an" in text for text in words)
    assert b"prefers-color-scheme:dark" in svg
    assert f"fill: {INK}]" in svg.decode().replace('"', "")
    assert b"dc:date" not in svg
    assert b"text{white-space:pre}" in svg  # several spaces stay several
    assert len(svg) < 500_000
    for each in root.iter():
        assert "#000000" not in each.get("style", ""), "a colour without a dark counterpart"


def test_the_same_figure_is_the_same_bytes() -> None:
    rows = [{"epoch": 1.0, "loss": 2.0}]
    first, second = (draw_learning_curves(rows, title="x", best_epoch=1) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("color", [INK, SOFT, RED, *CLASS_COLORS])
def test_colours_are_readable_in_both_themes(color: str) -> None:
    assert contrast(color, PAPER) >= READABLE
    assert contrast(DARK[color], DARK[PAPER]) >= READABLE


@pytest.mark.parametrize("alpha", np.linspace(0, 1, 21))
def test_a_number_on_a_cell_is_readable_in_both_themes(alpha: float) -> None:
    ink = cell_ink(BLUE, alpha)
    assert contrast(ink, mixed(BLUE, PAPER, alpha)) >= READABLE
    assert contrast(DARK[ink], mixed(DARK[BLUE], DARK[PAPER], alpha)) >= READABLE


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_a_dark_png_on_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    from matplotlib.image import imread

    light = _matrix(2)
    monkeypatch.setenv("MLPCLI_FIGURES", "dark")
    dark = _matrix(2)
    assert len(light.svg) == pytest.approx(len(dark.svg), rel=0.02)  # of both themes, whatever the PNG is
    dark.write(tmp_path / "dark.png")
    corner = imread(tmp_path / "dark.png")[2, 2, :3] * 255
    np.testing.assert_allclose(corner, [int(DARK[PAPER][at : at + 2], 16) for at in (1, 3, 5)], atol=1)
    assert (tmp_path / "dark.svg").read_bytes() == dark.svg
    monkeypatch.setenv("MLPCLI_FIGURES", "blue")
    refused = mlpcli("runs", "--runs-dir", tmp_path)
    assert refused.status == 2
    assert "MLPCLI_FIGURES must be light or dark" in refused.err


def test_a_file_that_a_person_names_has_none_beside_it(tmp_path: Path) -> None:
    drawn = Drawing(b"png", b"svg")
    drawn.write(tmp_path / "a.png", beside=False)
    drawn.write(tmp_path / "b.svg", beside=False)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.png": b"png", "b.svg": b"svg"}


def test_what_is_below_zero_has_stripes() -> None:
    values = np.concatenate([np.full((12, 12), -1.0), np.full((12, 12), 0.5)])
    alpha = unit_colors(values)[..., 3]
    assert len(np.unique(alpha[:12])) == 2
    assert len(np.unique(alpha[12:])) == 1
    assert not unit_colors(np.zeros((3, 3)))[..., 3].any()
    assert math.isclose(unit_colors(np.array([[2.0, 4.0]]))[0, 0, 3], 0)  # never below 0: its whole range


# ---------------------------------------------------------------- hidden units


def _models() -> dict[str, Any]:
    from mlpcli.keras_import import import_keras, tf

    keras = import_keras()
    layers = keras.layers
    start = keras.Input((2,))
    joined = layers.Dense(4, name="first")(start)
    joined = layers.Activation("tanh")(layers.BatchNormalization()(joined))
    joined = layers.Concatenate()([start, layers.Dropout(0.5)(joined)])
    joined = layers.Dense(3, activation="relu", name="second")(joined)
    functional = keras.Model(start, layers.Dense(1, activation="sigmoid")(joined))

    class Own(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = layers.Dense(5, activation="relu"), layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.last(self.first(x) * 2.0)

    class Traced(Own):
        @tf.function  # type: ignore[untyped-decorator]
        def call(self, x: Any) -> Any:
            return super().call(x)

    own = Own()
    own(np.zeros((1, 2), np.float32))
    sequential = keras.Sequential([keras.Input((2,)), layers.Dense(6, "tanh", name="first"), layers.Dense(1)])
    return {"sequential": sequential, "functional": functional, "own": own, "traced": Traced()}


def test_hidden_units_are_those_of_the_network() -> None:
    from mlpcli.keras_import import import_keras
    from mlpcli.model.hidden_outputs import hidden_outputs

    keras, models = import_keras(), _models()
    x = RANDOM.normal(size=(7, 2)).astype(np.float32)

    def outputs(model: Any, layer: Any) -> Any:
        return np.asarray(keras.Model(model.inputs[0], layer.output)(x))

    (found,) = hidden_outputs(models["sequential"], x)
    assert found.name == "first, tanh"
    np.testing.assert_allclose(found.outputs, outputs(models["sequential"], models["sequential"].layers[0]))
    first, second = hidden_outputs(models["functional"], x)
    assert (first.name, second.name) == ("first, BatchNormalization, tanh", "second, relu")
    activation = models["functional"].get_layer(index=3)
    np.testing.assert_allclose(first.outputs, outputs(models["functional"], activation), atol=1e-6)
    second_layer = models["functional"].get_layer("second")
    np.testing.assert_allclose(second.outputs, outputs(models["functional"], second_layer), atol=1e-6)
    (found,) = hidden_outputs(models["own"], x)
    np.testing.assert_allclose(found.outputs, np.asarray(models["own"].first(x)), atol=1e-6)
    assert "call" not in vars(models["own"].first)  # nothing is left behind
    assert hidden_outputs(models["traced"], x) == []
