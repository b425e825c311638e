"""What describes a run in TensorBoard: its spec, data, network and machine as text, and its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tensorboard.compat.proto import event_pb2

from mlpcli import runs
from mlpcli.data.dataset import Dataset, Output
from mlpcli.keras_import import keras
from mlpcli.plots.diagram_layout import summary_text
from mlpcli.printable import printable, shortened
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.spec.search_space import Values
from mlpcli.training.boards.event_files import code_block
from mlpcli.training.divergence import learning_rate
from mlpcli.training.job import TrainingJob

MOST_NAMES = 40
"""Columns and classes that are listed; of more, how many there are."""

LONGEST = 100


def run_events(job: TrainingJob, record: Mapping[str, object]) -> Iterator[event_pb2.Event]:
    """Yield the events that describe a run.

    Args:
        job: the training.
        record: `run.json`, as far as it is known.
    """
    values = dict(job.completed.values) or settings_of(job.completed.spec, job.model)
    yield event_pb2.Event(summary=hparams_summary(values, session_name(job.run_dir)))
    resolved = (job.run_dir / runs.RESOLVED).read_text(encoding="utf-8")
    for tag, text in {
        "spec": resolved,
        "data": data_text(job.dataset),
        "network": summary_text(job.model),
        "environment": environment_text(record),
    }.items():
        yield event_pb2.Event(summary=code_block(tag, text))


def session_name(run_dir: Path) -> str:
    """Return what a run is called in the HPARAMS tab: its experiment and its folder, a trial its search's."""
    owner = run_dir.parent.parent if run_dir.parent.name == "trials" else run_dir.parent
    return f"{owner.name}/{run_dir.name}"


def hparams_summary(values: Mapping[str, object], name: str) -> object:
    """Return the settings of a run as a summary for the HPARAMS tab.

    Args:
        values: by name; other values than numbers and true or false are shown as text.
        name: of the run.
    """
    from tensorboard.plugins.hparams import summary_v2

    plain = {
        key: value if isinstance(value, bool | int | float) else printable(str(value))
        for key, value in values.items()
    }
    return summary_v2.hparams_pb(plain, trial_id=name)


def settings_of(spec: Spec, model: keras.Model) -> Values:
    """Return the settings in which runs usually differ, by the names of the columns in the HPARAMS tab.

    Args:
        spec: completed.
        model: its network.
    """
    optimizer = spec.optimizer
    rate = optimizer.arguments.get("learning_rate")
    schedule = next(iter(rate)) if isinstance(rate, dict) and rate else None
    found: dict[str, bool | int | float | str | None] = {
        "layers": "model" if spec.model is not None else _layers(spec),
        "parameters": int(model.count_params()),
        "loss": _names(spec.loss),
        "optimizer": optimizer.class_name,
        "learning_rate": schedule or float(f"{learning_rate(model):.6g}"),
        "batch_size": spec.fit.batch_size,
        "epochs": spec.fit.epochs,
        "seed": spec.seed,
    }
    if spec.dataset.fold is not None:
        found["fold"] = spec.dataset.fold.number
    return found


def _layers(spec: Spec) -> str:
    """Return the layers in a few words: `Flatten, Dense 300 relu, Dense 10 softmax`."""
    words = []
    for layer in spec.layers:
        details = (layer.arguments.get(name) for name in ("units", "filters", "rate", "activation"))
        words.append(" ".join([layer.class_name, *(str(each) for each in details if _is_plain(each))]))
        words[-1] += f" x {layer.repeat}" if layer.repeat != 1 else ""
    return shortened(", ".join(words), LONGEST * 2)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _names(loss: ComponentSpec | Mapping[str, ComponentSpec] | None) -> str:
    if isinstance(loss, Mapping):
        return shortened(", ".join(f"{name}: {each.class_name}" for name, each in loss.items()), LONGEST)
    return loss.class_name if loss is not None else ""


def data_text(dataset: Dataset) -> str:
    """Return where the rows come from, how many each split has, and what the network reads and predicts."""
    contract = dataset.contract
    lines = [("source", _one(dataset.source))]
    lines += [(f"{name} rows", f"{len(split):,}") for name, split in dataset.splits().items()]
    shape = " x ".join(map(str, contract.shape)) or "1"
    lines += [("values of a row", f"{shape}, {contract.dtype}")]
    if contract.features:
        lines += [("columns", _listed(contract.features))]
    lines += [(f"input {each.name}", " x ".join(map(str, each.shape))) for each in contract.inputs]
    for output in contract.outputs:
        lines += [(f"output {output.name}" if output.name else "target", _target(output))]
    lines += [("left out", f"{name}: {why}") for name, why in dataset.excluded.items()]
    lines += [("fingerprint", dataset.fingerprint)]
    return _aligned(lines)


def _target(output: Output) -> str:
    kind = output.kind.replace("_", "-")
    classes = f": {_listed(output.classes)}" if output.classes else ""
    return f"{_listed(output.target)} ({kind}{classes})"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(map(str, names[:MOST_NAMES])) + more


def environment_text(record: Mapping[str, object]) -> str:
    """Return when, by which command and on which machine a run was begun, and with which versions."""
    lines = [("started", _one(record.get("started")))]
    command = record.get("command")
    if isinstance(command, list | tuple) and command:
        lines += [("command", " ".join(map(str, command)))]
    lines += [("commit", _one(record["commit"]))] if record.get("commit") else []
    for section in ("host", "versions"):
        entries = record.get(section)
        lines += [(k, _one(each)) for k, each in entries.items()] if isinstance(entries, Mapping) else []
    return _aligned(lines)


def _one(value: object) -> str:
    return "" if value is None else str(value)


def _aligned(lines: Sequence[tuple[str, str]]) -> str:
    wide = max(len(name) for name, _ in lines)
    return "\n".join(printable(f"{name:<{wide}}  {text}") for name, text in lines)
