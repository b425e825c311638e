"""Rules for the arguments of Keras's layers, most of which Keras looks at only when the network is built.

Some it never looks at: a `RandomFlip` with a misspelt mode flips nothing. No rule refuses a value that means
something to Keras; a test compares them with what Keras builds.
"""

from __future__ import annotations

import re
from functools import cache

from mlpcli.spec.number_rules import (
    AXES,
    BELOW_ONE,
    BOUNDED_WHOLE,
    FROM_TWO,
    INTEGER,
    NESTED,
    NOT_NEGATIVE,
    NUMBER,
    NUMBERS,
    POSITIVE,
    POSITIVE_WHOLE,
    RISING,
    SHARE,
    THRESHOLDS,
    TWO_NUMBERS,
    WHOLE,
    factor,
    is_whole,
    margins,
    sizes,
)
from mlpcli.spec.value_rules import TEXT, Rule, either, list_of, one_of, or_null
from mlpcli.spec.values import Value

Rules = dict[str, Rule]

NULL = Rule("must be null", lambda v: v is None, {"type": "null"})
LEFT_OUT = Rule("must be left out: this layer does not use it", lambda v: v is None, {"type": "null"})
SHARED = one_of("none", "factors")
WINDOW = or_null(either(TEXT, list_of(NUMBER, ""), words="the name of a window, or a list of numbers"))
NO_WEIGHTS = LEFT_OUT._replace(
    words="must be left out: use an initializer, or start_from for weights of a run"
)
NO_FLASH = Rule("must be false: TensorFlow has no flash attention", lambda v: v is False, {"const": False})
STATELESS = Rule(
    "must be false: the rows of a batch do not continue those of the batch before",
    lambda v: v is False,
    {"const": False},
)
FLAG_OR_AUTO = Rule(
    "must be auto, true or false",
    lambda v: v == "auto" or isinstance(v, bool),
    {"enum": ["auto", True, False]},
    choices=("auto",),
)
GROUPS = Rule(
    "must be a positive integer, or -1 for a group for each channel",
    lambda v: is_whole(v) and (v > 0 or v == -1),
    {"anyOf": [POSITIVE_WHOLE.schema, {"const": -1}]},
    whole=True,
)
SOME_SIZES = either(
    POSITIVE_WHOLE,
    list_of(either(POSITIVE_WHOLE, NULL), ""),
    words="a positive integer, or a list of them, with null for an axis that the input has",
)
TOTAL_SIZES = either(
    POSITIVE_WHOLE, list_of(POSITIVE_WHOLE, ""), words="a positive integer, or a list of them"
)


def _is_shape(value: Value) -> bool:
    """Return whether a value is a shape in which at most one size is left open, by -1."""
    whole = [each for each in value if is_whole(each)] if isinstance(value, list | tuple) else None
    if whole is None or not isinstance(value, list | tuple) or len(whole) < len(value):
        return False
    return all(each >= -1 for each in whole) and whole.count(-1) <= 1


SHAPE = Rule(
    "must be a list of sizes of at least 0, of which one may be -1, for what is left",
    _is_shape,
    {"type": "array", "items": {"anyOf": [{"type": "integer", "minimum": -1}, {"type": "object"}]}},
)


EINSUM = r"(\.\.\.)?[A-Za-z]+(\.\.\.)?,[A-Za-z]+->(\.\.\.)?[A-Za-z]+(\.\.\.)?"
EQUATION = Rule(
    "must be an equation of letters such as 'ab,bc->ac'",
    lambda v: isinstance(v, str) and re.fullmatch(EINSUM, v) is not None,
    {"type": "string", "pattern": f"^{EINSUM}$"},
)


def _is_order(value: Value) -> bool:
    if not isinstance(value, list | tuple):
        return False
    whole = [each for each in value if is_whole(each)]
    return len(whole) == len(value) and sorted(whole) == list(range(1, len(whole) + 1))


ORDER = Rule(
    "must be a list of the axes 1, 2, ... in another order, such as [2, 1]",
    _is_order,
    list_of(POSITIVE_WHOLE, "", least=0).schema,
)


def _is_odd(value: Value) -> bool:
    return is_whole(value) and value > 0 and value % 2 == 1


_ONE_ODD = Rule(
    "must be an odd positive integer",
    _is_odd,
    {"type": "integer", "exclusiveMinimum": 0, "not": {"multipleOf": 2}},
)
ODD = either(
    _ONE_ODD, list_of(_ONE_ODD, "", least=2, most=2), words="an odd positive integer, or a list of two"
)

ANY_TEXT = Rule("must be a text", lambda v: isinstance(v, str), {"type": "string"})


def _vocabulary(rule: Rule, words: str) -> Rule:
    """Return the rule for a vocabulary; the path of a file has a message of its own.

    Args:
        rule: of each value.
        words: what they are.
    """
    several = list_of(rule, f"a list of distinct {words}", distinct=True)
    return several._replace(
        test=lambda value: isinstance(value, str) or several.test(value), schema={"type": ["array", "string"]}
    )


FLOATS = ("float32", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")
WHOLES = ("int", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
QUANTIZED = r".+_from_.+"


def _dtype(*words: str) -> Rule:
    """Return the rule for a type of numbers; a quantized one is left to Keras."""
    return Rule(
        f"must be a type of numbers, such as {', '.join(words[:2])} or {words[-1]}",
        lambda v: isinstance(v, str) and (v in words or re.fullmatch(QUANTIZED, v) is not None),
        {"anyOf": [{"enum": [*words]}, {"type": "string", "pattern": QUANTIZED}]},
        choices=words,
    )


FLOAT = _dtype(*FLOATS)
NUMERIC = _dtype(*FLOATS, *WHOLES)
DTYPE = _dtype(*FLOATS, *WHOLES, "int8", "bool", "string", "complex64", "complex128")
NAME = Rule(
    "must be a text without '/'",
    lambda v: TEXT.test(v) and "/" not in str(v),
    {"type": "string", "minLength": 1, "pattern": "^[^/]*$"},
)

BOXES = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw")
OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
RESIZINGS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")
FILLS = ("constant", "nearest", "wrap", "reflect")
SPECTRA = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


def _of_axes(count: int) -> Rules:
    """Return the rules for the sizes of a window along some axes."""
    names = ("kernel_size", "strides", "dilation_rate", "pool_size", "size", "output_size")
    return dict.fromkeys(names, sizes(count)) | {"output_padding": sizes(count, least=0)}


CHANGES: Rules = {"factor": factor(-1, 1)}
STRENGTH: Rules = {"factor": factor(0, 1)}
SOUND: Rules = {
    **dict.fromkeys(("fft_length", "sequence_stride", "num_mel_bins", "sequence_length"), POSITIVE_WHOLE),
    **dict.fromkeys(("sampling_rate", "min_power", "ref_power"), POSITIVE),
    **dict.fromkeys(("min_freq", "max_freq", "top_db"), NOT_NEGATIVE),
    "mag_exp": NUMBER,
    "window": or_null(one_of("hann", "hamming")),
}

LAYER_RULES: tuple[tuple[str, Rules], ...] = (
    # by class, the first that has the argument
    (".*(Dense|Conv|LSTM|GRU|RNN|Embedding|Attention).*", {"dtype": FLOAT}),
    ("MemberDense", {"share": SHARED}),
    ("Members", {"count": POSITIVE_WHOLE, "width": POSITIVE_WHOLE}),
    ("PiecewiseLinearEmbedding", {"bins": THRESHOLDS, "width": POSITIVE_WHOLE}),
    ("PeriodicEmbedding", {"frequencies": POSITIVE_WHOLE, "width": FROM_TWO, "stddev": POSITIVE}),
    (r"Conv(olution)?1D", {"padding": one_of("valid", "same", "causal", folded=True)}),
    (".*Conv.*", {"padding": one_of("valid", "same", folded=True)}),
    *((rf"ZeroPadding{count}D", {"padding": margins(count)}) for count in (1, 2, 3)),
    *((rf"Cropping{count}D", {"cropping": margins(count)}) for count in (1, 2, 3)),
    ("UpSampling1D", {"size": POSITIVE_WHOLE}),
    ("UpSampling2D", {"interpolation": one_of(*RESIZINGS, folded=True)}),
    *((rf".*{count}D(Transpose)?", _of_axes(count)) for count in (1, 2, 3)),
    ("GroupNormalization", {"groups": GROUPS}),
    ("(Batch|Group)Normalization|Concatenate", {"axis": INTEGER}),
    ("Normalization", {"axis": or_null(AXES)}),
    ("BatchNormalization", {"momentum": SHARE, "renorm_momentum": SHARE}),
    ("GaussianNoise", {"stddev": SHARE}),
    (
        "Dot",
        {"axes": either(INTEGER, list_of(INTEGER, "", least=2, most=2), words="an axis, or a list of two")},
    ),
    ("Discretization", {"output_mode": one_of(*OUTPUT_MODES[:-1])}),
    ("CategoryEncoding", {"output_mode": one_of("multi_hot", "one_hot", "count", also=("binary",))}),
    ("HashedCrossing", {"output_mode": one_of("int", "one_hot")}),
    ("Hashing", {"output_mode": one_of(*OUTPUT_MODES[:-1])}),
    ("TextVectorization", {"output_mode": one_of("int", "multi_hot", "count", "tf_idf")}),
    (
        "StringLookup",
        {"vocabulary": _vocabulary(TEXT, "texts, such as [red, green]"), "mask_token": ANY_TEXT},
    ),
    ("TextVectorization", {"vocabulary": _vocabulary(TEXT, "texts, such as [good, bad]")}),
    (
        "IntegerLookup",
        {"vocabulary": _vocabulary(INTEGER, "integers, such as [1, 2]"), "mask_token": INTEGER},
    ),
    ("RandomFlip", {"mode": one_of("horizontal", "vertical", "horizontal_and_vertical")}),
    ("STFTSpectrogram", {"mode": one_of(*SPECTRA), "fft_length": POSITIVE_WHOLE}),
    ("MelSpectrogram", SOUND),
    ("RandomGaussianBlur", {"kernel_size": ODD, "sigma": factor(0, 1), **STRENGTH}),
    ("RandomElasticTransform", {"scale": factor(0, 1), "fill_mode": one_of(*FILLS, "mirror"), **STRENGTH}),
    ("RandomPerspective", {"scale": SHARE, **STRENGTH}),
    ("RandomErasing", {"scale": factor(0, 1), "fill_value": NUMBERS, **STRENGTH}),
    ("Resizing", {"interpolation": one_of(*RESIZINGS), "fill_mode": one_of("constant")}),
    ("RandomGrayscale", {"factor": SHARE}),
    ("RandomPosterization", {"factor": factor(1, 8)}),
    ("AugMix|RandAugment", {"factor": factor(0, 1, strict=True)}),
    ("CutMix|RandomInvert|RandomContrast|RandomHue|RandomSharpness", STRENGTH),
    ("RandomColorDegeneration|RandomSaturation", CHANGES),
    ("RandomBrightness|RandomRotation|MixUp|RandomColorJitter|RandomCrop|MaxNumBoundingBoxes", CHANGES),
    ("Equalization|ContrastLimitedAdaptiveHistogramEqualization", CHANGES),
    ("AutoContrast|CenterCrop|RandomFlip|Random(Shear|Translation|Zoom)|Resizing", {"factor": LEFT_OUT}),
    ("Solarization", {"factor": LEFT_OUT}),
    ("RandomZoom", dict.fromkeys(("height_factor", "width_factor"), factor(-1, 1, strict=True, above=True))),
    (
        "RandomTranslation",
        dict.fromkeys(("height_factor", "width_factor"), factor(-1, 1, strict=True)),
    ),
    ("AugMix|MixUp", {"alpha": POSITIVE}),
    ("ELU", {"alpha": NUMBER}),
    ("Rescaling", {"scale": NESTED, "offset": NESTED}),
    ("ReLU|LeakyReLU", dict.fromkeys(("negative_slope", "threshold", "max_value"), NOT_NEGATIVE)),
    ("Masking", {"mask_value": NUMBER}),
    ("ActivityRegularization", {"l1": or_null(NOT_NEGATIVE), "l2": or_null(NOT_NEGATIVE)}),
    ("EinsumDense", {"output_shape": SOME_SIZES, "equation": EQUATION}),
    ("MultiHeadAttention", {"output_shape": TOTAL_SIZES}),
    (r"(Center|Random)Crop|Resizing", {"height": POSITIVE_WHOLE, "width": POSITIVE_WHOLE}),
    (
        ".*",
        {
            **dict.fromkeys(("units", "filters", "input_dim", "output_dim", "n", "groups"), POSITIVE_WHOLE),
            **dict.fromkeys(
                ("depth_multiplier", "power_iterations", "num_bins", "num_tokens"), POSITIVE_WHOLE
            ),
            **dict.fromkeys(("num_heads", "num_query_heads", "num_key_value_heads"), POSITIVE_WHOLE),
            **dict.fromkeys(("key_dim", "head_dim", "value_dim", "sliding_window"), POSITIVE_WHOLE),
            **dict.fromkeys(("frame_length", "frame_step", "output_sequence_length"), POSITIVE_WHOLE),
            **dict.fromkeys(("num_chains", "chain_depth", "num_ops", "max_number", "bins"), POSITIVE_WHOLE),
            **dict.fromkeys(("rate", "dropout", "recurrent_dropout"), BELOW_ONE),
            **dict.fromkeys(("axis", "shared_axes", "attention_axes"), AXES),
            **dict.fromkeys(("x_factor", "y_factor"), factor(0, 1, strict=True)),
            **dict.fromkeys(("addition_factor", "threshold_factor"), factor(0, 1, strict=True)),
            **dict.fromkeys(("contrast_factor", "hue_factor"), factor(0, 1)),
            **dict.fromkeys(("brightness_factor", "saturation_factor"), factor(-1, 1)),
            "interpolation": one_of("nearest", "bilinear"),
            "fill_mode": one_of(*FILLS),
            "fill_value": NUMBER,
            "value_range": TWO_NUMBERS,
            "bounding_box_format": one_of(*BOXES, *(f"rel_{each}" for each in BOXES[:-1])),
            "tile_grid_size": list_of(POSITIVE_WHOLE, "a list of 2 positive integers", least=2, most=2),
            "clip_limit": POSITIVE,
            "padding": one_of("valid", "same"),
            "data_format": one_of("channels_last", "channels_first", folded=True),
            "num_oov_indices": BOUNDED_WHOLE,
            "oov_method": one_of("floormod", "farmhash"),
            "output_mode": one_of(*OUTPUT_MODES, also=("binary", "tf-idf")),
            "vocabulary_dtype": one_of("int64"),
            "encoding": TEXT,
            "max_tokens": FROM_TWO,
            "ngrams": TOTAL_SIZES,
            "standardize": one_of("lower_and_strip_punctuation", "lower", "strip_punctuation", null=True),
            "split": one_of("whitespace", "character", null=True),
            "bin_boundaries": RISING,
            "idf_weights": list_of(NOT_NEGATIVE, "a list of numbers of at least 0"),
            "salt": either(INTEGER, list_of(INTEGER, "a list of two", least=2, most=2)),
            "weights": NO_WEIGHTS,
            "window": WINDOW,
            "bias_axes": TEXT,
            "mean": NESTED,
            "variance": NESTED,
            "lora_rank": WHOLE,
            "lora_alpha": NUMBER,
            "logit_soft_cap": POSITIVE,
            "epsilon": NOT_NEGATIVE,
            "merge_mode": one_of("concat", "sum", "mul", "ave", null=True),
            "score_mode": one_of("dot", "concat"),
            "scaling": one_of("density", "spectrum", null=True),
            "target_shape": SHAPE,
            "dims": ORDER,
            "noise_shape": list_of(
                either(POSITIVE_WHOLE, NULL), "a list of positive integers, or null", least=0
            ),
            "use_cudnn": FLAG_OR_AUTO,
            "stateful": STATELESS,
            "flash_attention": NO_FLASH,
            "seed": INTEGER,
            "dtype": DTYPE,
            "name": NAME,
        },
    ),
)
"""Patterns of the names of classes, and the rules for arguments of such a class; the first match counts."""


@cache
def layer_rule(class_name: str, argument: str) -> Rule | None:
    """Return the rule for an argument of one of Keras's layers or ours; None where there is none.

    Args:
        class_name: of the layer.
        argument: its name.
    """
    fitting = (rules for pattern, rules in LAYER_RULES if re.fullmatch(pattern, class_name))
    return next((rules[argument] for rules in fitting if argument in rules), None)
