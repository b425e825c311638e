"""Write a run's network in other formats, and hold each file against `predict`."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.features.verification_sample import Sample
from mlpcli.data.types import Array
from mlpcli.export.coded_network import CodedNetwork, coded_network
from mlpcli.export.compare_results import differences
from mlpcli.export.describe_file import describe_inputs, describe_outputs
from mlpcli.export.example_code import example_code
from mlpcli.export.export_formats import files_of, sidecar_of, targets_of
from mlpcli.export.frozen_graph import FrozenGraph, freeze, narrowed
from mlpcli.export.given_columns import CODED, check_formats, rows_given
from mlpcli.export.keras_file import complete_network, foreign_layers, save_keras
from mlpcli.export.litert_file import QUANTIZED_ROWS, convert_to_litert
from mlpcli.export.onnx_file import convert_to_onnx
from mlpcli.export.openvino_file import save_openvino
from mlpcli.export.saved_model import export_saved_model
from mlpcli.export.signature_names import signature_names
from mlpcli.export.try_file import Tried, try_file
from mlpcli.export.verify import MIXED_TOLERANCE, TOLERANCE
from mlpcli.files import replacing, write_json
from mlpcli.inference.export_rows import (
    predicted_results,
    raw_results,
    sample_rows,
    spaced,
    split_rows,
    with_labels,
)
from mlpcli.inference.own_data import OwnData, data_warnings, own_data
from mlpcli.inference.quantized_scores import SCORED_ROWS, scores_of
from mlpcli.keras_import import keras
from mlpcli.model.plain_normal import by_arithmetic
from mlpcli.model.run_contract import run_contract
from mlpcli.model.trained_model import TrainedModel, load_trained
from mlpcli.runs.exported import Exported, Score
from mlpcli.runs.folder import Run

WIDE = ("onnx",)
"""Formats with float64."""

TEXTS = ("saved_model",)
"""Formats whose results name the classes."""


@dataclass(frozen=True)
class ExportOptions:
    """What is written.

    Attributes:
        formats: their names.
        output: the file, or of several formats the folder; None for the current folder.
        quantize: whether the layers of the LiteRT file are of int8.
        verify: whether each file is held against `predict` on rows of the run's data.
        progress: called with what is done now.
    """

    formats: tuple[str, ...]
    output: Path | None = None
    quantize: bool = False
    verify: bool = True
    progress: Callable[[str], None] = field(default=lambda stage: None)


def export_run(run: Run, options: ExportOptions) -> tuple[Exported, ...]:
    """Write a run's network in some formats.

    Args:
        run: the run.
        options: what is written.

    Raises:
        RunError: the run has no model.
        SpecError: the run's data is gone.
        ExportError: a format cannot hold the network, or the file does not compute what `predict` does.
    """
    check_formats(run_contract(run).preprocessor, options.formats)
    options.progress("loading the run")
    trained = load_trained(run)
    own = own_data(trained) if options.verify or options.quantize else None
    job = ExportJob(trained, own, options)
    targets = targets_of(options.formats, run, options.output)
    return tuple(job.write(name, target) for name, target in targets.items())


@dataclass
class ExportJob:
    """A run whose network is written.

    Attributes:
        trained: its model.
        own: its data; None where nothing is compared.
        options: what is written.
    """

    trained: TrainedModel
    own: OwnData | None
    options: ExportOptions

    @cached_property
    def sample(self) -> Sample:
        """Rows to compare; a single one of zeros without data."""
        if self.own is not None:
            return sample_rows(self.trained, self.own)
        contract = self.trained.contract
        width = () if contract.preprocessor is None else (contract.preprocessor.width,)
        x = np.zeros((1, *(width or contract.shape)), contract.dtype)
        texts: list[str] | Array
        columns = {}
        for encoder in () if contract.preprocessor is None else contract.preprocessor.encoders:
            texts = [""] if encoder.text else np.full(1, np.nan)
            columns[encoder.name] = texts
        return Sample(columns, x, np.zeros(1, np.int64), "no data")

    @cached_property
    def plain(self) -> keras.Model:
        """The network without what only TensorFlow has."""
        trained = self.trained
        if trained.members and any(each.is_curved for each in trained.contract.outputs):
            with by_arithmetic():
                return load_trained(trained.run).model
        return trained.model

    @cached_property
    def wide(self) -> tuple[CodedNetwork, FrozenGraph]:
        """The network without texts, in float64 where that is needed."""
        coded = coded_network(self.plain, self.trained.spec, self.trained.contract, wide=True)
        return coded, freeze(coded)

    @cached_property
    def narrow(self) -> tuple[CodedNetwork, FrozenGraph]:
        """The network without texts and without float64."""
        coded = coded_network(self.plain, self.trained.spec, self.trained.contract, wide=False)
        return coded, narrowed(freeze(coded))

    def coded(self, name: str) -> CodedNetwork | None:
        """Return what a format's file holds; None where it takes every raw column as it is."""
        if name not in CODED:
            return None
        return (self.wide if name in WIDE else self.narrow)[0]

    def rows(self, name: str, sample: Sample) -> dict[str, Array]:
        """Return rows as a format's file takes them, by input."""
        contract = self.trained.contract
        preprocessor, coded = contract.preprocessor, self.coded(name)
        if preprocessor is None:
            dtype = contract.dtype if coded is None else coded.signature[0][1]
            return {"rows": sample.x.astype(dtype)}
        if coded is not None and name != "onnx":
            return rows_given(preprocessor, coded.given, sample)
        names = signature_names(preprocessor.served) if name in TEXTS else preprocessor.served
        found = {}
        coded_rows = {} if coded is None else rows_given(preprocessor, coded.given, sample)
        for encoder in preprocessor.encoders:
            cells = sample.columns[encoder.name]
            given = next((g for g in (coded.given if coded else ()) if g.column == encoder.name), None)
            if given is not None and given.form != "code":
                found[given.column or given.name] = coded_rows[given.name]
            elif encoder.text:
                texts = np.array([str(text).strip() for text in cells])
                found[names[encoder.name] if given is None else given.column or given.name] = texts
            else:
                kind = "uint8" if isinstance(encoder, ImageEncoder) else preprocessor.dialect.numbers
                found[names[encoder.name]] = np.asarray(cells, kind)
        return found

    def wanted(self, name: str, sample: Sample) -> dict[str, Array]:
        """Return what `predict` computes for rows, under the names of a format's results."""
        contract = self.trained.contract
        bare = contract.preprocessor is None and all(each.intervals is None for each in contract.outputs)
        if name == "saved_model" and bare:
            return raw_results(self.trained, sample)
        found = predicted_results(self.trained, sample, texts=name in TEXTS)
        return with_labels(self.trained, found) if name == "onnx" else found

    def write(self, name: str, target: Path) -> Exported:
        """Write one format's file, compare it, and describe it.

        Args:
            name: of the format.
            target: where.
        """
        self.options.progress(f"writing {target}")
        contract = self.trained.contract
        wanted = self.wanted(name, self.sample)
        inputs = describe_inputs(name, contract, self.coded(name))
        facts = self.facts | {"inputs": inputs, "outputs": describe_outputs(contract, wanted)}
        rows = self.rows(name, self.sample)
        tried, shares = Tried({}, {}), dict[str, float]()
        scores: tuple[Score, ...] = ()
        with replacing(target) as path:
            self._save(name, path, facts)
            if self.options.verify:
                self.options.progress(f"comparing {target} with predict")
                tried = try_file(name, path, rows, timed=True, here=name == "keras" and bool(self.foreign))
                shares = self._compare(name, wanted, tried.results)
            if self.is_quantized(name):
                scores = self._scores(path)
            if name == "openvino":
                with replacing(target.with_suffix(".bin")) as weights:
                    shutil.copyfile(path.with_suffix(".bin"), weights)
        document = {"format": name, **facts}
        if self.options.verify:
            document["compared"] = {"rows": len(self.sample), "differences": shares}
        write_json(sidecar_of(target), document)
        return Exported(
            name,
            target,
            tuple(each.name for each in files_of(name, target)),
            _size(target) + sum(_size(each) for each in files_of(name, target)[1:-1]),
            len(self.sample) if self.options.verify else 0,
            shares,
            tried.seconds,
            document,
            example_code(name, target, inputs, rows),
            self._notes(name),
            scores,
        )

    @cached_property
    def facts(self) -> dict[str, object]:
        """What every file says of itself."""
        return {"mlpcli": importlib.metadata.version("mlpcli"), "run": self.trained.run.label}

    @cached_property
    def foreign(self) -> tuple[str, ...]:
        """The layers of the Keras file that Keras alone does not know."""
        return foreign_layers(self.complete)

    @cached_property
    def complete(self) -> keras.Model:
        """The network from raw columns to results."""
        return complete_network(self.trained.model, self.trained.spec, self.trained.contract)

    def _save(self, name: str, path: Path, facts: dict[str, object]) -> None:
        spec, contract = self.trained.spec, self.trained.contract
        if name == "saved_model":
            export_saved_model(self.trained.model, spec, contract, path)
        elif name == "keras":
            save_keras(self.complete, path)
        elif name == "onnx":
            path.write_bytes(convert_to_onnx(self.wide[1], self.wide[0], contract, facts))
        elif name == "openvino":
            save_openvino(self.narrow[1], facts, path)
        else:
            path.write_bytes(convert_to_litert(self.narrow[1], facts, self._representative()))

    def _representative(self) -> dict[str, Array] | None:
        if not self.options.quantize:
            return None
        assert self.own is not None
        return self.rows("litert", split_rows(self.trained, self.own, "train", QUANTIZED_ROWS))

    def _compare(
        self, name: str, wanted: Mapping[str, Array], found: Mapping[str, Array]
    ) -> dict[str, float]:
        half = self.trained.spec.fit.precision != "float32"
        limit = MIXED_TOLERANCE if half else TOLERANCE
        exact = not self.is_quantized(name)
        return differences(self.trained.contract, wanted, found, limit, self.sample, refusing=exact)

    def is_quantized(self, name: str) -> bool:
        """Return whether a format's file has layers of int8."""
        return self.options.quantize and name == "litert"

    def _scores(self, path: Path) -> tuple[Score, ...]:
        """Return how good the predictions of a file with int8 layers are, beside those of predict."""
        assert self.own is not None
        splits = self.own.dataset.splits()
        name = next(each for each in ("test", "validation", "train") if each in splits)
        self.options.progress(f"measuring int8 on the {name} rows")
        sample = split_rows(self.trained, self.own, name, SCORED_ROWS)
        places = spaced(len(splits[name]), SCORED_ROWS)
        y = keras.tree.map_structure(lambda each: each[places], splits[name].y)
        found = try_file("litert", path, self.rows("litert", sample), timed=False).results
        return scores_of(self.trained.contract, name, y, self.wanted("litert", sample), found)

    def _notes(self, name: str) -> tuple[str, ...]:
        """Return what a person should know of a file."""
        found = [*self.trained.warnings]
        if self.own is not None:
            found += data_warnings(self.trained, self.own)
        coded = self.coded(name)
        given = () if coded is None else coded.given
        codes = [each.column for each in given if each.form == "code"]
        dates = list(
            dict.fromkeys(e.column for e in given if e.form in ("seconds", "days", "seconds_of_day"))
        )
        less = [each.column for each in given if each.less]
        if codes and name != "onnx":
            found.append(f"{', '.join(codes)}: texts go in as their codes, listed in the file's .json")
        if dates:
            form = "seconds since 1970" if name in WIDE else "days since 1970 and seconds since midnight"
            found.append(f"{', '.join(dates)}: dates go in as {form}")
        if less:
            found.append(f"{', '.join(less)}: goes in less a constant, since float32 has too few digits")
        if name == "keras" and self.foreign:
            found.append(f"Keras loads it only where mlpcli has defined {', '.join(self.foreign)}")
        return tuple(found)


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(_size(each) for each in path.iterdir())
    return path.stat().st_size
