"""The forms of `dataset.test` and `dataset.validation` that say by which column, or how, rows are taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlpcli.errors import Problem
from mlpcli.spec.section import STRICT
from mlpcli.spec.values import ValueMap

SPLITS = ("test", "validation")
"""The splits of a dataset that are taken off its rows, in this order; the others are for training."""

TRAIN = "train"
NAMES_OF_SPLITS: dict[str, tuple[str, ...]] = {
    TRAIN: ("train", "training"),
    "validation": ("validation", "validate", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
"""What a row of `dataset.split` may say, and how a folder of a split may be called, in any case."""

AMOUNTS = frozenset(["last", "share"])
"""Keys of which a split has one."""

LAST_RULE = "a positive number of rows, or a fraction below 1"
SPLIT_RULE = (
    "a fraction between 0 and 1, a number of rows, {last: N}, {share: 0.2, by: COLUMN}, "
    "{last: 0.2, by: COLUMN}, a file, or null for none"
)

Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(gt=0)]


class SplitBy(BaseModel):
    """The last rows, by the file's order or a column of times; or a share of them, by whole groups.

    Attributes:
        last: how many rows, or which fraction of them.
        share: which fraction of the rows, drawn by the seed.
        by: for `last` a column of times; for `share` a column of groups, none of which is divided.
        stratify: `quantile` draws evenly from the range of a target of numbers.
    """

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"oneOf": [{"required": ["last"]}, {"required": ["share"]}]}
    )

    last: Annotated[Count | Fraction | None, Field(description=LAST_RULE)] = None
    share: Annotated[Fraction | None, Field(description="a fraction between 0 and 1")] = None
    by: Annotated[str | None, Field(min_length=1, description="the name of a column")] = None
    stratify: Annotated[
        Literal["quantile"] | None,
        Field(description="quantile, for a target of numbers; classes are stratified without it"),
    ] = None

    @property
    def rows(self) -> int | float:
        """How many rows, or which fraction of them."""
        wanted = self.share if self.last is None else self.last
        assert wanted is not None
        return wanted

    def plain(self) -> dict[str, Any]:
        """Return the values as a spec has them."""
        return self.model_dump(exclude_none=True)


SplitSpec = SplitBy | Count | Fraction | str


def split_form_problems(dataset: ValueMap) -> Iterator[Problem]:
    """Yield splits whose keys do not fit together: `{by: date}`, `{last: 5, stratify: quantile}`.

    Args:
        dataset: the plain values of the section; keys and values that do not fit alone are not reported.
    """
    for split in SPLITS:
        value = dataset.get(split)
        if not isinstance(value, dict) or not {*value} <= {*SplitBy.model_fields}:
            continue
        given = [key for key in sorted(AMOUNTS) if value.get(key) is not None]
        if len(given) != 1:
            rule = "must have share (a fraction of the rows) or last (the latest rows)"
            rule += ", not both" if given else ""
            hint = "write {share: 0.2, by: COLUMN} for groups, {last: 0.2, by: COLUMN} for times"
            yield Problem(rule, path=("dataset", split), received=value, hint=hint)
        elif given == ["last"] and value.get("stratify") is not None:
            rule = "is for rows that are drawn, the last rows are given"
            path = ("dataset", split, "stratify")
            yield Problem(
                rule, path=path, received=value["stratify"], hint="remove it, or write share for last"
            )
