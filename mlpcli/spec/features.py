"""The `dataset.features` section: the kind of each column and how its values are prepared; `inputs`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlpcli.spec.image_keys import IMAGE_KEYS, BrokenFiles, ColorModeKey, Crop, Directory, ImageSize, Pad
from mlpcli.spec.text_keys import TEXT_KEYS, TextKeys

KINDS = ("numeric", "categorical", "boolean", "date", "text", "image", "ignore")
InputKind = Literal["numeric", "date", "categorical", "boolean", "text", "image", "missing"]
INPUT_KINDS = ("numeric", "date", "categorical", "boolean", "text", "image", "missing")
"""The kinds of columns by which an input is chosen; `missing` is the 0 and 1 of `missing: indicator`."""

INPUT_KINDS_RULE = f"a list of {', '.join(INPUT_KINDS)}"
DatePart = Literal["elapsed", "year", "month", "day", "weekday", "hour"]
DATE_PARTS: tuple[str, ...] = get_args(DatePart)
DateFormat = Literal[
    "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d",
    "%Y-%m", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y",
]  # fmt: skip
DATE_FORMATS: tuple[str, ...] = get_args(DateFormat)

KEYS_OF_KIND: dict[str, tuple[str, ...]] = {
    "numeric": ("scaling", "clip", "missing", "decimal", "thousands", "unit"),
    "boolean": ("missing",),
    "date": ("scaling", "clip", "missing", "parts", "format"),
    "categorical": ("missing", "encoding", "width", "min_count", "unseen"),
    "text": TEXT_KEYS,
    "image": (*IMAGE_KEYS, "directory"),
    "ignore": (),
}
"""The keys of each kind of column."""

Scaling = Literal["standardize", "minmax", "robust", "quantile", "log", "none"]
KIND_RULE = "numeric, categorical, boolean, date, text, image, ignore or {kind: ..., ...}"
SCALING_RULE = f"one of {', '.join(get_args(Scaling))}"
DATE_SCALINGS = ("standardize", "minmax", "robust", "quantile")
"""The scalings of the elapsed days and the year of a date."""

TargetScaling = Literal["standardize", "minmax", "log", "quantile"]
TARGET_SCALINGS: tuple[str, ...] = get_args(TargetScaling)
TARGET_SCALING_RULE = "standardize, minmax, log or quantile, or {method: ..., clip: true}"

Clip = Literal["smooth", "none"]
CLIP_RULE = "smooth (to between -3 and 3, after scaling) or none"


THOUSANDS_PATTERN = "^[,. ']?$"
THOUSANDS_RULE = "',', '.', ' ' or an apostrophe, the separator of thousands, or '' for none"


class FeatureSpec(TextKeys):
    """One column. Keys that are left out are inferred from the data; `resolved.yaml` states all of them.

    Attributes:
        missing: for numbers, booleans and dates `mean`, `median`, a number, `indicator` (the mean, and an
            extra column of 0 and 1), or `error`; for categories `bucket`, `error`, or the name of a category;
            for texts `empty` (no words) or `error`.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    kind: Annotated[
        Literal["numeric", "categorical", "boolean", "date", "text", "image", "ignore"] | None,
        Field(description=f"one of {', '.join(KINDS)}"),
    ] = None
    scaling: Annotated[Scaling | None, Field(description=SCALING_RULE)] = None
    clip: Annotated[Clip | None, Field(description=CLIP_RULE)] = None
    missing: Annotated[
        str | Annotated[float, Field(allow_inf_nan=False)] | None,
        Field(
            description="mean, median, a number, indicator or error; for a category bucket, error or a "
            "string; for a text empty or error"
        ),
    ] = None
    encoding: Annotated[Literal["one_hot", "embedding"] | None, Field(description="one_hot or embedding")] = (
        None
    )
    width: Annotated[
        int | None, Field(gt=0, le=1024, description="a positive number of values of an embedding")
    ] = None
    min_count: Annotated[
        int | None, Field(gt=0, description="a positive number of rows that a category or a word must have")
    ] = None
    unseen: Annotated[
        Literal["bucket", "error", "null"] | None, Field(description="bucket, error or null")
    ] = None
    parts: Annotated[
        list[DatePart] | None,
        Field(min_length=1, description=f"a list of {', '.join(DATE_PARTS)}"),
    ] = None
    format: Annotated[DateFormat | None, Field(description=f"one of {', '.join(DATE_FORMATS)}")] = None

    decimal: Annotated[Literal[".", ","] | None, Field(description="'.' or ',', the decimal separator")] = (
        None
    )
    thousands: Annotated[str | None, Field(pattern=THOUSANDS_PATTERN, description=THOUSANDS_RULE)] = None
    unit: Annotated[
        str | None, Field(max_length=16, description="what stands beside each number, such as '%' or kg")
    ] = None
    image_size: ImageSize = None
    color_mode: ColorModeKey = None
    crop_to_aspect_ratio: Crop = None
    pad_to_aspect_ratio: Pad = None
    broken_files: BrokenFiles = None
    directory: Directory = None

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: object) -> object:
        if isinstance(value, str):
            return {"kind": value}
        if isinstance(value, dict) and value.get("unseen", "") is None:  # YAML reads null as nothing
            return value | {"unseen": "null"}
        return value

    def given(self) -> dict[str, Any]:
        """Return the keys that the spec gives, as plain values, the kind first."""
        found = self.model_dump(exclude_none=True)
        return {"kind": found.pop("kind"), **found} if "kind" in found else found


class TargetScalingSpec(BaseModel):
    """How numeric targets are scaled for the training; `log` alone is short for `{method: log}`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    method: Annotated[
        TargetScaling,
        Field(description=f"one of {', '.join(TARGET_SCALINGS)}"),
    ] = "standardize"
    clip: Annotated[
        bool, Field(description="true or false: whether predictions stay in the range of the training rows")
    ] = False

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: object) -> object:
        return {"method": value} if isinstance(value, str) else value

    def plain(self) -> str | dict[str, Any]:
        """Return the values as `resolved.yaml` has them."""
        return self.model_dump() if self.clip else self.method


RANGE = r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*"
"""A range of columns by their positions: `0:5`, `5:`, `-3:`."""
RangeText = Annotated[str, Field(json_schema_extra={"pattern": f"^{RANGE}$"})]
"""A range for an editor; whether it is one, and of this table, is checked with the data."""


class InputSpec(BaseModel):
    """One input of the network: some columns of every row, by name or by kind; all where none are named."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    columns: Annotated[
        RangeText | Annotated[list[str | int], Field(min_length=1)] | None,
        Field(description="a list of column names or positions, or a range such as '0:5'"),
    ] = None
    kinds: Annotated[
        Annotated[list[InputKind], Field(min_length=1)] | None, Field(description=INPUT_KINDS_RULE)
    ] = None
