"""The part of a standalone script that compiles, trains, evaluates and saves."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from string import Formatter
from typing import TypeVar

from mlpcli.checks.log_names import more_is_better
from mlpcli.codegen.keras_calls import KerasCalls, call
from mlpcli.codegen.source_text import DataCode, cannot_write, text
from mlpcli.data.dataset import Output
from mlpcli.errors import listing
from mlpcli.model.default_losses import fold
from mlpcli.spec.callback_rules import MONITORING
from mlpcli.spec.extended_classes import BOARD, BOARD_ARGUMENTS
from mlpcli.spec.keras_source import snake_case
from mlpcli.spec.member_axis import member_outputs
from mlpcli.spec.schema import ComponentSpec, Spec

T = TypeVar("T")

FILES = {"CSVLogger": ("filename", "log.csv"), "TensorBoard": ("log_dir", "tensorboard")}
"""Callbacks that write files, each with its argument and a place next to the script, if the spec has none."""

ONLY_OURS = (*BOARD_ARGUMENTS, "embeddings_freq", "embeddings_metadata")
"""Arguments that Keras's TensorBoard lacks, or by which it fails or writes what TensorBoard cannot read."""

BEST = "best.weights.h5"


def training_code(calls: KerasCalls, data: DataCode) -> Iterator[str]:
    """Yield the lines that compile and fit the model."""
    spec = calls.spec
    compiled = [
        f"loss={_losses(calls)}",
        f"optimizer={calls.optimizer()}",
        f"metrics={_metrics(calls)}",
    ]
    if spec.loss_weights:
        compiled.append(f"loss_weights={spec.loss_weights}")
    yield call("model.compile", compiled)
    _check_averages(spec)
    callbacks = [code for component in spec.callbacks if (code := _callback(calls, component))]
    rows = ", w_train" if data.weighted else ""
    arguments = ["x_train", "y_train", *(["sample_weight=w_train"] if rows else []), "batch_size=BATCH_SIZE"]
    if spec.fit.shuffle:
        yield f"batches = Batches((x_train, y_train{rows}))"
        callbacks.append("keras.callbacks.LambdaCallback(on_epoch_begin=batches.reorder)")
        arguments = ["batches"]
    arguments += ["epochs=EPOCHS", "shuffle=False"]
    if "validation" in data.splits:
        weights = ", w_validation" if data.weighted else ""
        arguments.append(f"validation_data=(x_validation, y_validation{weights})")
        arguments.append("validation_batch_size=BATCH_SIZE")
    if callbacks:
        listed = textwrap.indent(",\n".join(callbacks), "    ")
        arguments.append(f"callbacks=[\n{listed},\n]")
    yield call("history = model.fit", arguments)
    if any(_is_best(component) for component in spec.callbacks):
        yield f"model.load_weights({text(BEST)})"


def _check_averages(spec: Spec) -> None:
    """Refuse averages of the weights that Keras's `fit` loses when it is stopped early.

    It copies at its end what `SwapEMAWeights` left in the optimizer: averages after the last epoch of all,
    otherwise the weights that are not averaged.
    """
    used = [each for each in spec.callbacks if not each.off]
    swaps = any(each.class_name == "SwapEMAWeights" and each.arguments.get("swap_on_epoch") for each in used)
    for each in used:
        if swaps and each.class_name == "EarlyStopping" and not each.arguments.get("restore_best_weights"):
            what = "EarlyStopping without restore_best_weights beside SwapEMAWeights"
            raise cannot_write(f"{what}, after which Keras's fit ends with weights that are not averaged")


def _losses(calls: KerasCalls) -> str:
    loss, outputs = calls.spec.loss, calls.contract.outputs
    assert loss is not None
    means = member_outputs(calls.spec)
    if not outputs[0].name:
        assert isinstance(loss, ComponentSpec)
        return calls.loss(loss, of_members=bool(means))
    by_output = {each.name: loss[each.name] if isinstance(loss, dict) else loss for each in outputs}
    written = {name: calls.loss(each, of_members=name in means) for name, each in by_output.items()}
    return _mapping(written, str)


def _metrics(calls: KerasCalls) -> str:
    outputs = calls.contract.outputs
    for each in outputs:
        for component in _metrics_of(calls.spec, each):
            _check_fit(component, each)

    def listed(output: Output) -> str:
        own = (calls.metric(component, output) for component in _metrics_of(calls.spec, output))
        return "[" + ", ".join(own) + "]"

    return _mapping({each.name: each for each in outputs}, listed) if outputs[0].name else listed(outputs[0])


def _mapping(values: Mapping[str, T], write: Callable[[T], str]) -> str:
    return "{" + ", ".join(f"{text(name)}: {write(value)}" for name, value in values.items()) + "}"


def _is_best(component: ComponentSpec) -> bool:
    return component.class_name == "ModelCheckpoint" and bool(component.arguments.get("save_best_only"))


def _callback(calls: KerasCalls, component: ComponentSpec) -> str:
    """Return a callback, or an empty text for one that only writes files of a run folder."""
    arguments = dict(component.arguments)
    if (
        component.off
        or component.class_name == "BackupAndRestore"
        or (
            component.class_name == "ModelCheckpoint"
            and not _is_best(component)
            and "filepath" not in arguments
        )
    ):
        return ""
    if component.class_name in MONITORING and arguments.get("mode", "auto") == "auto":
        monitor = str(arguments.get("monitor", "val_loss"))
        if _is_best(component) or not monitor.endswith("loss") or calls.contract.output.name:
            arguments["mode"] = _mode(calls, monitor)  # Keras does not know it of every metric
    if component.class_name == "LearningRateScheduler":  # which takes no tensor as a rate
        schedule = calls.argument("callbacks", component.class_name, "schedule", arguments["schedule"])
        rest = [f"{name}={value!r}" for name, value in arguments.items() if name != "schedule"]
        return call(
            f"keras.callbacks.{component.class_name}", [f"lambda epoch: float({schedule}(epoch))", *rest]
        )
    if _is_best(component):
        arguments |= {"filepath": BEST, "save_weights_only": True}
    elif component.class_name == "ModelCheckpoint":
        for _, field, _, _ in Formatter().parse(str(arguments["filepath"])):
            _mode(calls, field or "")  # refuses one of several values, which Keras logs in one array
    elif component.class_name in FILES:
        argument, default = FILES[component.class_name]
        arguments.setdefault(argument, default)
    left = [name for name in ONLY_OURS if component.class_name == BOARD and arguments.pop(name, None)]
    comment = f"# without {listing(left)}: only mlpcli train writes this\n" if left else ""
    return comment + calls.call("callbacks", component.class_name, arguments)


def _mode(calls: KerasCalls, monitor: str) -> str:
    """Return whether the monitored value is better large or small, by the class of its metric."""
    bare = monitor.removeprefix("val_")
    for output in calls.contract.outputs:
        for metric in _metrics_of(calls.spec, output):
            own = str(metric.arguments.get("name") or snake_case(metric.class_name))
            name = f"{output.name}_{own}" if len(calls.contract.outputs) > 1 else own
            if bare.startswith(f"{name}_") and _is_ours(metric):
                raise cannot_write("a callback that monitors one of several values of a metric")
            if bare == name:
                return "max" if more_is_better(snake_case(metric.class_name)) else "min"
    return "max" if more_is_better(monitor) else "min"


def _metrics_of(spec: Spec, output: Output) -> list[ComponentSpec]:
    metrics = spec.metrics or []
    return metrics.get(output.name, []) if isinstance(metrics, dict) else metrics


def _is_ours(metric: ComponentSpec) -> bool:
    """Return whether a metric has several values, which Keras logs as one array and mlpcli by name."""
    given = metric.arguments
    if fold(metric.class_name) in SCORES:
        return given.get("average") is None
    thresholds = given.get("thresholds")
    return (isinstance(thresholds, list) and len(thresholds) > 1) or "class_aggregation" in given


def _check_fit(metric: ComponentSpec, output: Output) -> None:
    """Refuse a metric that mlpcli computes in its own way, since Keras's would be another number."""
    name = fold(metric.class_name)
    scores = name in SCORES and output.kind == "classes"
    of_steps = bool(output.steps) and name in (*SCORES, "r2score")  # Keras's take one row a row
    if scores or of_steps or (name in OF_COLUMNS and output.width == ()):
        raise cannot_write(
            f"{metric.class_name} for this target", "leave it out: Keras computes another number"
        )


SCORES = ("f1score", "fbetascore")
OF_COLUMNS = (
    *("pearsoncorrelation", "concordancecorrelation"),
    *("binarycrossentropy", "hinge", "squaredhinge", "poisson"),
)
"""Metrics that do not take one label a row: see `model/metrics.py`."""


BATCHES = '''\
def epoch_order(epoch, rows):
    """The order of rows in an epoch, computed from SEED and the epoch, as in mlpcli."""
    entropy = np.random.SeedSequence((SEED, epoch))
    return np.random.Generator(np.random.Philox(entropy)).permutation(rows)


class Batches(keras.utils.PyDataset):
    """Batches of (x, y) or (x, y, weights) in the order of the epoch."""

    def __init__(self, arrays):
        super().__init__()
        self.arrays, self.rows = arrays, len(keras.tree.flatten(arrays)[0])
        self.reorder(0)

    def reorder(self, epoch, logs=None):
        self.order = epoch_order(epoch, self.rows)

    def __len__(self):
        return -(-self.rows // BATCH_SIZE)

    def __getitem__(self, index):
        rows = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        return keras.tree.map_structure(lambda array: array[rows], self.arrays)'''


def batches_code(spec: Spec) -> list[str]:
    """Return the class that feeds the rows in mlpcli's order, where they are shuffled."""
    return [BATCHES] if spec.fit.shuffle else []


def results_code(spec: Spec, data: DataCode) -> Iterator[str]:
    """Yield the lines that evaluate and save the model."""
    if "test" in data.splits:
        weights = ", sample_weight=w_test" if data.weighted else ""
        yield f"print(model.evaluate(x_test, y_test{weights}, return_dict=True, verbose=0))"
    if spec.dataset.target_scaling is not None:
        yield "# Metrics above are of the scaled target; predictions * scale + offset are in original units."
        if spec.dataset.target_scaling.method == "log":
            yield "# They are the logarithm there: np.where(z > 0, np.expm1(z), z) + shift of such a z."
        if spec.dataset.target_scaling.clip:
            yield "# mlpcli also clips predictions to the range of the training rows."
    if spec.predict is not None:
        yield "# mlpcli train then fits what predict: says, such as a threshold; it is part of a run."
    yield f"model.save({text(spec.name + '.keras')})"
