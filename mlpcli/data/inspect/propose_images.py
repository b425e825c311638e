"""Propose a first spec for image files, which `mlpcli init` writes: a small convolutional network.

What is written for which images: see docs/photos.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlpcli.data.inspect.effort import Effort
from mlpcli.data.inspect.rare_class import positive_lines, second_class, threshold_lines
from mlpcli.data.inspect.survey import are_imbalanced
from mlpcli.data.inspect.survey_images import ImageSurvey
from mlpcli.errors import DataError, Problem
from mlpcli.printable import shortened
from mlpcli.spec.load import WRITTEN_BY_INIT

SIDES = (16, 32, 48, 64, 96, 128)
"""The sides of images to choose from where files have several sizes, or large ones."""

LARGEST_SIDE: Mapping[Effort, int] = {"fast": 48, "good": 64, "best": 128}
"""Of an image as the network takes it: time grows with its square."""

WIDTHS: Mapping[Effort, tuple[int, ...]] = {
    "fast": (16, 32, 64),
    "good": (32, 64, 128),
    "best": (32, 64, 128, 256),
}
"""Filters of each block; each but the last halves the sides."""

SMALLEST_SIDE = 4
"""Of what a block gives: smaller ones are not halved again."""

SEPARABLE_FROM = 128
"""Filters from which on convolutions are separable: a ninth of the weights and of the time."""

CENTERED_SIDE = 32
"""Up to this side, images that all have one size are taken for cut-outs, such as digits."""

EPOCHS: Mapping[Effort, int] = {"fast": 15, "good": 60, "best": 150}
PIXELS: Mapping[Effort, float] = {"fast": 6e7, "good": 3e8, "best": 1.5e9}
"""Of training images in all epochs together, at most, so that many or large images have fewer epochs."""

LEAST_EPOCHS = 8
MIN_IMAGES = 5


@dataclass(frozen=True)
class ImageSource:
    """Where the images of a proposed spec come from.

    Attributes:
        path: of the folder of the training images, or of the table, as the spec has it.
        column: of the table, that names the files; empty for a folder.
        target: of the table, as a YAML scalar; empty for a folder.
        numbers: whether the target holds numbers.
        splits: the folder of the test and the validation images, where these are apart.
    """

    path: str
    column: str = ""
    target: str = ""
    numbers: bool = False
    splits: Mapping[str, str] = field(default_factory=dict)


def propose_images(
    survey: ImageSurvey, source: ImageSource, *, name: str, command: str, effort: Effort = "good"
) -> str:
    """Return a commented spec for image files, as YAML text.

    Args:
        survey: of the files.
        source: where they are; texts are YAML scalars.
        name: of the experiment, a YAML scalar.
        command: that trains the spec.
        effort: how much time the training may take.

    Raises:
        DataError: a model cannot be trained on the images.
    """
    _check(survey, source)
    images = len(survey.good)
    lines = [
        f"# {_comment(survey.path)}: {images:,} images. Train with: {_comment(command)}",
        f"{WRITTEN_BY_INIT} --effort {effort}. Any field can be overridden: --set fit.epochs=50",
        f"name: {name}",
        "seed: 42",
        "dataset:",
        *_dataset(survey, source, effort),
        "layers:",
        *_layers(survey, source, effort),
        *_training(survey, source, effort),
    ]
    return "\n".join([*lines, ""])


def _check(survey: ImageSurvey, source: ImageSource) -> None:
    counts = {name: count for name, count in _counts(survey).items() if count}
    rule = ""
    if len(survey.good) < MIN_IMAGES:
        rule = f"must hold {MIN_IMAGES} images or more, it holds {len(survey.good)}"
    elif not source.numbers and len(counts) < 2:
        rule = "must have a sub-folder for each class, two or more"
    if rule:
        hint = "or give a table with a column of file names: mlpcli init photos.csv --target COLUMN"
        raise DataError(Problem(f"{survey.path}: {rule}", hint=hint))


def _counts(survey: ImageSurvey) -> dict[str, int]:
    return survey.counts("train" if survey.folders else None)


def proposed_size(survey: ImageSurvey, effort: Effort) -> tuple[int, int]:
    """Return height and width of the images as the network is to take them.

    Their own where all have one that is small; else a square near the median side.
    """
    sizes, most = survey.sizes, LARGEST_SIDE[effort]
    if (sizes == sizes[0]).all() and sizes[0].max() <= most:
        return int(sizes[0][0]), int(sizes[0][1])
    side = float(np.median(sizes.min(axis=1)))
    fitting = [each for each in SIDES if each <= min(side, most)]
    found = fitting[-1] if fitting else SIDES[0]
    return found, found


def _dataset(survey: ImageSurvey, source: ImageSource, effort: Effort) -> Iterator[str]:
    height, width = proposed_size(survey, effort)
    what = "a table that names the files" if source.column else "a folder for each class"
    yield _line(f"path: {source.path}", what)
    if source.column:
        yield f"  target: {source.target}"
        yield f"  features: {{{source.column}: image}}"
    if not source.numbers:
        yield from positive_lines({name: count for name, count in _counts(survey).items() if count})
    yield _line(f"image_size: [{height}, {width}]", f"height, width; the files have {sizes_found(survey)}")
    if survey.is_gray:
        yield _line("color_mode: grayscale", "or rgb, rgba")
    else:
        yield _line("color_mode: rgb", "or grayscale, rgba")
    if is_cropped(survey, effort):
        yield _line("crop_to_aspect_ratio: true", "keep the proportions, lose the edges of long images")
    if any(each.broken for each in survey.files):
        yield _line("broken_files: drop", "files that are no images are left out")
    for split, text in (("test", "split off first, not trained on"), ("validation", "decides when to stop")):
        if split in source.splits:
            yield f"  {split}: {source.splits[split]}"
        else:
            yield _line(f"{split}: 0.2", text)


def sizes_found(survey: ImageSurvey) -> str:
    """Return the sizes of images, height and width, in a few words."""
    low, high = survey.sizes.min(axis=0), survey.sizes.max(axis=0)
    if (low == high).all():
        return f"{low[0]} x {low[1]}"
    return f"{low[0]} x {low[1]} to {high[0]} x {high[1]}"


def is_cropped(survey: ImageSurvey, effort: Effort) -> bool:
    """Return whether images of other proportions are cropped to those that the network takes."""
    height, width = proposed_size(survey, effort)
    shapes = np.unique(np.round(survey.sizes[:, 0] / survey.sizes[:, 1], 1))
    return bool(len(shapes) > 1 or abs(shapes[0] - height / width) > 0.1)


def _line(entry: str, comment: str) -> str:
    """Return an entry of the dataset with a comment."""
    return f"  {entry:26} # {comment}"


def _layers(survey: ImageSurvey, source: ImageSource, effort: Effort) -> Iterator[str]:
    """Yield the layers: augmentation, blocks of convolutions, a mean over the places, the output."""
    yield from image_layers(survey, effort)
    counts = [count for count in _counts(survey).values() if count]
    if source.numbers:
        yield "  - Dense: {units: 1}   # a number, so no activation"
    elif len(counts) == 2:
        second = second_class({name: count for name, count in _counts(survey).items() if count})
        yield f"  # the output is the probability of {_comment(second)}"
        yield "  - Dense: {units: 1, activation: sigmoid}"
    else:
        yield f"  - Dense: {{units: {len(counts)}, activation: softmax}}   # a probability for each class"


def image_layers(survey: ImageSurvey, effort: Effort, given: str = "", members: int = 0) -> Iterator[str]:
    """Yield the layers from images to a vector for each.

    Args:
        survey: of the files.
        effort: how large they are.
        given: the name of the input; empty for the only one, which has none.
        members: of the ensemble that reads the vectors; 0 for none.
    """
    yield "  # these change images at random, while it trains: remove what changes a class"
    shift = "RandomTranslation: {height_factor: 0.1, width_factor: 0.1, fill_mode: nearest}"
    first = shift if survey.is_gray else "RandomFlip: {mode: horizontal}"
    yield f"  - {{{first}, from: {given}}}" if given else f"  - {first}"
    if not survey.is_gray:
        yield f"  - {shift}"
    yield "  - Rescaling: {scale: 0.00392156862745098}   # 0 to 255 becomes 0 to 1"
    side = min(proposed_size(survey, effort))
    for place, filters in enumerate(WIDTHS[effort]):
        kind = "SeparableConv2D" if filters >= SEPARABLE_FROM and place else "Conv2D"
        yield f"  - {kind}: {{filters: {filters}, kernel_size: 3, padding: same, use_bias: false}}"
        yield "  - BatchNormalization: {momentum: 0.9}"
        yield "  - Activation: {activation: relu}"
        if place + 1 < len(WIDTHS[effort]) and side // 2 >= SMALLEST_SIDE:
            side //= 2
            yield "  - MaxPooling2D"
    if _is_centered(survey):
        yield "  - Flatten   # where something is counts, as in small images that show one thing each"
        last = "Dropout: {rate: 0.4}"
    else:
        yield "  - GlobalAveragePooling2D   # where something is does not count"
        last = "Dropout: {rate: 0.3}"
    if members:
        yield f"  - {last}"
        last = f"Members: {{count: {members}}}"
    yield f"  - {{{last}, name: of_{given}}}" if given else f"  - {last}"


def _is_centered(survey: ImageSurvey) -> bool:
    """Return whether the images are cut out around what they show: small, and all of one size."""
    sizes = survey.sizes
    return bool((sizes == sizes[0]).all() and sizes[0].max() <= CENTERED_SIDE)


def _classes(survey: ImageSurvey) -> list[str]:
    return [name for name, count in _counts(survey).items() if count]


def _training(survey: ImageSurvey, source: ImageSource, effort: Effort) -> Iterator[str]:
    counts = _counts(survey)
    if source.numbers:
        yield "loss: mse"
        yield "metrics: [RootMeanSquaredError, MeanAbsoluteError]"
    elif len(_classes(survey)) == 2:
        yield "loss: binary_crossentropy"
        yield "metrics: [accuracy, AUC]"
    else:
        uneven = max(counts.values()) > 2 * min(counts.values())
        yield "loss: sparse_categorical_crossentropy"
        yield f"metrics: [accuracy{', F1Score: {average: macro}' if uneven else ''}]"
    images = len(survey.good) * (0.64 if not source.splits else 0.8)
    uneven = not source.numbers and are_imbalanced({k: v for k, v in counts.items() if v})
    yield from image_training([survey], images, effort, uneven=uneven)
    if not source.numbers:
        yield from threshold_lines({k: v for k, v in counts.items() if v}, 0.16)


def image_training(
    surveys: Sequence[ImageSurvey], rows: float, effort: Effort, *, uneven: bool
) -> Iterator[str]:
    """Yield the optimizer, the number of epochs and when to stop.

    Args:
        surveys: of the files of each column, or of the folder.
        rows: for training.
        effort: how much time it may take.
        uneven: whether some classes are rare.
    """
    pixels = rows * sum(int(np.prod(proposed_size(each, effort))) for each in surveys)
    epochs = max(LEAST_EPOCHS, min(EPOCHS[effort], round(PIXELS[effort] / pixels)))
    yield "optimizer:"
    yield "  AdamW: {learning_rate: {FlatCosine: {initial: 0.002}}, weight_decay: 0.01}"
    yield f"fit: {{epochs: {epochs}, batch_size: 32}}"
    if uneven:
        yield "# to weight rare classes as much as frequent ones: fit: {class_weight: balanced}"
    yield "callbacks:"
    patience = max(4, epochs // 4)
    yield f"  - EarlyStopping: {{patience: {patience}, restore_best_weights: true}}"


def _comment(text: str) -> str:
    """Return a text on a single line."""
    return shortened(" ".join(text.split()), 200)
