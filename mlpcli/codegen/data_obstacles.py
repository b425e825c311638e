"""What keeps the data of a spec out of a short script: all of it at once, with the columns."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.codegen.source_text import cannot_write
from mlpcli.data.dataset import Contract, Dataset
from mlpcli.data.readers.dialect import BLANKS
from mlpcli.errors import UsageError, listing
from mlpcli.spec.file_words import is_server
from mlpcli.spec.schema import Spec


def check_data(spec: Spec, dataset: Dataset) -> None:
    """Refuse data that is read in a way that a short script cannot show.

    Raises:
        UsageError: with a problem for each obstacle.
    """
    found = [*_of_dataset(spec, dataset), *_of_columns(dataset.contract), *_of_targets(spec, dataset)]
    if found:
        raise UsageError(*(problem for each in found for problem in each.problems))


def _of_dataset(spec: Spec, dataset: Dataset) -> Iterator[UsageError]:
    if spec.dataset.query is not None or is_server(spec.dataset.path or ""):
        yield cannot_write("rows of a database", "write them to a CSV or Parquet file")
    preprocessor = dataset.contract.preprocessor
    if dataset.contract.image is not None:
        yield cannot_write("image files", "keras.utils.image_dataset_from_directory reads a folder of them")
    elif preprocessor is not None and preprocessor.images:
        hint = "reading and resizing them is inside the run's saved_model, which any TensorFlow runs"
        yield cannot_write(
            f"columns of image files ({listing(repr(each.name) for each in preprocessor.images)})", hint
        )
    if dataset.left_out:
        yield cannot_write("a table with rows without a target, which dataset.missing_target drops")
    if any(output.pooled for output in dataset.contract.outputs):
        yield cannot_write("classes that dataset.target_min_count pools")
    if dataset.held_out is not None:
        yield cannot_write("a fold", "remove dataset.fold, for a script that trains on all folds")
    if spec.dataset.split_seed not in (None, spec.seed):
        yield cannot_write("splits with a seed of their own", "remove dataset.split_seed")
    if dataset.sparse:
        yield cannot_write("classes too rare for stratified splits")


def _of_columns(contract: Contract) -> Iterator[UsageError]:
    """Yield what stands in the way in the columns of a table that are features."""
    if contract.preprocessor is None:
        return
    dialect = contract.preprocessor.dialect
    if dialect.comment or dialect.delimiter == BLANKS:
        yield cannot_write("a table with comment lines, or with blanks between its cells")


def _of_targets(spec: Spec, dataset: Dataset) -> Iterator[UsageError]:
    outputs, several = dataset.contract.outputs, bool(dataset.contract.output.name)
    if several and spec.dataset.target_scaling is not None:
        yield cannot_write("several outputs with dataset.target_scaling")
    elif any(each.quantiles is not None for each in outputs):
        yield cannot_write("target_scaling: quantile", "the way back is inside the run's model.keras")
    if dataset.train.weights is not None and any(each.steps for each in outputs):
        yield cannot_write("weights of rows whose steps have targets of their own")
    if several and spec.fit.class_weight is not None:
        yield cannot_write("several outputs with fit.class_weight")
