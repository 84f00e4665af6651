"""What the generations of Keras called differently, or did differently: data only, one row a fact.

``owners`` names classes (a row holds for their subclasses too), methods
(``Trainer.fit``) or functions (``numerical.to_categorical``). Eras are 1
(Keras 1.2.2), 2 (Keras 2.2.4) and 3 (Keras 3.15.1, which is today). Sources:
the signatures of these releases, and the conversions that 2.2.4 itself makes
(``keras/legacy/interfaces.py``).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Rename(NamedTuple):
    """An argument with another name. ``values`` are old spellings of its values."""

    owners: str
    old: str
    new: str
    values: str = ""
    last: int = 1  # the last era that had the old name
    warning: str = ""  # what era 2 itself warned of where the old name was used
    quiet: bool = False  # whether nothing is said of the new name


class Fold(NamedTuple):
    """Several arguments that became one, a tuple; ``None`` stands for those left out, unless all are needed."""

    owners: str
    olds: tuple[str, ...]
    new: str
    needs_all: bool = True
    last: int = 1


class Drop(NamedTuple):
    """An argument that is no longer needed. Only the values listed may be dropped; none listed means any."""

    owners: str
    old: str
    reason: str
    only: tuple[Any, ...] = ()
    last: int = 2


class Order(NamedTuple):
    """Arguments by position, in the order of an era."""

    owners: str
    era: int
    names: str
    exact: bool = False  # whether it holds only where all of them are given


class Default(NamedTuple):
    """What an argument is in an era where it is not given, if not what it is today."""

    owners: str
    argument: str
    eras: Mapping[int, Any]
    quiet: bool = False  # whether it is not worth a word where it is applied
    unless: str = ""  # arguments that say the same in another way


class Trap(NamedTuple):
    """A name that is known today and meant something else in some eras: it stands for another argument there."""

    owners: str
    name: str
    eras: tuple[int, ...]
    new: str


class Respelling(NamedTuple):
    """An argument that has its name still, and whose values were written in other ways."""

    owners: str
    argument: str
    values: str


class Setting(NamedTuple):
    """What an argument is, or becomes where it has a value, with an engine that eras 1 and 2 could run on."""

    owners: str
    argument: str
    engine: str
    value: Any
    instead: Any = None  # the value that it takes the place of; None: of the default


class Ignored(NamedTuple):
    """An argument of which an era took no notice: it did what another one says."""

    owners: str
    argument: str
    another: str
    era: int
    unless: tuple[str, Any]  # an argument, and its value with which notice was taken


class Alias(NamedTuple):
    """A name of a public module: a class or function of another name, ``arguments`` filled in."""

    module: str
    old: str
    new: str  # name in the same module
    arguments: Mapping[str, Any] = {}
    last: int = 1
    eras: tuple[int, ...] = (1, 2, 3)


class Member(NamedTuple):
    """A name by which ``get`` finds a member of a family."""

    family: str
    old: str
    new: str
    last: int = 2


class Method(NamedTuple):
    """A method or attribute of a class: another attribute's name, or a function of a module of eras.

    ``"functions:name"`` is a method; ``"functions:name()"`` an attribute, whose value the function returns.
    """

    owner: str
    old: str
    new: str
    last: int = 2


# --- spellings of values ------------------------------------------------------------------

VALUES: Mapping[str, Mapping[Any, Any]] = {
    "layout": {"th": "channels_first", "tf": "channels_last", "default": None},
    "border": {"valid": "valid", "same": "same", "half": "same", "full": "full", "causal": "causal"},
    "forget": {"one": True, "ones": True, "zero": False, "zeros": False},
    "effort": {"cpu": 0, "mem": 1, "gpu": 2},
}

# --- names of arguments -------------------------------------------------------------------

_WEIGHTED = "Dense Conv ConvTranspose LocallyConnected CellLayer GatedCell Highway MaxoutDense"
_WINDOWS = "Convolving LocallyConnected ConvLSTM ConvLSTMCell"
_SPATIAL = (
    "Convolving LocallyConnected ConvLSTM ConvLSTMCell Pooling GlobalPooling "
    "ZeroPadding2D ZeroPadding3D Cropping2D Cropping3D UpSampling2D UpSampling3D "
    "SpatialDropout2D SpatialDropout3D"
)

_CELLS = "SimpleRNN LSTM GRU ConvLSTM GatedCell"
_UNITS = "Dense SimpleRNN LSTM GRU SimpleRNNCell LSTMCell GRUCell CuDNNLayer MaxoutDense"
_PLANE = "Conv2D SeparableConv2D DepthwiseConv2D Conv2DTranspose LocallyConnected2D ConvLSTM2D ConvLSTM2DCell"
_GATED = "LSTM GRU LSTMCell GRUCell ConvLSTM ConvLSTMCell"
_TURNS = (
    "transforms.apply_affine_transform transforms.apply_transform transforms.transform_matrix_offset_center "
    "transforms.apply_brightness_shift transforms.random_brightness transforms.random_rotation "
    "transforms.random_shift transforms.random_shear transforms.random_zoom"
)
_ITERATORS = "preprocessing.NumpyArrayIterator preprocessing.DirectoryIterator preprocessing.DataFrameIterator"

_NETWORKS = (
    "vgg16.VGG16 vgg19.VGG19 resnet.ResNet50 inception_v3.InceptionV3 xception.Xception mobilenet.MobileNet "
    "inception_resnet_v2.InceptionResNetV2 mobilenet_v2.MobileNetV2 nasnet.NASNetMobile nasnet.NASNetLarge "
    "densenet.DenseNet121 densenet.DenseNet169 densenet.DenseNet201"
)
_GENERATORS = "functions.fit_generator functions.evaluate_generator functions.predict_generator"

RENAMES = (
    Rename(_UNITS, "output_dim", "units"),
    Rename("MaxoutDense", "nb_feature", "maps"),
    Rename("SeparableConv", "init", "depthwise_initializer pointwise_initializer"),
    Rename("DepthwiseConv", "init", "depthwise_initializer"),
    Rename("SReLU", "t_left_init", "t_left_initializer"),
    Rename("SReLU", "a_left_init", "a_left_initializer"),
    Rename("SReLU", "t_right_init", "t_right_initializer"),
    Rename("SReLU", "a_right_init", "a_right_initializer"),
    Rename("ParametricSoftplus", "alpha_init", "alpha"),
    Rename("ParametricSoftplus", "beta_init", "beta"),
    Rename("ConvTranspose", "output_shape", "output_size", "output_shape"),
    Rename(_WEIGHTED, "init", "kernel_initializer"),
    Rename("Embedding", "init", "embeddings_initializer"),
    Rename("PReLU", "init", "alpha_initializer"),
    Rename(_WEIGHTED, "W_regularizer", "kernel_regularizer"),
    Rename(f"{_WEIGHTED} Convolving", "b_regularizer", "bias_regularizer"),
    Rename(_WEIGHTED, "W_constraint", "kernel_constraint"),
    Rename(f"{_WEIGHTED} Convolving", "b_constraint", "bias_constraint"),
    Rename(f"Dense Convolving LocallyConnected Highway MaxoutDense {_CELLS}", "bias", "use_bias"),
    Rename("Embedding", "W_regularizer", "embeddings_regularizer"),
    Rename("Embedding", "W_constraint", "embeddings_constraint"),
    Rename("CellLayer GatedCell", "U_regularizer", "recurrent_regularizer"),
    Rename("CellLayer GatedCell", "inner_init", "recurrent_initializer"),
    Rename(_GATED, "inner_activation", "recurrent_activation"),
    Rename("LSTM LSTMCell ConvLSTM ConvLSTMCell CuDNNLSTM", "forget_bias_init", "unit_forget_bias", "forget"),
    Rename(_CELLS, "dropout_W", "dropout"),
    Rename(_CELLS, "dropout_U", "recurrent_dropout"),
    Rename("LSTM GRU", "consume_less", "implementation", "effort"),
    Rename("Conv ConvTranspose SeparableConv LocallyConnected ConvLSTM ConvLSTMCell", "nb_filter", "filters"),
    Rename("Conv1D SeparableConv1D LocallyConnected1D", "filter_length", "kernel_size"),
    Rename("Conv1D SeparableConv1D LocallyConnected1D", "subsample_length", "strides"),
    Rename(_WINDOWS, "subsample", "strides"),
    Rename("Convolving ConvLSTM ConvLSTMCell", "atrous_rate", "dilation_rate"),
    Rename(f"{_WINDOWS} Pooling", "border_mode", "padding", "border"),
    Rename(_SPATIAL, "dim_ordering", "data_format", "layout"),
    Rename("MaxPooling1D AveragePooling1D", "pool_length", "pool_size"),
    Rename("MaxPooling1D AveragePooling1D", "stride", "strides"),
    Rename("UpSampling1D", "length", "size"),
    Rename("Dropout GaussianDropout SpatialDropout", "p", "rate"),
    Rename("GaussianNoise", "sigma", "stddev"),
    Rename("StackedRNNCells", "reverse_state_order", "last_states_first", last=2, quiet=True),
    Rename("BatchNormalization", "beta_init", "beta_initializer"),
    Rename("BatchNormalization", "gamma_init", "gamma_initializer"),
    Rename("LeakyReLU", "alpha", "negative_slope", last=2),
    Rename("Layer", "batch_input_shape", "batch_shape", last=2),
    Rename("Layer", "input_dtype", "dtype"),
    Rename("InputLayer", "input_shape", "shape", last=2),
    Rename("MaxNorm", "m", "max_value"),
    Rename("MinMaxNorm", "low", "min_value"),
    Rename("MinMaxNorm", "high", "max_value"),
    Rename("L1", "l", "l1", last=2),
    Rename("L2", "l", "l2", last=2),
    Rename("Orthogonal", "scale", "gain"),
    Rename("initializers.Identity", "scale", "gain"),
    Rename("Optimizer", "lr", "learning_rate", last=2),
    Rename("Model", "input", "inputs"),
    Rename("Model", "output", "outputs"),
    Rename("Trainer.fit", "nb_epoch", "epochs"),
    Rename("activations.relu", "alpha", "negative_slope", last=2),
    Rename(
        "ReduceLROnPlateau", "epsilon", "min_delta",
        warning="`epsilon` argument is deprecated and will be removed, use `min_delta` instead.",
    ),
    # What these stand for is known to this library alone.
    Rename("Trainer.compile", "sample_weight_mode", "weigh", last=2, quiet=True),
    Rename("Trainer.compile", "target_tensors", "targets", last=2, quiet=True),
    Rename("ModelCheckpoint", "period", "every_epochs", last=2),
    Rename("numerical.to_categorical", "nb_classes", "num_classes"),
    Rename("numerical.to_categorical", "y", "x", last=2),
    Rename("numerical.normalize", "a", "x"),
    Rename("imdb.load_data", "nb_words", "num_words"),
    Rename("reuters.load_data", "nb_words", "num_words"),
    Rename("preprocessing.Tokenizer", "nb_words", "num_words"),
    Rename(
        f"preprocessing.ImageDataGenerator files.array_to_img files.img_to_array {_ITERATORS}",
        "dim_ordering", "data_format", "layout",
    ),
    *(
        Rename("layer_checks.get_test_data", f"nb_{name}", f"num_{new}")
        for name, new in (("train", "train"), ("test", "test"), ("class", "classes"))
    ),
    Rename("ImageDataGenerator.flow", "X", "x"),
    Rename("ImageDataGenerator.flow_from_dataframe preprocessing.DataFrameIterator", "has_ext", "endings", last=2),
    Rename("utilities.convert_kernel", "dim_ordering", "data_format", "layout"),
    Rename("utilities.conv_output_length utilities.conv_input_length", "border_mode", "padding"),
    Rename("eras.GeneratorEnqueuer", "pickle_safe", "use_multiprocessing"),
    Rename("enqueuers.SequenceEnqueuer.start", "nb_worker", "workers"),
    Rename("enqueuers.SequenceEnqueuer.start", "max_q_size", "max_queue_size"),
    Rename("preprocess_input imagenet_utils.obtain_input_shape", "dim_ordering", "data_format", "layout"),
    Rename("imagenet_utils.obtain_input_shape", "include_top", "require_flatten"),
    Rename("functions.fit_generator", "samples_per_epoch", "steps_per_epoch", "samples"),
    Rename("functions.fit_generator", "nb_epoch", "epochs"),
    Rename("functions.fit_generator", "nb_val_samples", "validation_steps", "samples"),
    Rename("functions.evaluate_generator", "val_samples", "steps", "samples"),
    Rename("functions.predict_generator", "val_samples", "steps", "samples"),
    Rename(_GENERATORS, "max_q_size", "max_queue_size"),
    Rename(_GENERATORS, "nb_worker", "workers"),
    Rename(_GENERATORS, "pickle_safe", "use_multiprocessing"),
)  # fmt: skip

FOLDS = (
    Fold(_PLANE, ("nb_row", "nb_col"), "kernel_size"),
    Fold("Conv3D", ("kernel_dim1", "kernel_dim2", "kernel_dim3"), "kernel_size"),
    Fold(
        "CellLayer Conv1D SeparableConv1D LocallyConnected1D TimeDistributedDense",
        ("input_length", "input_dim"),
        "input_shape",
        needs_all=False,
        last=2,
    ),
    Fold("Embedding", ("input_length",), "input_shape", last=2),
)

DROPS = (
    Drop("SimpleRNN GatedCell ConvLSTM", "consume_less", "every recurrence is compiled as a whole", last=1),
    Drop("Highway", "transform_bias", "the bias of the gate starts at 1", last=1),
    Drop("SimpleRNN GatedCell ConvLSTM", "implementation", "every recurrence is compiled as a whole"),
    Drop("mobilenet_v2.MobileNetV2", "depth_multiplier", "it changed nothing"),
    Drop("Trainer.compile", "mode", "programs are compiled in one way", last=1),
    Drop("Trainer.compile", "class_mode", "loss and metrics say it", last=1),
    Drop(
        "Trainer.fit Trainer.evaluate functions.fit_generator functions.evaluate_generator",
        "show_accuracy",
        "ask for it in compile: metrics=['accuracy']",
        last=1,
    ),
    Drop(
        "Trainer.train_on_batch Trainer.test_on_batch",
        "accuracy",
        "ask for it in compile: metrics=['accuracy']",
        last=1,
    ),
    Drop("TensorBoard", "batch_size", "histograms are made of weights alone"),
    Drop("TensorBoard", "write_grads", "gradients are not recorded"),
    Drop("TensorBoard", "embeddings_layer_names", "use embeddings_freq and embeddings_metadata"),
    Drop("TensorBoard", "embeddings_data", "use embeddings_freq and embeddings_metadata"),
)

# Where today's order by position differs from an era's. Names are old or new ones.
_CONV_TAIL = (
    "init activation weights border_mode subsample dim_ordering W_regularizer b_regularizer activity_regularizer "
    "W_constraint b_constraint bias"
)
_RNN_TAIL = "W_regularizer U_regularizer b_regularizer dropout_W dropout_U"
_SERIES = (
    "nb_filter filter_length init activation weights border_mode subsample_length W_regularizer b_regularizer "
    "activity_regularizer W_constraint b_constraint bias input_dim input_length"
)
_DENSE_TAIL = "W_regularizer b_regularizer activity_regularizer W_constraint b_constraint bias input_dim"

ORDERS = (
    Order(
        "Dense", 1,
        "output_dim init activation weights W_regularizer b_regularizer activity_regularizer W_constraint "
        "b_constraint bias input_dim",
    ),
    Order("Conv1D", 1, _SERIES), Order("LocallyConnected1D", 1, _SERIES),
    Order("Conv2D", 1, f"nb_filter nb_row nb_col {_CONV_TAIL}"),
    Order("LocallyConnected2D", 1, f"nb_filter nb_row nb_col {_CONV_TAIL}"),
    Order("Conv2DTranspose", 1, f"nb_filter nb_row nb_col output_shape {_CONV_TAIL}"),
    Order(
        "SeparableConv2D", 1,
        "nb_filter nb_row nb_col init activation weights border_mode subsample depth_multiplier dim_ordering "
        "depthwise_regularizer pointwise_regularizer b_regularizer activity_regularizer depthwise_constraint "
        "pointwise_constraint b_constraint bias",
    ),
    Order(
        "ConvLSTM2D", 1,
        "nb_filter nb_row nb_col init inner_init forget_bias_init activation inner_activation dim_ordering "
        f"border_mode subsample {_RNN_TAIL}",
    ),
    Order("MaxoutDense", 1, f"output_dim nb_feature init weights {_DENSE_TAIL}"),
    Order("Highway", 1, f"init activation weights {_DENSE_TAIL}"),
    Order("PReLU", 1, "init weights shared_axes"),
    Order("ParametricSoftplus", 1, "alpha_init beta_init weights shared_axes"),
    Order("Lambda", 1, "function output_shape arguments"),
    Order("Conv3D", 1, f"nb_filter kernel_dim1 kernel_dim2 kernel_dim3 {_CONV_TAIL}"),
    Order("Conv2DTranspose", 2, "nb_filter nb_row nb_col output_shape"),
    Order("Conv2D SeparableConv2D LocallyConnected2D ConvLSTM2D", 2, "nb_filter nb_row nb_col", exact=True),
    Order("Conv3D", 2, "nb_filter kernel_dim1 kernel_dim2 kernel_dim3", exact=True),
    *(
        Order(
            "Trainer.compile", era,
            "optimizer loss metrics loss_weights sample_weight_mode weighted_metrics target_tensors",
        )
        for era in (1, 2)
    ),
    *(Order("Model.save", era, "filepath overwrite include_optimizer") for era in (1, 2)),
    *(Order("Model.load_weights", era, "filepath by_name skip_mismatch reshape") for era in (1, 2)),
    *(Order("SGD", era, "lr momentum decay nesterov") for era in (1, 2)),
    *(Order("Adagrad", era, "lr epsilon decay") for era in (1, 2)),
    *(Order("RMSprop Adadelta", era, "lr rho epsilon decay") for era in (1, 2)),
    *(Order("Adam Adamax", era, "lr beta_1 beta_2 epsilon decay amsgrad") for era in (1, 2)),
    *(Order("Nadam", era, "lr beta_1 beta_2 epsilon schedule_decay") for era in (1, 2)),
    Order("SimpleRNN", 1, f"output_dim init inner_init activation {_RNN_TAIL}"),
    Order("GRU", 1, f"output_dim init inner_init activation inner_activation {_RNN_TAIL}"),
    Order("LSTM", 1, f"output_dim init inner_init forget_bias_init activation inner_activation {_RNN_TAIL}"),
    Order(
        "Embedding", 1,
        "input_dim output_dim init input_length W_regularizer activity_regularizer W_constraint mask_zero weights "
        "dropout",
    ),
    Order(_NETWORKS, 1, "include_top weights input_tensor input_shape classes"),
    Order(
        "mobilenet_v2.MobileNetV2", 2,
        "input_shape alpha depth_multiplier include_top weights input_tensor pooling classes",
    ),
    Order("numerical.to_categorical", 2, "y num_classes dtype"),
    Order("files.array_to_img", 1, "x dim_ordering scale"),
    Order("files.img_to_array", 1, "img dim_ordering"),
    Order("files.load_img", 1, "path grayscale target_size"),
    Order("files.load_img", 2, "path grayscale color_mode target_size interpolation"),
    Order(
        "preprocessing.ImageDataGenerator", 1,
        "featurewise_center samplewise_center featurewise_std_normalization samplewise_std_normalization "
        "zca_whitening rotation_range width_shift_range height_shift_range shear_range zoom_range channel_shift_range "
        "fill_mode cval horizontal_flip vertical_flip rescale preprocessing_function dim_ordering",
    ),
    Order("ImageDataGenerator.flow", 1, "X y batch_size shuffle seed save_to_dir save_prefix save_format"),
    Order(
        "ImageDataGenerator.flow", 2,
        "x y batch_size shuffle sample_weight seed save_to_dir save_prefix save_format subset",
    ),
    Order(
        "ImageDataGenerator.flow_from_dataframe", 2,
        "dataframe directory x_col y_col has_ext target_size color_mode classes class_mode batch_size shuffle seed "
        "save_to_dir save_prefix save_format subset interpolation",
    ),
    Order(
        "functions.fit_generator", 1,
        "generator samples_per_epoch nb_epoch verbose callbacks validation_data nb_val_samples class_weight "
        "max_q_size nb_worker pickle_safe initial_epoch",
    ),
    Order("functions.evaluate_generator", 1, "generator val_samples max_q_size nb_worker pickle_safe"),
    Order("functions.predict_generator", 1, "generator val_samples max_q_size nb_worker pickle_safe"),
    Order(
        "BatchNormalization", 1,
        "epsilon mode axis momentum weights beta_init gamma_init gamma_regularizer beta_regularizer",
    ),
)  # fmt: skip

RESPELLINGS = (
    Respelling("ZeroPadding1D", "padding", "sides"),
    Respelling("ZeroPadding2D", "padding", "sides"),
    Respelling("Dropout SpatialDropout", "rate", "limited"),
)

# Theano's convolution turns the kernel round, and pads half of a window before the inputs where TensorFlow pads less.
SETTINGS = (
    Setting("Conv ConvTranspose ConvLSTM ConvLSTMCell", "flipped", "theano", True),
    Setting(f"{_WINDOWS} Pooling", "padding", "theano", "half", "same"),
)

TRAPS = (Trap("Optimizer", "clipnorm", (1, 2), "global_clipnorm"),)

# How the releases change images: keras-preprocessing 1.0.5 belongs to 2.2.4.
_IMAGES: Mapping[int, Mapping[str, Any]] = {
    1: {
        "order": 0, "centre": 0.5, "columns_first": False, "radians": True, "from_zero": True, "epsilon": 1e-7,
        "independent": True, "mean_of_channels": True, "flips_last": True, "any_channels": False,
        "restarts_late": True, "fits_rescaled": False, "edge_twice": True,
    },
    2: {"centre": 0.5, "columns_first": False, "own_axes": False, "from_zero": True, "fits_rescaled": False, "edge_twice": True},
}  # fmt: skip

# --- defaults -----------------------------------------------------------------------------

# Keras 1.2.2 gave the recurrent kernels of separate gates W_regularizer (keras/layers/recurrent.py, GRU.build, LSTM.build).
IGNORED = (Ignored("LSTM GRU", "recurrent_regularizer", "kernel_regularizer", 1, ("implementation", 2)),)

DEFAULTS = (
    Default("Trainer.fit", "epochs", {1: 10}),
    Default("Trainer.predict", "verbose", {1: 0, 2: 0}, True),
    Default("functions.predict_classes functions.predict_proba", "verbose", {1: 1}, True),
    Default("Adadelta", "learning_rate", {1: 1.0, 2: 1.0}),
    Default("Adagrad", "learning_rate", {1: 0.01, 2: 0.01}),
    Default("Adagrad", "initial_accumulator_value", {1: 0.0, 2: 0.0}),
    Default("Adamax", "learning_rate", {1: 0.002, 2: 0.002}),
    Default("Nadam", "learning_rate", {1: 0.002, 2: 0.002}),
    Default("Nadam", "schedule_decay", {1: 0.004, 2: 0.004}),
    Default("RMSprop Adagrad Adadelta Adam Adamax Nadam", "epsilon", {1: 1e-8}),
    Default("RMSprop Adagrad", "epsilon_inside", {1: False, 2: False}),
    Default(_GATED, "recurrent_activation", {1: "hard_sigmoid", 2: "hard_sigmoid"}),
    Default("LSTM GRU", "implementation", {1: 0, 2: 1}, True),
    Default("GRU GRUCell", "reset_after", {1: False, 2: False}),
    Default("AveragePooling", "pool_size", {1: 2, 2: 2}, True),
    Default("Orthogonal", "gain", {1: 1.1}),
    Default("Embedding", "input_shape", {1: (None,), 2: (None,)}, True, "batch_shape"),
    Default("Loss", "reduction", {1: "mean_over_nonzero_weights", 2: "mean_over_nonzero_weights"}, True),
    Default("Layer", "activity_regularizer_sum", {1: True, 2: True}, True),
    Default("MeanMetricWrapper", "by_batch", {1: True, 2: True}, True),
    Default(_GATED, "gates_apart", {1: True}, True),
    Default("LeakyReLU", "any_slope", {1: True, 2: True}, True),
    Default("Cropping", "may_be_empty", {1: True, 2: True}, True),
    Default("TimeDistributed", "masks_by_layer", {2: True}, True),
    Default("Bidirectional", "zero_output_for_mask", {1: False, 2: False}, True),
    Default("TimeDistributed", "steps_as_rows", {1: True, 2: True}, True),
    Default("UpSampling2D", "by_corners", {1: True, 2: True}, True),
    Default("BatchNormalization", "mask_counts", {1: False, 2: False}, True),
    Default("BatchNormalization", "unbiased_variance", {2: True}, True),
    Default("BatchNormalization", "debiased_averages", {2: True}, True),
    Default("BatchNormalization", "trains_frozen", {1: True, 2: True}, True),
    Default("BinaryAccuracy", "threshold", {1: None, 2: None}, True),
    Default("initializers.Identity", "tiled", {2: True}, True),
    Default("numerical.to_categorical", "flat", {1: True}, True),
    Default("numerical.to_categorical", "dtype", {2: "float32"}, True),
    Default("ModelCheckpoint", "any_ending", {1: True, 2: True}, True),
    Default("ModelCheckpoint", "first_epoch", {1: 0}, True),
    Default("EarlyStopping", "baseline_first", {1: True, 2: True}, True),
    Default("EarlyStopping ReduceLROnPlateau", "late", {1: True}, True),
    Default("preprocessing.Tokenizer", "afresh", {1: True}, True),
    Default("files.get_file", "beside", {1: True, 2: True}, True),
    Default("KerasRegressor.score", "negated", {1: False}, True),
    Default("text.one_hot", "absolute", {1: True}, True),
    Default(f"preprocessing.ImageDataGenerator {_TURNS}", "manner", _IMAGES, True),
    Default("files.array_to_img files.save_img", "from_zero", {1: True, 2: True}, True),
    Default("transforms.random_channel_shift", "each", {1: True}, True),
    Default("transforms.apply_affine_transform", "row_axis", {2: 0}, True),
    Default("transforms.apply_affine_transform", "col_axis", {2: 1}, True),
    Default("transforms.apply_affine_transform", "channel_axis", {2: 2}, True),
    Default(f"{_NETWORKS} imagenet_utils.decode_predictions", "version", {1: 1, 2: 2}, True),
    Default("mobilenet_v2.preprocess_input", "mode", {2: "half_range"}, True),
    Default("ImageDataGenerator.flow ImageDataGenerator.flow_from_directory", "save_format", {1: "jpeg"}, True),
)

# --- names of classes, functions, methods ---------------------------------------------------

# In public modules; what ``get`` finds by an old name (MEMBERS) is found in the family's module too.
ALIASES = (
    Alias("layers", "AtrousConvolution1D", "Conv1D"),
    Alias("layers", "AtrousConvolution2D", "Conv2D"),
    Alias("layers", "AtrousConv1D", "Conv1D"),
    Alias("layers", "AtrousConv2D", "Conv2D"),
    Alias("layers", "Deconvolution2D", "Conv2DTranspose", last=2),
    Alias("layers", "Deconvolution3D", "Conv3DTranspose", last=2),
    Alias("layers", "Deconv2D", "Conv2DTranspose"),
    Alias("layers", "Deconv3D", "Conv3DTranspose"),
    Alias("layers", "ConvRecurrent2D", "ConvRNN2D"),
    Alias("regularizers", "WeightRegularizer", "L1L2"),
    Alias("regularizers", "ActivityRegularizer", "L1L2"),
    Alias("regularizers", "L1L2Regularizer", "L1L2"),
    Alias("regularizers", "l1l2", "L1L2", {"l1": 0.01, "l2": 0.01}),
    Alias("regularizers", "activity_l1l2", "L1L2", {"l1": 0.01, "l2": 0.01}),
    # Since Keras 3 the class of this name, whose factors are 0 by default.
    Alias("regularizers", "l1_l2", "L1L2", {"l1": 0.01, "l2": 0.01}, 2, (1, 2)),
)

MEMBERS = (
    Member("losses", "cosine_proximity", "cosine_similarity"),
    Member("losses", "cosine", "cosine_similarity"),
    Member("losses", "kullback_leibler_divergence", "kl_divergence"),
    Member("metrics", "cosine_proximity", "cosine_similarity"),
    Member("metrics", "cosine", "cosine_similarity"),
    Member("metrics", "kullback_leibler_divergence", "kl_divergence"),
    Member("constraints", "maxnorm", "max_norm", 1),
    Member("constraints", "nonneg", "non_neg", 1),
    Member("constraints", "unitnorm", "unit_norm", 1),
    Member("regularizers", "activity_l1", "l1", 1),
    Member("regularizers", "activity_l2", "l2", 1),
)

_NODES = "inbound_nodes _inbound_nodes outbound_nodes _outbound_nodes input_mask output_mask"
_OF_CALLS = "input output input_shape output_shape input_mask output_mask"
_ENDS = "input_layers _input_layers output_layers _output_layers"
_WITH_KERNEL = "Dense Conv ConvTranspose LocallyConnected Highway MaxoutDense"

METHODS = (
    Method("Model", "fit_generator", "functions:fit_generator"),
    Method("Model", "evaluate_generator", "functions:evaluate_generator"),
    Method("Model", "predict_generator", "functions:predict_generator"),
    Method("Model", "to_yaml", "functions:to_yaml"),
    Method("Sequential", "predict_classes", "functions:predict_classes"),
    Method("Sequential", "predict_proba", "functions:predict_proba"),
    Method("Optimizer", "lr", "learning_rate"),
    Method("Tokenizer", "nb_words", "num_words", 1),
    Method("DirectoryIterator", "nb_sample", "samples", 1),
    Method("DirectoryIterator", "nb_class", "num_classes", 1),
    Method("Layer", "get_output_shape_for", "functions:get_output_shape_for", 1),
    Method("Metric", "reset_states", "functions:reset_states"),
    *(Method(owner, "_keras_shape", "shape") for owner in ("SymbolicTensor", "RecordedVariable")),
    *(Method(owner, "get_shape", "graphs:get_shape") for owner in ("SymbolicTensor", "Variable")),
    Method("SymbolicTensor", "_uses_learning_phase", "graphs:uses_learning_phase()"),
    Method("SymbolicTensor", "_keras_history", "graphs:history()"),
    *(Method(owner, "dimshuffle", "backend:dimshuffle") for owner in ("SymbolicTensor", "Variable")),
    Method("SymbolicTensor", "_keras_mask", "nodes:mask_of()", 3),
    Method("Layer", "uses_learning_phase", "graphs:layer_uses_learning_phase()", 1),
    Method("Model", "uses_learning_phase", "graphs:model_uses_learning_phase()"),
    Method("Model", "metrics_tensors", "added:metrics_tensors()"),
    Method("Layer", "updates", "added:updates()"),
    Method("Layer", "state_updates", "added:state_updates()"),
    Method("Layer", "get_updates_for", "added:get_updates_for"),
    Method("Layer", "get_losses_for", "added:get_losses_for"),
    Method("Optimizer", "get_updates", "graphs:get_updates"),
    Method("Optimizer", "get_gradients", "graphs:get_gradients"),
    Method("Optimizer", "updates", "updates:told()"),
    Method("Optimizer", "weights", "updates:weights()"),
    Method("Optimizer", "get_weights", "updates:get_weights"),
    Method("Optimizer", "set_weights", "updates:set_weights"),
    Method("Optimizer", "initial_decay", "updates:initial_decay()"),
    *(
        Method("Model", name, f"graphs:{name}{brackets}")
        for name, brackets in (
            ("_make_train_function", ""),
            ("_make_test_function", ""),
            ("_make_predict_function", ""),
            ("train_function", "()"),
            ("test_function", "()"),
            ("predict_function", "()"),
        )
    ),
    *(Method("Layer", name, f"nodes:{name.lstrip('_')}()") for name in _NODES.split()),
    *(Method("Layer", f"get_{what}_at", f"nodes:get_{what}_at") for what in _OF_CALLS.split()),
    Method("Layer", "input_shape", "nodes:layer_input_shape()"),
    Method("Layer", "output_shape", "nodes:layer_output_shape()"),
    *(Method("Model", name, f"nodes:{name.lstrip('_')}()") for name in _ENDS.split()),
    Method("Model", "reset_states", "nodes:reset_states"),
    *(
        Method("Model", f"{end}_layers_{what}_indices", f"nodes:{end}_layers_{what}_indices()", 1)
        for end in ("input", "output")
        for what in ("node", "tensor")
    ),
    Method("Layer", "create_input_layer", "nodes:create_input_layer", 1),
    Method("Layer", "add_inbound_node", "nodes:add_inbound_node", 1),
    Method("Sequential", "model", "nodes:itself()"),
    Method("Model", "_set_inputs", "nodes:set_inputs"),
    Method("Model", "_layers_by_depth", "nodes:layers_by_depth()"),
    Method("Model", "layers_by_depth", "nodes:layers_by_depth()", 1),
    *(Method(owner, "W", "kernel", 1) for owner in _WITH_KERNEL.split()),
    *(Method(owner, "b", "bias", 1) for owner in _WITH_KERNEL.split()),
    Method("Embedding", "W", "embeddings", 1),
    *(Method("CellLayer", name, f"stepping:{name}") for name in "step get_constants preprocess_input".split()),
    Method("CellLayer", "get_initial_states", "get_initial_state", 1),
    *(
        Method("CellLayer", f"{name}{gate}", f"stepping:{name}{gate}()", 1 + (len(name) > 1))
        for name in "W U b kernel recurrent_kernel bias".split()
        for gate in ("", *(f"_{letter}" for letter in "ifcozrh"))
    ),
    Method("CellLayer", "input_dim", "stepping:input_dim()"),
    Method("Bidirectional", "layer", "forward_layer"),
    Method("PReLU", "alphas", "alpha", 1),
    Method("BatchNormalization", "running_mean", "moving_mean", 1),
    Method("BatchNormalization", "running_std", "moving_variance", 1),
)

# --- what is shown ------------------------------------------------------------------------

# Names of log entries that mean the same. The first of a row is today's.
KEYS = (
    ("accuracy", "acc"),
    ("learning_rate", "lr"),
    ("mse", "mean_squared_error", "MSE"),
    ("mae", "mean_absolute_error", "MAE"),
    ("mape", "mean_absolute_percentage_error", "MAPE"),
    ("msle", "mean_squared_logarithmic_error", "MSLE"),
    ("cosine_similarity", "cosine_proximity", "cosine"),
    ("kl_divergence", "kullback_leibler_divergence", "kld"),
    ("log_cosh", "logcosh"),
    ("crossentropy", "ce"),
)

# Under which name a metric asked for by name is shown in eras 1 and 2: the function's own.
SHOWN_METRICS: Mapping[str, str] = {
    "learning_rate": "lr", "accuracy": "acc", "acc": "acc", "crossentropy": "ce", "ce": "ce",
    "mse": "mean_squared_error", "MSE": "mean_squared_error",
    "mae": "mean_absolute_error", "MAE": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error", "MAPE": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error", "MSLE": "mean_squared_logarithmic_error",
    "fscore": "fmeasure", "f1score": "fmeasure",
    "cosine": "cosine_proximity", "kld": "kullback_leibler_divergence", "KLD": "kullback_leibler_divergence",
}  # fmt: skip

# Classes that an era showed under another name; automatic names are made of these.
SHOWN_CLASSES: Mapping[int, Mapping[str, str]] = {
    1: {
        "Conv1D": "Convolution1D",
        "Conv2D": "Convolution2D",
        "Conv3D": "Convolution3D",
        "Conv2DTranspose": "Deconvolution2D",
        "SeparableConv2D": "SeparableConvolution2D",
        "Functional": "Model",
        # A sum, a product or a concatenation was one class, which took the operation as an argument.
        **dict.fromkeys(["Add", "Average", "Concatenate", "Dot", "Maximum", "Multiply"], "Merge"),
    },
    2: {"Functional": "Model"},
}
