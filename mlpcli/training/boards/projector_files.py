"""What TensorBoard's Projector shows: the vectors of categories, and of rows in the last hidden layer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpcli.data.dataset import Contract, Dataset, Output
from mlpcli.data.features.encoders import CategoryEncoder
from mlpcli.data.named_arrays import of_name, rows_of
from mlpcli.data.raw_columns import images_of
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.files import write_bytes, write_text
from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import producer
from mlpcli.model.inner_tensors import embedding_layers, last_hidden
from mlpcli.printable import one_line
from mlpcli.training import compiled
from mlpcli.training.boards.gradient_batch import spread_rows
from mlpcli.training.boards.prediction_pictures import shown_split

CONFIG = "projector_config.pbtxt"
FOLDER = "projector"

MOST_CATEGORIES = 10_000
MOST_ROWS = 1_000
"""Vectors that are written: of an embedding the first, of the rows evenly spread ones."""

SPRITE_SIDE, MOST_PIXELS = 48, 4096
"""The most pixels of an image's side in the sprite; TensorBoard takes sprites of up to 8192."""


@dataclass(frozen=True)
class Vectors:
    """One entry of the Projector.

    Attributes:
        name: as it is shown there.
        values: (points, dimensions).
        heading: names of the columns of `labels`.
        labels: a row of texts for each point; empty for none.
        images: of the points, (points, height, width[, channels]); None where they are no images.
        metadata_path: a file of labels that exists already, relative to the log folder.
    """

    name: str
    values: Array
    heading: tuple[str, ...] = ()
    labels: tuple[tuple[str, ...], ...] = ()
    images: Array | None = None
    metadata_path: str = ""


def embedding_vectors(
    model: keras.Model, contract: Contract, metadata: str | Mapping[str, str] | None
) -> Iterator[Vectors]:
    """Yield the vectors of each embedding, with the names of the categories where the data knows them.

    Args:
        model: the network.
        contract: of its data.
        metadata: the spec's files of labels: one for all layers, or by layer.
    """
    known = category_names(contract)
    for layer in embedding_layers(model):
        values = layer.embeddings.numpy()[:MOST_CATEGORIES]
        path = metadata.get(layer.name, "") if isinstance(metadata, Mapping) else metadata or ""
        names = known.get(layer.name, ())[: len(values)] if not path else ()
        yield Vectors(layer.name, values, ("category",), tuple((name,) for name in names), None, path)


def category_names(contract: Contract) -> dict[str, tuple[str, ...]]:
    """Return what each vector of an embedding of a table's column stands for, by the layer's name."""
    preprocessor = contract.preprocessor
    if preprocessor is None:
        return {}
    inputs = [each.name for each in contract.inputs] or ["input"]
    return {
        f"{name}_{preprocessor.served[encoder.name]}_embedding": ("(other)", "(missing)", *encoder.values)
        for encoder in preprocessor.encoders
        if isinstance(encoder, CategoryEncoder) and encoder.embedding
        for name in inputs
    }


def activation_vectors(model: keras.Model, dataset: Dataset) -> Iterator[Vectors]:
    """Yield the activations of the last hidden layer for some rows, with their targets and as images."""
    tensor = last_hidden(model)
    if tensor is None:
        return
    name, split = shown_split(dataset)
    rows = spread_rows(len(split), MOST_ROWS)
    x, y = rows_of(split.x, rows), rows_of(split.y, rows)
    values = compiled.predict(keras.Model(model.input, tensor), x)
    values = np.asarray(values, np.float32).reshape(len(rows), -1)
    columns = [("row", [str(row + 1) for row in split.rows[rows]])]
    for output in dataset.contract.outputs:
        columns += _truths(output, of_name(y, output.name))
    labels = tuple(zip(*(cells for _, cells in columns), strict=True))
    heading = tuple(name for name, _ in columns)
    title = f"{producer(tensor).name} ({name} rows)"
    yield Vectors(title, values, heading, labels, images_of(x, np.arange(len(rows))))


def _truths(output: Output, truth: Array) -> Iterator[tuple[str, list[str]]]:
    """Yield the columns of labels that say what rows are, by output and target."""
    first = f"{output.name} " if output.name else ""
    if output.steps or output.kind in ("groups", "sequences"):
        return
    if output.kind == "numbers":
        values = np.asarray(output.restore(truth, truth=True), np.float64).reshape(len(truth), -1)
        for place, name in enumerate(output.target):
            yield first + name, [f"{value:.6g}" for value in values[:, place]]
    elif output.kind == "labels":
        for place, name in enumerate(output.classes or ()):
            yield first + name, ["yes" if value == 1 else "no" for value in truth[:, place]]
    else:
        names = output.classes or ()
        target = "class" if output.kind == "one_hot" else " ".join(output.target)
        yield output.name or target, [names[each] for each in class_indices(truth)]


def write_vectors(folder: Path, vectors: Sequence[Vectors]) -> None:
    """Write the vectors, and last the file by which the Projector finds them, each complete or not at all.

    Args:
        folder: the log folder.
        vectors: all that the Projector is to show.
    """
    from google.protobuf import text_format
    from tensorboard.plugins import projector

    config = projector.ProjectorConfig()
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for place, each in enumerate(vectors):
        stem = f"{FOLDER}/{place}_" + re.sub(r"[^A-Za-z0-9_-]+", "_", each.name).strip("_")[:60]
        entry = config.embeddings.add()
        entry.tensor_name, entry.tensor_path = each.name, f"{stem}.tsv"
        entry.tensor_shape.extend(each.values.shape)
        write_text(folder / entry.tensor_path, _numbers(each.values))
        if each.metadata_path:
            entry.metadata_path = each.metadata_path
        elif each.labels:
            entry.metadata_path = f"{stem}_labels.tsv"
            write_text(folder / entry.metadata_path, _labels(each))
        if each.images is not None:
            png, height, width = sprite_of(each.images)
            entry.sprite.image_path = f"{stem}_images.png"
            entry.sprite.single_image_dim.extend([width, height])
            write_bytes(folder / entry.sprite.image_path, png)
    write_text(folder / CONFIG, text_format.MessageToString(config))


def _numbers(values: Array) -> str:
    return "".join("\t".join(f"{value:.6g}" for value in row) + "\n" for row in values)


def _labels(vectors: Vectors) -> str:
    """Return the labels as the Projector reads them: a heading only where there are several columns."""
    lines = vectors.labels if len(vectors.heading) == 1 else (vectors.heading, *vectors.labels)
    # An empty first line would be no label; a tab would begin a column.
    return "".join("\t".join(one_line(cell) or "(empty)" for cell in line) + "\n" for line in lines)


def sprite_of(images: Array) -> tuple[bytes, int, int]:
    """Return images side by side in one square PNG file, as the Projector takes it.

    Args:
        images: (images, height, width) or (images, height, width, 1, 3 or 4), of any range.

    Returns:
        The file, and the height and the width of each image in it.
    """
    values = np.asarray(images, np.float64)
    values = values[..., None] if values.ndim == 3 else values
    across = math.ceil(math.sqrt(len(values)))
    side = min(SPRITE_SIDE, MOST_PIXELS // across)
    step = max(1, -(-max(values.shape[1:3]) // side))
    values = values[:, ::step, ::step]
    low, high = float(values.min()), float(values.max())
    whole = np.round((values - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    count, height, width, channels = whole.shape
    filled = np.zeros((across * across, height, width, channels), np.uint8)
    filled[:count] = whole
    grid = filled.reshape(across, across, height, width, channels).transpose(0, 2, 1, 3, 4)
    pixels = grid.reshape(across * height, across * width, channels)
    return bytes(tf.io.encode_png(pixels).numpy()), height, width
