"""What an explanation of a model says: plain values, which `report/` shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.printable import printable
from mlpcli.runs.result_texts import between, format_number, text_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ColumnImportance:
    """How much worse a metric becomes when some columns are shuffled among the rows.

    columns: one, or a group that is permuted together.
    value: the mean over the repeats; positive is worse, whatever the direction of the metric.
    interval: of 95%, by a paired bootstrap over rows.
    """

    columns: tuple[str, ...]
    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Dependence:
    """How the prediction follows one column: partial dependence, and the curves of single rows.

    values: of the column, in order: numbers, or texts.
    mean: (values,), the mean prediction if all rows had this value.
    rows: (some rows, values), the predictions of single rows.
    shown: what is predicted.
    others: what is predicted beside it: classes, or targets.
    """

    column: str
    values: tuple[float | str, ...]
    mean: NDArray[np.float64]
    rows: NDArray[np.float64]
    shown: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """What a model looks at.

    source: the split; rows of it, of so many, were used.
    metric, base: by which columns are judged, and its value on these rows.
    columns, groups: the importance of each column, and of correlated ones together; the strongest first.
    """

    source: str
    rows: int
    of_rows: int
    metric: str
    base: float
    columns: tuple[ColumnImportance, ...]
    groups: tuple[ColumnImportance, ...]
    dependences: tuple[Dependence, ...]
    repeats: int
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        head = (
            f"how much worse {self.metric} becomes when a column is shuffled, on {self.rows:,} rows of "
            f"{self.source}, where it is {format_number(self.base)}"
        )
        rows = [
            (", ".join(each.columns), format_number(each.value), between(each.interval))
            for each in (*self.columns, *self.groups)
        ]
        table = text_table(("column", self.metric, "95% interval"), rows)
        return "\n".join([printable(head), table, *map(printable, self.warnings)])


BACKGROUND = 64
"""Training rows with which an explained row is compared."""

STRONGEST = 5
"""Columns that the text of an explained row names."""


@dataclass(frozen=True)
class ExplainOptions:
    """How predictions are explained.

    Attributes:
        strongest: how many columns the text of a row names.
        class_name: the class or label whose probability is explained; None for the predicted one.
        groups: columns that are explained together; `a,b`, `name=a,b` or `correlated`.
        background: the most training rows to compare with.
        pictures: the folder into which images are drawn with what their pixels add.
    """

    strongest: int = STRONGEST
    class_name: str | None = None
    groups: tuple[str, ...] = ()
    background: int = BACKGROUND
    pictures: Path = Path("saliency")


@dataclass(frozen=True)
class ExplainedRows:
    """How predictions were explained, and how exact that is.

    method: `exact` or `sampled` Shapley values; for images `expected gradients`.
    background: with how many training rows each row was compared.
    groups: how many columns or groups of columns share a prediction; for images how many were drawn.
    residual: the largest distance between a prediction and the base with all contributions, as written.
    error: the largest standard error of a contribution; 0 where they are exact.
    strongest: the mean contribution of a row's strongest column, without its sign, to judge both by.
    columns: the names of what was written of them.
    pictures: the folder of the images that were drawn.
    """

    method: str
    background: int
    groups: int
    residual: float
    error: float
    strongest: float
    columns: tuple[str, ...] = ()
    pictures: Path | None = None


@dataclass(frozen=True)
class ExplainedImage:
    """One image, and how exactly its pixels add up to its prediction.

    row: its number in the data, from 1.
    file: that it is; empty where several are in one.
    truth, predicted: class names, or numbers as text; empty where there is no single one.
    value, base: the prediction that is explained, and the mean one of the background rows.
    residual: the prediction less the base and all pixels.
    """

    row: int
    truth: str
    predicted: str
    value: float
    base: float
    residual: float
    file: str = ""


@dataclass(frozen=True)
class ExplainedImages:
    """What a model looks at in images: the most wrong ones first, then others.

    source: the split.
    name: what is explained: the target.
    background: with how many training rows each image was compared.
    shown: for each image what is known of it.
    images, maps: (images, *shape); what each value adds.
    wrong: how many of them are predicted wrongly; they are the first.
    """

    source: str
    name: str
    background: int
    shown: tuple[ExplainedImage, ...]
    images: NDArray[np.generic]
    maps: NDArray[np.float64]
    wrong: int
    warnings: tuple[str, ...] = ()
