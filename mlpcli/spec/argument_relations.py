"""Rules between the arguments of one component, each of which is right by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mlpcli.errors import ABSENT, KeyPath, Problem
from mlpcli.spec.number_rules import is_number
from mlpcli.spec.values import Value, ValueMap

Given = Mapping[str, object]


@dataclass(frozen=True)
class Relation:
    """A rule between arguments.

    Attributes:
        classes: a pattern of the names of the classes.
        arguments: that it is between; it is one of classes that have them all. The first is where it is
            reported.
        fits: whether the arguments, with defaults filled in, fulfil it.
        words: what must be, with `{name}` for an argument's value.
        hint: what to do, likewise.
    """

    classes: str
    arguments: tuple[str, ...]
    fits: Callable[[Given], bool]
    words: str
    hint: str = ""


def _numbers(value: object) -> list[float]:
    """Return the numbers in a value; a number stands for itself."""
    several = value if isinstance(value, list | tuple) else [value]
    return [float(each) for each in several if is_number(each)]


def _divides(divisor: str, number: str) -> Callable[[Given], bool]:
    def fits(given: Given) -> bool:
        one, other = _numbers(given[divisor]), _numbers(given[number])
        return not one or not other or other[0] % one[0] == 0

    return fits


def _at_most(low: str, high: str) -> Callable[[Given], bool]:
    """Return a test that one number is at most another; one that is not given is."""

    def fits(given: Given) -> bool:
        one, other = _numbers(given[low]), _numbers(given[high])
        return not one or not other or one[0] <= other[0]

    return fits


def _only_with(name: str, other: str, *values: Value) -> Callable[[Given], bool]:
    """Return a test that an argument is given only where another has one of some values."""
    return lambda given: not _is_set(given[name]) or given[other] in values


def _is_set(value: object) -> bool:
    return value is not None and value is not False


def _one_step(given: Given) -> bool:
    return all(each == 1 for name in ("strides", "dilation_rate") for each in _numbers(given[name])) or any(
        all(each == 1 for each in _numbers(given[name])) for name in ("strides", "dilation_rate")
    )


def _padding_below_strides(given: Given) -> bool:
    padding, strides = _numbers(given["output_padding"]), _numbers(given["strides"])
    count = max(len(padding), len(strides))
    pairs = zip(
        padding * (count // max(len(padding), 1)), strides * (count // max(len(strides), 1)), strict=False
    )
    return all(one < other for one, other in pairs)


def _one_weight_each(given: Given) -> bool:
    vocabulary, weights = given["vocabulary"], given["idf_weights"]
    if given["output_mode"] not in ("tf_idf", "tf-idf") or not isinstance(vocabulary, list):
        return True
    return isinstance(weights, list) and len(weights) == len(vocabulary)


def _one_boundary_less(given: Given) -> bool:
    boundaries, values = given["boundaries"], given["values"]
    if not isinstance(boundaries, list) or not isinstance(values, list):
        return True
    return len(values) == len(boundaries) + 1


def _fitting_ending(given: Given) -> bool:
    path = given["filepath"]
    endings = (".weights.h5",) if given["save_weights_only"] else (".keras", ".h5")
    return not isinstance(path, str) or path.endswith(endings)


def _one_clipping(given: Given) -> bool:
    return sum(given[name] is not None for name in CLIPPINGS) <= 1


CLIPPINGS = ("clipnorm", "clipvalue", "global_clipnorm")
ENCODED = ("one_hot", "multi_hot", "count", "tf_idf", "binary", "tf-idf")

RELATIONS: dict[str, tuple[Relation, ...]] = {
    "layers": (
        Relation(
            ".*Conv.*",
            ("groups", "filters"),
            _divides("groups", "filters"),
            "must divide the filters, of which there are {filters}",
            "make filters a multiple of groups",
        ),
        Relation(
            ".*Conv.*",
            ("dilation_rate", "strides"),
            _one_step,
            "cannot be above 1 where strides is, which is {strides}",
            "keep one of the two at 1",
        ),
        Relation(
            ".*",
            ("output_padding", "strides"),
            _padding_below_strides,
            "must be below strides, which is {strides}",
            "leave it out: then it is found by itself",
        ),
        Relation(
            "EinsumDense",
            ("bias_axes", "equation"),
            lambda given: {*str(given["bias_axes"] or "")} <= {*str(given["equation"]).rpartition(">")[2]},
            "must be letters behind the arrow of the equation, which is {equation}",
        ),
        Relation(
            ".*",
            ("num_key_value_heads", "num_query_heads"),
            _divides("num_key_value_heads", "num_query_heads"),
            "must divide num_query_heads, which is {num_query_heads}",
        ),
        Relation(
            "Normalization",
            ("mean", "variance"),
            lambda given: given["mean"] is None or given["variance"] is not None,
            "needs the variance beside it",
            "give both, or leave both out: then they are learned from the training rows",
        ),
        Relation(
            "Normalization",
            ("variance", "mean"),
            lambda given: given["variance"] is None or given["mean"] is not None,
            "needs the mean beside it",
            "give both, or leave both out: then they are learned from the training rows",
        ),
        Relation(
            "Discretization",
            ("num_bins", "bin_boundaries"),
            lambda given: (given["num_bins"] is None) != (given["bin_boundaries"] is None),
            "must be given where bin_boundaries is not, and only there",
            "write num_bins, for boundaries that are learned from the training rows, or bin_boundaries",
        ),
        Relation(
            "CategoryEncoding",
            ("num_tokens",),
            lambda given: given["num_tokens"] is not None,
            "must be given",
            "write how many classes there are, from 0 on",
        ),
        Relation(
            ".*",
            ("sparse", "output_mode"),
            _only_with("sparse", "output_mode", *ENCODED),
            "can be true only where output_mode is one_hot, multi_hot or count, and here it is {output_mode}",
            "remove it",
        ),
        Relation(
            ".*",
            ("pad_to_max_tokens", "max_tokens"),
            lambda given: not given["pad_to_max_tokens"] or given["max_tokens"] is not None,
            "needs max_tokens beside it",
            "remove it, or write max_tokens",
        ),
        Relation(
            "IntegerLookup",
            ("salt", "oov_method"),
            _only_with("salt", "oov_method", "farmhash"),
            "is used only where oov_method is farmhash",
            "write oov_method: farmhash, or remove it",
        ),
        Relation(
            ".*",
            ("idf_weights", "output_mode"),
            _only_with("idf_weights", "output_mode", "tf_idf", "tf-idf"),
            "is used only where output_mode is tf_idf, and here it is {output_mode}",
            "write output_mode: tf_idf, or remove it",
        ),
        Relation(
            ".*",
            ("idf_weights", "output_mode", "vocabulary"),
            _one_weight_each,
            "must have a number for each value of the vocabulary where output_mode is tf_idf",
            "or leave out both: then they are learned from the training rows",
        ),
        Relation(
            ".*",
            ("invert", "output_mode"),
            _only_with("invert", "output_mode", "int"),
            "can be true only where output_mode is int, and here it is {output_mode}",
        ),
        Relation(
            "TextVectorization",
            ("output_sequence_length", "output_mode"),
            _only_with("output_sequence_length", "output_mode", "int"),
            "is used only where output_mode is int, and here it is {output_mode}",
            "remove it",
        ),
        Relation(
            "TextVectorization",
            ("ragged", "output_mode"),
            _only_with("ragged", "output_mode", "int"),
            "can be true only where output_mode is int, and here it is {output_mode}",
        ),
        Relation(
            "STFTSpectrogram",
            ("frame_step", "frame_length"),
            _at_most("frame_step", "frame_length"),
            "must be at most frame_length, which is {frame_length}",
        ),
        Relation(
            "STFTSpectrogram",
            ("fft_length", "frame_length"),
            _at_most("frame_length", "fft_length"),
            "must be at least frame_length, which is {frame_length}",
        ),
        Relation(
            "MelSpectrogram",
            ("sequence_length", "fft_length"),
            _at_most("sequence_length", "fft_length"),
            "must be at most fft_length, which is {fft_length}",
        ),
        Relation(
            "Resizing",
            ("crop_to_aspect_ratio", "pad_to_aspect_ratio"),
            lambda given: not (given["crop_to_aspect_ratio"] and given["pad_to_aspect_ratio"]),
            "cannot be true where pad_to_aspect_ratio is",
            "keep one of the two",
        ),
    ),
    "metrics": (
        Relation(
            "AUC",
            ("num_labels", "multi_label"),
            _only_with("num_labels", "multi_label", True),
            "is used only where multi_label is true",
            "write multi_label: true, or remove it",
        ),
        Relation(
            ".*",
            ("target_class_ids", "num_classes"),
            lambda given: (
                max(_numbers(given["target_class_ids"]), default=0) < min(_numbers(given["num_classes"]))
            ),
            "must be below num_classes, which is {num_classes}: the first class is 0",
        ),
        Relation(
            "BinaryIoU",
            ("target_class_ids",),
            lambda given: max(_numbers(given["target_class_ids"]), default=0) <= 1,
            "must be a list of 0, 1 or both",
        ),
    ),
    "optimizers": tuple(
        Relation(
            ".*",
            (name, *(other for other in CLIPPINGS if other != name)),
            lambda given: _one_clipping(given),
            "only one of clipnorm, clipvalue and global_clipnorm can be set",
            "remove the others",
        )
        for name in CLIPPINGS
    ),
    "optimizers.schedules": (
        Relation(
            "PiecewiseConstantDecay",
            ("values", "boundaries"),
            _one_boundary_less,
            "must be a list with one value more than boundaries",
            "the first value is before the first boundary",
        ),
    ),
    "callbacks": (
        Relation(
            "ModelCheckpoint",
            ("filepath", "save_weights_only"),
            _fitting_ending,
            "must end in .keras, or with save_weights_only: true in .weights.h5",
            "leave it out: then it is found by itself",
        ),
    ),
    "constraints": (
        Relation(
            "MinMaxNorm",
            ("min_value", "max_value"),
            _at_most("min_value", "max_value"),
            "must be at most max_value, which is {max_value}",
        ),
    ),
}
"""By kind of component."""


def relation_problems(
    namespace: str, class_name: str, arguments: ValueMap, defaults: Mapping[str, object], path: KeyPath
) -> Iterator[Problem]:
    """Yield the problem between arguments that are each right by themselves; the first one only.

    Args:
        namespace: of the class.
        class_name: one of Keras's classes or ours.
        arguments: as the spec has them.
        defaults: of all arguments.
        path: the place of the class.
    """
    given = {**defaults, **arguments}
    for relation in RELATIONS.get(namespace, ()):
        if not re.fullmatch(relation.classes, class_name) or not {*relation.arguments} <= defaults.keys():
            continue
        first = relation.arguments[0]
        if relation.fits(given):
            continue
        told = first in arguments
        values = {name: _shown(given[name]) for name in relation.arguments}
        yield Problem(
            relation.words.format(**values) if told else f"{first} {relation.words.format(**values)}",
            path=(*path, first) if told else path,
            received=arguments[first] if told else ABSENT,
            hint=relation.hint,
        )
        return


def _shown(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
