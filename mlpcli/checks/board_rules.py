"""What a TensorBoard in the spec asks for, and this network or this data cannot give."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.data.dataset import Dataset, Output
from mlpcli.errors import KeyPath, Problem, SpecError, listing
from mlpcli.keras_import import keras
from mlpcli.model.inner_tensors import embedding_layers, last_hidden
from mlpcli.printable import counted
from mlpcli.spec.schema import Spec
from mlpcli.spec.values import Value, ValueMap

BOARD = "TensorBoard"


def check_boards(model: keras.Model, spec: Spec, dataset: Dataset) -> None:
    """Check the TensorBoard callbacks of a spec against its network and its data.

    Args:
        model: of the spec.
        spec: completed.
        dataset: its data.

    Raises:
        SpecError: with every problem found.
    """
    problems: list[Problem] = []
    for index, component in enumerate(spec.callbacks):
        if component.class_name == BOARD and not component.off:
            given, path = component.arguments, ("callbacks", index, BOARD)
            problems += _profile_problems(given, path, spec, dataset)
            problems += _embedding_problems(given, path, model)
            problems += _output_problems(given, path, model, dataset)
    if problems:
        raise SpecError(*problems)


def is_pictured(output: Output) -> bool:
    """Return whether predictions of an output are shown: those of sequences and embeddings are not."""
    return not output.steps and output.kind not in ("groups", "sequences")


def profiled_range(value: Value) -> tuple[int, int]:
    """Return the first and the last batch of a `profile_batch`: of 5, '2,5' or [2, 5]; (0, 0) for none."""
    ends = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    whole = [int(str(each)) for each in ends if each is not None]
    return (whole[0], whole[-1]) if whole else (0, 0)


def _profile_problems(given: ValueMap, path: KeyPath, spec: Spec, dataset: Dataset) -> Iterator[Problem]:
    """Yield that the training ends before the last batch of the profile, which would not be written whole."""
    first, last = profiled_range(given.get("profile_batch", 0))
    steps = -(-len(dataset.train) // spec.fit.batch_size)
    total = steps * spec.fit.epochs
    if last > total or (last and not first):
        count = f"{counted(spec.fit.epochs, 'epoch')} of {counted(steps, 'batch', 'batches')} each"
        rule = f"must be among the batches of the training, 1 to {total:,} ({count})"
        end = min(total, steps)
        example = f"[{max(1, end - min(last - first, end - 1))}, {end}]"
        hint = f"batches are counted from 1 over all epochs; the end of the first epoch is {example}"
        yield Problem(rule, path=(*path, "profile_batch"), received=given["profile_batch"], hint=hint)


def _embedding_problems(given: ValueMap, path: KeyPath, model: keras.Model) -> Iterator[Problem]:
    """Yield that there are no vectors of categories to show, or that a file of labels is not for one."""
    names = [layer.name for layer in embedding_layers(model)]
    if given.get("embeddings_freq") and not names:
        rule = "shows the vectors of Embedding layers, and this network has none"
        hint = "remove it; activations_freq shows the rows in the last hidden layer"
        yield Problem(rule, path=(*path, "embeddings_freq"), received=given["embeddings_freq"], hint=hint)
    files = given.get("embeddings_metadata")
    for name in files if isinstance(files, dict) else ():
        if name not in names:
            rule = "names files of labels by the names of Embedding layers"
            hint = f"available: {listing(names)}" if names else "remove it: this network has none"
            yield Problem(rule, path=(*path, "embeddings_metadata", name), received=name, hint=hint)


def _output_problems(
    given: ValueMap, path: KeyPath, model: keras.Model, dataset: Dataset
) -> Iterator[Problem]:
    """Yield that there are no activations or predictions to show."""
    if given.get("activations_freq") and last_hidden(model) is None:
        rule = "shows the rows in the last hidden layer, and this network has no layers before its output's"
        hint = "remove it"
        yield Problem(rule, path=(*path, "activations_freq"), received=given["activations_freq"], hint=hint)
    if given.get("predictions_freq") and not any(map(is_pictured, dataset.contract.outputs)):
        rule = "shows predicted classes, labels and numbers; this network predicts sequences or vectors"
        hint = "remove it"
        yield Problem(rule, path=(*path, "predictions_freq"), received=given["predictions_freq"], hint=hint)
