"""What people call things that Keras and a spec call otherwise: keys, arguments, losses, metrics.

A typing error is found by its spelling (`errors.nearest`); these tables hold the words that are spelled
otherwise, from earlier versions of Keras, from other libraries, and from textbooks.
"""

from __future__ import annotations

ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("lr", "eta", "rate", "step_size", "initial_lr", "lrate"), ("learning_rate", "rate")),
    **dict.fromkeys(
        ("neurons", "nodes", "hidden", "hidden_units", "n_units", "num_units", "output_dim", "out_features"),
        ("units",),
    ),
    **dict.fromkeys(("width", "dim", "hidden_size", "out_dim", "n_neurons", "num_neurons"), ("units",)),
    **dict.fromkeys(("nb_filter", "nb_filters", "n_filters", "channels", "out_channels"), ("filters",)),
    **dict.fromkeys(("kernel", "filter_size", "kernel_shape", "window"), ("kernel_size", "pool_size")),
    **dict.fromkeys(("p", "prob", "probability", "drop", "drop_rate", "dropout_rate"), ("rate",)),
    **dict.fromkeys(("act", "act_fn", "activation_fn", "nonlinearity", "func"), ("activation",)),
    **dict.fromkeys(("init", "initializer", "weight_init", "init_w"), ("kernel_initializer",)),
    **dict.fromkeys(("regularizer", "W_regularizer", "reg", "weight_regularizer"), ("kernel_regularizer",)),
    **dict.fromkeys(("bias",), ("use_bias",)),
    **dict.fromkeys(("stride", "step", "subsample"), ("strides",)),
    **dict.fromkeys(("pad", "border_mode"), ("padding",)),
    **dict.fromkeys(("size", "pool"), ("pool_size", "units", "kernel_size")),
    **dict.fromkeys(("shape",), ("target_shape",)),
    **dict.fromkeys(("k", "members", "n_members", "num_members", "ensemble_size"), ("count",)),
    **dict.fromkeys(("betas",), ("beta_1",)),
    **dict.fromkeys(("eps",), ("epsilon",)),
    **dict.fromkeys(("wd",), ("weight_decay",)),
    **dict.fromkeys(("clip", "max_norm", "gradient_clip"), ("clipnorm", "max_value")),
    **dict.fromkeys(("wait", "tolerance_epochs", "rounds"), ("patience",)),
    **dict.fromkeys(("restore_best", "restore_weights", "restore"), ("restore_best_weights",)),
    **dict.fromkeys(("metric", "watch", "quantity"), ("monitor",)),
    **dict.fromkeys(("epsilon", "delta", "min_change"), ("min_delta",)),
    **dict.fromkeys(("name_or_path", "file", "path"), ("filepath", "filename", "log_dir")),
    **dict.fromkeys(("smoothing",), ("label_smoothing",)),
    **dict.fromkeys(("logits",), ("from_logits",)),
    **dict.fromkeys(("alpha", "slope"), ("negative_slope", "learning_rate")),
    **dict.fromkeys(("mul", "factor_"), ("scale", "factor")),
}
"""By another word for an argument, the arguments that it may mean; the first that the class has is meant."""

CLASSES: dict[str, dict[str, str]] = {
    "layers": {
        **dict.fromkeys(("fc", "fullyconnected", "linear", "densely", "perceptron", "affine"), "Dense"),
        **dict.fromkeys(("bn", "batchnorm", "batchnorm1d", "batchnorm2d"), "BatchNormalization"),
        **dict.fromkeys(("ln", "layernorm"), "LayerNormalization"),
        **dict.fromkeys(("conv", "conv2", "convolution", "convolution2d"), "Conv2D"),
        **dict.fromkeys(("convolution1d",), "Conv1D"),
        **dict.fromkeys(("maxpool", "maxpooling", "pooling"), "MaxPooling2D"),
        **dict.fromkeys(("avgpool", "averagepool"), "AveragePooling2D"),
        **dict.fromkeys(("normalize", "standardize", "standardscaler", "standardization"), "Normalization"),
        **dict.fromkeys(("drop",), "Dropout"),
        **dict.fromkeys(("scale", "rescale"), "Rescaling"),
        **dict.fromkeys(("tabm", "ensemble", "ensembleview", "member", "ensemblemembers"), "Members"),
        **dict.fromkeys(("batchensemble", "linearensemble", "densebatchensemble"), "MemberDense"),
        **dict.fromkeys(("ensemblemean", "meanofmembers", "membersmean", "memberaverage"), "MemberMean"),
        **dict.fromkeys(("ple", "piecewiselinear", "piecewiselinearembeddings"), "PiecewiseLinearEmbedding"),
        **dict.fromkeys(("piecewiselinearencoding",), "PiecewiseLinearEmbedding"),
        **dict.fromkeys(("pbld", "plr", "periodic", "periodicembeddings"), "PeriodicEmbedding"),
        **dict.fromkeys(("ntk", "ntklinear", "densentk"), "NTKDense"),
    },
    "losses": {
        **dict.fromkeys(("rmse", "rootmeansquarederror", "l2", "l2loss", "squarederror", "sse"), "mse"),
        **dict.fromkeys(("mserror", "mseloss"), "mse"),
        **dict.fromkeys(("l1", "l1loss", "absoluteerror"), "mae"),
        **dict.fromkeys(("smoothl1", "smoothl1loss"), "huber"),
        **dict.fromkeys(("scce", "sparse", "sparsecategorical"), "sparse_categorical_crossentropy"),
        **dict.fromkeys(("cce", "categorical"), "categorical_crossentropy"),
        **dict.fromkeys(("bceloss", "binary"), "binary_crossentropy"),
        **dict.fromkeys(("bcewithlogitsloss", "bcewithlogits"), "binary_crossentropy"),
    },
    "metrics": {
        **dict.fromkeys(("rmse",), "RootMeanSquaredError"),
        **dict.fromkeys(("f1", "fscore", "f1macro", "fmeasure"), "f1_score"),
        **dict.fromkeys(("r2", "rsquared", "rsquare", "rsq", "coefficientofdetermination"), "r2_score"),
        **dict.fromkeys(("rocauc", "roc", "aucroc", "auroc"), "auc"),
        **dict.fromkeys(("pearson", "pearsonr", "correlation"), "PearsonCorrelation"),
        **dict.fromkeys(("top5", "top5accuracy", "topk"), "top_k_categorical_accuracy"),
        **dict.fromkeys(("error", "errorrate"), "accuracy"),
        **dict.fromkeys(("sensitivity", "tpr"), "recall"),
        **dict.fromkeys(("ppv",), "precision"),
    },
    "activations": {
        **dict.fromkeys(("lrelu", "leaky"), "leaky_relu"),
        **dict.fromkeys(("none", "identity", "null", "no"), "linear"),
        **dict.fromkeys(("logistic", "sigm", "expit"), "sigmoid"),
        **dict.fromkeys(("tanhyperbolic", "hyperbolictangent"), "tanh"),
    },
    "optimizers.schedules": {
        **dict.fromkeys(("coslog4", "coslog", "cycles", "multicycle", "cyclic", "cycliclr"), "CosineCycles"),
        **dict.fromkeys(("flatcos", "flatcosine", "flatandanneal", "flatcosineannealing"), "FlatCosine"),
        **dict.fromkeys(("cosine", "cosineannealing", "cosineannealinglr"), "CosineDecay"),
        **dict.fromkeys(("exponential", "exponentiallr"), "ExponentialDecay"),
        **dict.fromkeys(("linearwarmup", "warmuplr"), "Warmup"),
    },
    "optimizers": {
        **dict.fromkeys(("gd", "gradientdescent", "stochasticgradientdescent", "momentum"), "SGD"),
        **dict.fromkeys(("default",), "Adam"),
    },
    "initializers": {
        **dict.fromkeys(("he", "kaiming", "kaimingnormal"), "he_normal"),
        **dict.fromkeys(("kaiminguniform",), "he_uniform"),
        **dict.fromkeys(("xavier", "xavieruniform", "glorot"), "glorot_uniform"),
        **dict.fromkeys(("xaviernormal",), "glorot_normal"),
        **dict.fromkeys(("lecun",), "lecun_normal"),
    },
    "callbacks": {
        **dict.fromkeys(("earlystop", "es"), "EarlyStopping"),
        **dict.fromkeys(("checkpoint",), "ModelCheckpoint"),
        **dict.fromkeys(("reducelr", "reducelronplateu", "plateau"), "ReduceLROnPlateau"),
        **dict.fromkeys(("csv", "logger"), "CSVLogger"),
    },
}
"""By another word for a component, without case, spaces and underscores: its name here."""

CROSSENTROPY = (
    "write sparse_categorical_crossentropy (a column of classes), categorical_crossentropy (one-hot), "
    "or binary_crossentropy (two classes, one sigmoid unit)"
)
AMBIGUOUS: dict[str, dict[str, str]] = {
    "losses": dict.fromkeys(
        (
            "crossentropy",
            "crossentropyloss",
            "xent",
            "ce",
            "nll",
            "nllloss",
            "logloss",
            "softmax",
            "logistic",
        ),
        CROSSENTROPY,
    )
}
"""Words that may mean several components, with a sentence that tells these apart."""

FIT_OF_KERAS: dict[str, str] = {
    "verbose": "leave it out: a terminal shows a bar, a pipe a line for each epoch",
    "steps_per_epoch": "leave it out: an epoch is every training row once",
    "validation_steps": "leave it out: every validation row is used",
    "validation_batch_size": "leave it out: it changes no result",
    "validation_freq": "leave it out: every epoch is validated",
    "initial_epoch": "leave it out: mlpcli train --resume and --continue know the epoch",
    "workers": "leave it out: the rows are in memory",
    "use_multiprocessing": "leave it out: the rows are in memory",
    "max_queue_size": "leave it out: the rows are in memory",
    "sample_weight": "write dataset: {weights: COLUMN}",
    "gpu": "leave it out: TensorFlow uses what it finds",
    "device": "leave it out: TensorFlow uses what it finds",
    "jit_compile": "leave it out: the compiled engine is the default, see fit.engine",
    "run_eagerly": "leave it out: write fit: {engine: keras} for stock model.fit",
    "train_size": "leave it out: the rows that test and validation leave are for training",
    "x": "leave it out: every column but the target is an input; or write dataset: {features: [a, b]}",
    "output_dir": "leave it out: every run has a folder of its own, see --runs-dir",
    "save_path": "leave it out: every run has a folder of its own, see --runs-dir",
    "save_dir": "leave it out: every run has a folder of its own, see --runs-dir",
    "log_dir": "leave it out: every run has a folder of its own, see --runs-dir",
    "input_shape": "leave it out: the input's shape comes from the data",
    "input_dim": "leave it out: the input's shape comes from the data",
    "batch_input_shape": "leave it out: the input's shape comes from the data",
    "version": "leave it out: a spec has none",
    **dict.fromkeys(
        ("gpus", "devices", "accelerator", "num_gpus", "strategy"),
        "leave it out: TensorFlow uses what it finds",
    ),
    **dict.fromkeys(("n_jobs", "num_workers"), "leave it out: TensorFlow uses every processor"),
    **dict.fromkeys(
        ("logger", "loggers"), "leave it out: every run logs to TensorBoard, see mlpcli tensorboard"
    ),
    **dict.fromkeys(
        ("save_best", "save_best_only", "save_model", "checkpoint_dir"),
        "leave it out: every run keeps checkpoints/best.keras and model.keras",
    ),
    **dict.fromkeys(
        ("stratify", "stratified"),
        "leave it out: the splits of a target of classes are stratified; for numbers write dataset: "
        "{test: {share: 0.2, stratify: quantile}}",
    ),
    **dict.fromkeys(
        ("by", "share", "group", "groups", "group_by", "group_column", "group_key", "groupby"),
        "to keep groups of rows in one split write dataset: {test: {share: 0.2, by: COLUMN}}",
    ),
    **dict.fromkeys(
        ("time_column", "date_column", "timestamp_column", "order_by", "time_split", "split_by_date"),
        "to test on the latest rows write dataset: {test: {last: 0.2, by: COLUMN}}",
    ),
    **dict.fromkeys(
        ("split_column", "split_by", "partition", "fold_column"),
        "where a column says train, validation or test write dataset: {split: COLUMN}",
    ),
    **dict.fromkeys(
        ("lr_scheduler", "scheduler", "lr_schedule", "learning_rate_schedule", "lr_decay"),
        "write it as the learning rate: optimizer: {Adam: {learning_rate: {CosineDecay: "
        "{initial_learning_rate: 0.01, decay_steps: 1000}}}}",
    ),
    **dict.fromkeys(
        ("split", "splits", "split_ratio", "train_test_split"),
        "write it inside dataset: test: 0.2, validation: 0.2; the other rows are for training",
    ),
    **dict.fromkeys(
        ("drop", "drop_columns", "ignore", "exclude", "index_col", "id_column"),
        "write it inside dataset: features: {COLUMN: ignore}",
    ),
    "input_features": "write the columns inside dataset: features: [a, b]",
    "output_features": "write the column inside dataset: target: y",
    "preprocessing": "write it inside dataset: scaling, missing, test, validation",
    "hidden_layers": "write a Dense for each: layers: [Dense: {units: 16, activation: relu}, ...]",
    "hidden_layer_sizes": "write a Dense for each: layers: [Dense: {units: 16, activation: relu}, ...]",
    "activation": "write it in a layer: layers: [Dense: {units: 16, activation: relu}, ...]",
    "units": "write it in a layer: layers: [Dense: {units: 16, activation: relu}, ...]",
    "dropout": "write it as a layer: layers: [..., Dropout: {rate: 0.5}, ...]",
    **dict.fromkeys(
        ("members", "ensemble", "ensemble_size", "n_members"),
        "write them as layers: layers: [Members: {count: 16}, ..., MemberDense: {units: 1}, MemberMean]",
    ),
}
"""Keys that a spec needs nowhere, or elsewhere in another form, with what to do about each."""

KEYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("nb_epoch", "nb_epochs", "n_epochs", "num_epochs", "max_epochs", "epoch", "max_iter", "iterations"),
        ("fit", "epochs"),
    ),
    **dict.fromkeys(("batch", "batchsize", "minibatch", "bs", "mini_batch_size"), ("fit", "batch_size")),
    **dict.fromkeys(("k_fold", "kfold", "k_folds", "n_folds", "num_folds", "cv"), ("fit", "folds")),
    **dict.fromkeys(("n_splits", "cross_validation", "crossvalidation"), ("fit", "folds")),
    **dict.fromkeys(
        ("validation_split", "val_split", "val", "valid", "dev", "validation_size", "val_size"),
        ("dataset", "validation"),
    ),
    **dict.fromkeys(("validation_data", "val_data", "val_file"), ("dataset", "validation")),
    **dict.fromkeys(("test_size", "test_split", "test_fraction", "holdout"), ("dataset", "test")),
    **dict.fromkeys(("test_data", "test_file"), ("dataset", "test")),
    **dict.fromkeys(("random_state", "random_seed", "rng", "np_seed"), ("seed",)),
    **dict.fromkeys(
        ("file", "csv", "filename", "file_path", "filepath", "data_path", "train_file", "train_data", "url"),
        ("dataset", "path"),
    ),
    **dict.fromkeys(("train", "source", "table", "data_file", "csv_path"), ("dataset", "path")),
    **dict.fromkeys(
        ("label", "labels", "y", "target_column", "target_col", "label_column", "output_column", "class"),
        ("dataset", "target"),
    ),
    **dict.fromkeys(("input_columns", "columns", "feature_columns", "X"), ("dataset", "features")),
    **dict.fromkeys(("normalize", "normalization", "standardize", "scale"), ("dataset", "scaling")),
    **dict.fromkeys(("na_values", "missing_values", "nan_values"), ("dataset", "missing")),
    **dict.fromkeys(("file_encoding", "character_set"), ("dataset", "charset")),
    **dict.fromkeys(("sep", "separator", "delim", "field_separator"), ("dataset", "delimiter")),
    **dict.fromkeys(("comment_char", "comments"), ("dataset", "comment")),
    **dict.fromkeys(("sheet_name", "worksheet", "tab"), ("dataset", "sheet")),
    **dict.fromkeys(("sql", "statement", "sql_query"), ("dataset", "query")),
    **dict.fromkeys(("sample_weights", "row_weights", "weight_column"), ("dataset", "weights")),
    **dict.fromkeys(("data", "data_set", "datasource"), ("dataset",)),
    **dict.fromkeys(("network", "architecture", "layer"), ("layers",)),
    **dict.fromkeys(("optim", "opt", "solver"), ("optimizer",)),
    **dict.fromkeys(("loss_function", "criterion", "losses", "objective"), ("loss",)),
    **dict.fromkeys(("training", "trainer", "train_options", "hyperparameters"), ("fit",)),
    **dict.fromkeys(("experiment", "title", "run_name"), ("name",)),
    **dict.fromkeys(("search", "tuning"), ("tuner",)),
    **dict.fromkeys(("lr", "learning_rate", "eta", "learning_rate_init"), ("optimizer", "learning_rate")),
    **dict.fromkeys(("momentum",), ("optimizer", "momentum")),
    **dict.fromkeys(("patience",), ("callbacks", "EarlyStopping", "patience")),
    **dict.fromkeys(("early_stopping", "earlystopping", "early_stop"), ("callbacks", "EarlyStopping")),
    **dict.fromkeys(("reduce_lr", "reduce_lr_on_plateau"), ("callbacks", "ReduceLROnPlateau")),
}
"""By another word for a key of a spec, where it belongs and what it is called there."""

COLUMN_KINDS: dict[str, str] = {
    **dict.fromkeys(
        ("number", "numerical", "numeral", "num", "float", "float32", "float64", "double", "real"), "numeric"
    ),
    **dict.fromkeys(("int", "int32", "int64", "integer", "continuous", "ordinal", "decimal"), "numeric"),
    **dict.fromkeys(
        ("cat", "category", "categories", "string", "str", "nominal", "object", "enum", "factor"),
        "categorical",
    ),
    **dict.fromkeys(("one_hot", "onehot", "label", "class", "code"), "categorical"),
    **dict.fromkeys(("texts", "sentence", "sentences", "prose", "freetext", "free_text", "words"), "text"),
    **dict.fromkeys(("bool", "binary", "flag", "logical", "yesno"), "boolean"),
    **dict.fromkeys(("datetime", "time", "timestamp", "dates", "day"), "date"),
    **dict.fromkeys(("drop", "skip", "none", "id", "exclude", "remove", "unused", "null"), "ignore"),
}
"""By another word for a column's kind, the kind."""


SCALINGS: dict[str, str] = {
    **dict.fromkeys(("standard", "standardscaler", "zscore", "normalize", "standardscaling"), "standardize"),
    **dict.fromkeys(("minmaxscaler", "range", "01"), "minmax"),
    **dict.fromkeys(("robustscaler",), "robust"),
    **dict.fromkeys(
        ("quantiles", "quantiletransformer", "quantilenormal", "rankgauss", "normal", "gauss"), "quantile"
    ),
    **dict.fromkeys(("log1p", "logarithm"), "log"),
    **dict.fromkeys(("no", "off", "false", "null"), "none"),
}
"""By another word for a scaling, the scaling."""


COLUMN_KEYS: dict[str, str] = {
    **dict.fromkeys(("type", "dtype"), "kind"),
    **dict.fromkeys(("scale", "normalization", "normalize", "scaler"), "scaling"),
    **dict.fromkeys(("impute", "imputer", "fill", "fillna", "missing_value_strategy"), "missing"),
    **dict.fromkeys(("encoder", "encode"), "encoding"),
    **dict.fromkeys(("dim", "embedding_size", "embedding_dim"), "width"),
    **dict.fromkeys(("date_format", "datetime_format"), "format"),
}
"""By another word for a key of a column, the key."""

PRECISIONS: dict[str, str] = {
    **dict.fromkeys(("16", "fp16", "float16", "half", "mixed", "16mixed"), "mixed_float16"),
    **dict.fromkeys(("bf16", "bfloat16", "bf16mixed"), "mixed_bfloat16"),
    **dict.fromkeys(("32", "fp32", "float", "full", "single"), "float32"),
}
"""By another word for a precision, the precision."""


def folded(word: str) -> str:
    """Return a word without case and without what separates its parts."""
    return word.lower().translate(str.maketrans("", "", " _-."))
