"""The table of layers that the laws in ``test_layers.py`` are checked on: a class, arguments, shapes of the inputs."""

from dataclasses import dataclass, field
from typing import Any

from keraunos import layers


@dataclass(frozen=True)
class Case:
    """One layer with arguments, and inputs for it.

    Args:
        layer: Its class.
        arguments: What it is made from, as plain data.
        shapes: Shape of the input with the batch; a list of them for several inputs.
        below: Whole-number inputs from 0 to below this, instead of normal ones.
        chance: Whether training draws random numbers.
        time: Whether axis 1 is time, so that a mask can be given.
        label: What is special.
    """

    layer: type
    arguments: dict[str, Any] = field(default_factory=dict)
    shapes: Any = (3, 5)
    below: int = 0
    chance: bool = False
    time: bool = False
    label: str = ""

    @property
    def name(self) -> str:
        """``Conv2D``, or ``Conv2D-strides``."""
        return self.layer.__name__ + (f"-{self.label}" if self.label else "")

    @property
    def several(self) -> bool:
        """Whether the layer takes a list."""
        return isinstance(self.shapes, list)

    def make(self, **extra: Any) -> Any:
        """A new layer."""
        return self.layer(**{**self.arguments, **extra})


def double(x: Any) -> Any:
    """A function with a name, for Lambda."""
    return x * 2


SEQUENCE, IMAGE, VOLUME = (2, 7, 3), (2, 6, 5, 3), (2, 4, 5, 4, 2)
FILM = (2, 3, 5, 4, 2)
REGULAR = {"kernel_regularizer": "l2", "bias_regularizer": {"class_name": "L1", "config": {"l1": 0.1}}}

CORE = [
    Case(layers.InputLayer, {"shape": (5,)}),
    Case(layers.Dense, {"units": 4}),
    Case(layers.Dense, {"units": 4, "activation": "tanh", **REGULAR}, SEQUENCE, time=True, label="sequence"),
    Case(layers.Dense, {"units": 2, "use_bias": False, "kernel_constraint": "max_norm"}, IMAGE, label="image"),
    Case(layers.Activation, {"activation": "relu"}, SEQUENCE, time=True),
    Case(layers.Activation, {"activation": "softmax"}, label="softmax"),
    Case(layers.Identity, {}, SEQUENCE, time=True),
    Case(layers.Lambda, {"function": double}),
    Case(layers.Masking, {"mask_value": 1.0}, SEQUENCE, below=2, time=True),
    Case(layers.Embedding, {"input_dim": 9, "output_dim": 4}, (3, 5), below=9),
    Case(layers.Embedding, {"input_dim": 9, "output_dim": 4, "mask_zero": True}, (3, 5), below=9, label="mask_zero"),
]

CONVOLUTION = [
    Case(layers.Conv1D, {"filters": 4, "kernel_size": 3}, SEQUENCE, time=True),
    Case(layers.Conv1D, {"filters": 4, "kernel_size": 2, "padding": "causal"}, SEQUENCE, label="causal"),
    Case(
        layers.Conv1D,
        {"filters": 2, "kernel_size": 3, "padding": "causal", "dilation_rate": 2, "activation": "relu"},
        SEQUENCE,
        label="causal-dilated",
    ),
    Case(layers.Conv1D, {"filters": 4, "kernel_size": 4, "strides": 3, "padding": "same"}, SEQUENCE, label="strides"),
    Case(
        layers.Conv1D, {"filters": 4, "kernel_size": 3, "padding": "causal", "strides": 2}, SEQUENCE, label="causal-2"
    ),
    Case(layers.Conv2D, {"filters": 4, "kernel_size": 3, **REGULAR}, IMAGE),
    Case(
        layers.Conv2D, {"filters": 4, "kernel_size": (2, 3), "strides": (2, 1), "padding": "same"}, IMAGE, label="same"
    ),
    Case(layers.Conv2D, {"filters": 6, "kernel_size": 2, "groups": 3, "use_bias": False}, IMAGE, label="groups"),
    Case(layers.Conv2D, {"filters": 2, "kernel_size": 3, "dilation_rate": (2, 1)}, IMAGE, label="dilated"),
    Case(layers.Conv2D, {"filters": 2, "kernel_size": 1, "activation": "sigmoid"}, IMAGE, label="pointwise"),
    Case(layers.Conv3D, {"filters": 3, "kernel_size": 2}, VOLUME),
    Case(layers.Conv3D, {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same"}, VOLUME, label="same"),
    *(
        Case(layers.Conv2DTranspose, {"filters": 3, "kernel_size": (3, 2), **arguments}, IMAGE, label=label)
        for arguments, label in (
            ({}, ""),
            ({"strides": 2, "padding": "same", **REGULAR}, "same"),
            ({"strides": (2, 3), "output_padding": (1, 2)}, "output-padding"),
        )
    ),
    Case(layers.Conv1DTranspose, {"filters": 3, "kernel_size": 4, "strides": 3}, SEQUENCE),
    Case(layers.Conv3DTranspose, {"filters": 2, "kernel_size": 2, "strides": (1, 2, 1)}, VOLUME),
    Case(layers.DepthwiseConv1D, {"kernel_size": 3, "depth_multiplier": 2}, SEQUENCE),
    Case(layers.DepthwiseConv2D, {"kernel_size": 2, "padding": "same", "strides": 2}, IMAGE),
    Case(layers.DepthwiseConv2D, {"kernel_size": (2, 3), "depth_multiplier": 2, "use_bias": False}, IMAGE, label="two"),
    Case(layers.SeparableConv1D, {"filters": 4, "kernel_size": 3, "activation": "tanh"}, SEQUENCE),
    Case(layers.SeparableConv2D, {"filters": 4, "kernel_size": 2, "depth_multiplier": 2, "padding": "same"}, IMAGE),
    Case(layers.LocallyConnected1D, {"filters": 4, "kernel_size": 3, "strides": 2}, SEQUENCE),
    Case(layers.LocallyConnected2D, {"filters": 2, "kernel_size": (3, 2), "activation": "tanh"}, IMAGE),
]

POOLING = [
    *(
        Case(pooling, arguments, shape, label=label)
        for shape, poolings in (
            (SEQUENCE, (layers.MaxPooling1D, layers.AveragePooling1D)),
            (IMAGE, (layers.MaxPooling2D, layers.AveragePooling2D)),
            (VOLUME, (layers.MaxPooling3D, layers.AveragePooling3D)),
        )
        for pooling in poolings
        for arguments, label in (
            ({"pool_size": 2}, ""),
            ({"pool_size": 3, "strides": 2, "padding": "same"}, "same"),
            ({"pool_size": 3, "strides": 1}, "strides"),
        )
    ),
    *(
        Case(pooling, arguments, shape, time=shape is SEQUENCE, label=label)
        for shape, poolings in (
            (SEQUENCE, (layers.GlobalMaxPooling1D, layers.GlobalAveragePooling1D)),
            (IMAGE, (layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D)),
            (VOLUME, (layers.GlobalMaxPooling3D, layers.GlobalAveragePooling3D)),
        )
        for pooling in poolings
        for arguments, label in (({}, ""), ({"keepdims": True}, "keepdims"))
    ),
]

RESIZING = [
    Case(layers.ZeroPadding1D, {"padding": (1, 2)}, SEQUENCE),
    Case(layers.ZeroPadding1D, {"padding": 2}, SEQUENCE, label="one-number"),
    Case(layers.ZeroPadding2D, {"padding": ((1, 0), (2, 3))}, IMAGE),
    Case(layers.ZeroPadding2D, {"padding": (1, 2)}, IMAGE, label="symmetric"),
    Case(layers.ZeroPadding3D, {"padding": ((1, 0), (2, 1), (0, 1))}, VOLUME),
    Case(layers.Cropping1D, {"cropping": (1, 2)}, SEQUENCE),
    Case(layers.Cropping2D, {"cropping": ((1, 0), (2, 1))}, IMAGE),
    Case(layers.Cropping2D, {}, IMAGE, label="default"),
    Case(layers.Cropping3D, {"cropping": 1}, VOLUME),
    Case(layers.UpSampling1D, {"size": 3}, SEQUENCE),
    Case(layers.UpSampling2D, {"size": (2, 3)}, IMAGE),
    *(
        Case(layers.UpSampling2D, {"size": (2, 3), "interpolation": method}, IMAGE, label=method)
        for method in ("bilinear", "bicubic", "lanczos3", "lanczos5")
    ),
    Case(layers.UpSampling3D, {"size": (1, 2, 2)}, VOLUME),
]

NORMALIZATION = [
    Case(layers.BatchNormalization, {}, (6, 4)),
    Case(layers.BatchNormalization, {"momentum": 0.8, "epsilon": 1e-2}, SEQUENCE, time=True, label="sequence"),
    Case(layers.BatchNormalization, {"axis": 1, "beta_regularizer": "l2"}, IMAGE, label="axis1"),
    Case(layers.BatchNormalization, {"center": False, "scale": False}, IMAGE, label="bare"),
    Case(layers.BatchNormalization, {"scale": False, "gamma_constraint": "non_neg"}, (6, 4), label="no-scale"),
    Case(
        layers.BatchNormalization,
        {"renorm": True, "renorm_clipping": {"rmax": 1.2, "rmin": 0.8, "dmax": 0.3}, "renorm_momentum": 0.7},
        (6, 4),
        label="renorm",
    ),
    Case(layers.BatchNormalization, {"renorm": True, "center": False, "scale": False}, (6, 4), label="renorm-bare"),
    Case(layers.LayerNormalization, {}, SEQUENCE, time=True),
    Case(layers.LayerNormalization, {"axis": [1, 2], "epsilon": 1e-2}, IMAGE, label="axes"),
    Case(layers.LayerNormalization, {"axis": 1, "center": False, "scale": False}, SEQUENCE, label="bare"),
]

REGULARIZATION = [
    Case(layers.Dropout, {"rate": 0.4}, SEQUENCE, chance=True, time=True),
    Case(
        layers.Dropout, {"rate": 0.4, "noise_shape": (None, 1, None), "seed": 3}, SEQUENCE, chance=True, label="shared"
    ),
    Case(layers.SpatialDropout1D, {"rate": 0.4}, SEQUENCE, chance=True, time=True),
    Case(layers.SpatialDropout2D, {"rate": 0.4}, IMAGE, chance=True),
    Case(layers.SpatialDropout3D, {"rate": 0.4, "seed": 1}, VOLUME, chance=True),
    Case(layers.GaussianNoise, {"stddev": 0.3}, chance=True),
    Case(layers.GaussianDropout, {"rate": 0.3, "seed": 2}, chance=True),
    Case(layers.AlphaDropout, {"rate": 0.3}, chance=True),
    Case(layers.ActivityRegularization, {"l1": 0.1, "l2": 0.2}, SEQUENCE, time=True),
]

ACTIVATION = [
    Case(layers.ReLU, {}, SEQUENCE, time=True),
    Case(layers.ReLU, {"max_value": 0.7, "negative_slope": 0.1, "threshold": 0.2}, label="all"),
    Case(layers.LeakyReLU, {}),
    Case(layers.LeakyReLU, {"negative_slope": 0.1}, label="slope"),
    Case(layers.PReLU, {"alpha_initializer": "ones", "alpha_regularizer": "l1"}),
    Case(layers.PReLU, {"alpha_initializer": "glorot_uniform", "shared_axes": [1, 2]}, IMAGE, label="shared"),
    Case(layers.ELU, {"alpha": 0.7}),
    Case(layers.ThresholdedReLU, {"theta": 0.3}),
    Case(layers.SReLU, {}),
    Case(layers.SReLU, {"shared_axes": [1, 2]}, IMAGE, label="shared"),
    Case(layers.Highway, {"activation": "tanh", "kernel_regularizer": "l2"}),
    Case(layers.Highway, {"use_bias": False}, label="bare"),
    Case(layers.Softmax, {}),
    Case(layers.Softmax, {"axis": [1, 2]}, IMAGE, label="axes"),
]

RESHAPING = [
    Case(layers.Flatten, {}, IMAGE),
    Case(layers.Flatten, {"data_format": "channels_first"}, IMAGE, label="channels_first"),
    Case(layers.Flatten, {}, (4,), label="vector"),
    Case(layers.Reshape, {"target_shape": (3, -1)}, IMAGE),
    Case(layers.Reshape, {"target_shape": (15, 6)}, IMAGE, label="whole"),
    Case(layers.Permute, {"dims": (3, 1, 2)}, IMAGE),
    Case(layers.RepeatVector, {"n": 3}),
]

TWO, THREE = [SEQUENCE, SEQUENCE], [SEQUENCE, SEQUENCE, SEQUENCE]

MERGING = [
    Case(layers.Add, {}, THREE, time=True),
    Case(layers.Add, {}, [(2, 3), (2, 5, 3), (2, 1, 3)], label="ranks"),
    Case(layers.Subtract, {}, TWO, time=True),
    Case(layers.Multiply, {}, THREE, time=True),
    Case(layers.Average, {}, THREE, time=True),
    Case(layers.Maximum, {}, THREE, time=True),
    Case(layers.Minimum, {}, THREE, time=True),
    Case(layers.Concatenate, {}, [SEQUENCE, (2, 7, 4)], time=True),
    Case(layers.Concatenate, {"axis": 1}, [SEQUENCE, (2, 4, 3)], time=True, label="axis1"),
    Case(layers.Dot, {"axes": 1}, [(3, 5), (3, 5)]),
    Case(layers.Dot, {"axes": (2, 1)}, [(3, 5, 4), (3, 4, 2)], label="matrices"),
    Case(layers.Dot, {"axes": -1, "normalize": True}, [(3, 5, 4), (3, 2, 4)], label="normalize"),
    Case(layers.Dot, {"axes": (1, 3)}, [(3, 5), (3, 2, 4, 5)], label="ranks"),
]


def inner(name: str, **arguments: Any) -> dict[str, Any]:
    """The config of a layer inside another one."""
    config = {"name": name.lower(), **arguments}
    return {"module": "keras.layers", "class_name": name, "config": config, "registered_name": None}


RECURRENT = [
    *(
        Case(layer, {"units": 4, **arguments}, SEQUENCE, chance="dropout" in arguments, time=True, label=label)
        for layer in (layers.SimpleRNN, layers.LSTM, layers.GRU)
        for arguments, label in (
            ({}, ""),
            ({"return_sequences": True, "go_backwards": True, "kernel_regularizer": "l2"}, "backwards"),
            ({"return_sequences": True, "unroll": True, "use_bias": False}, "unrolled"),
            ({"dropout": 0.3, "recurrent_dropout": 0.2, "activation": "relu", "seed": 3}, "dropout"),
        )
        if not (layer is layers.SimpleRNN and "seed" in arguments)
    ),
    Case(
        layers.SimpleRNN, {"units": 4, "dropout": 0.3, "recurrent_dropout": 0.2}, SEQUENCE, chance=True, label="dropout"
    ),
    Case(
        layers.LSTM,
        {"units": 3, "recurrent_activation": "hard_sigmoid", "unit_forget_bias": False},
        SEQUENCE,
        label="old",
    ),
    Case(layers.GRU, {"units": 3, "reset_after": False, "return_sequences": True}, SEQUENCE, time=True, label="before"),
    Case(layers.GRU, {"units": 3, "reset_after": False, "use_bias": False}, SEQUENCE, label="before-no-bias"),
    Case(layers.RNN, {"cell": inner("LSTMCell", units=4), "return_sequences": True}, SEQUENCE, time=True),
    Case(
        layers.RNN,
        {
            "cell": inner("StackedRNNCells", cells=[inner("LSTMCell", units=4), inner("GRUCell", units=3)]),
            "return_sequences": True,
            "zero_output_for_mask": True,
        },
        SEQUENCE,
        time=True,
        label="stacked",
    ),
    *(
        Case(
            layers.Bidirectional,
            {"layer": inner(name, units=3, return_sequences=sequences), "merge_mode": mode},
            SEQUENCE,
            time=True,
            label=mode,
        )
        for mode, name, sequences in (
            ("concat", "LSTM", True),
            ("sum", "GRU", False),
            ("mul", "SimpleRNN", True),
            ("ave", "LSTM", False),
        )
    ),
    *(
        Case(
            layers.ConvLSTM2D,
            {"filters": 2, "kernel_size": (3, 2), **arguments},
            FILM,
            chance="dropout" in arguments,
            label=label,
        )
        for arguments, label in (
            ({}, ""),
            ({"padding": "same", "strides": 2, "return_sequences": True, "go_backwards": True}, "backwards"),
            ({"dropout": 0.3, "recurrent_dropout": 0.2, "use_bias": False, "padding": "same"}, "dropout"),
        )
    ),
    Case(layers.ConvLSTM1D, {"filters": 2, "kernel_size": 2, "dilation_rate": 2}, (2, 3, 5, 2)),
    Case(layers.ConvLSTM3D, {"filters": 2, "kernel_size": 2}, (1, 2, 3, 3, 3, 1)),
    Case(
        layers.ConvRNN2D,
        {"cell": inner("ConvLSTM2DCell", filters=2, kernel_size=2), "return_sequences": True},
        FILM,
    ),
    Case(layers.TimeDistributed, {"layer": inner("Dense", units=4, activation="tanh")}, SEQUENCE, time=True),
    Case(layers.TimeDistributed, {"layer": inner("Conv1D", filters=2, kernel_size=3)}, IMAGE, label="convolution"),
    Case(layers.TimeDistributed, {"layer": inner("BatchNormalization")}, (5, 3, 2), label="statistics"),
    Case(layers.TimeDistributed, {"layer": inner("LSTM", units=2)}, IMAGE, label="recurrent"),
]

CASES = [
    *CORE,
    *CONVOLUTION,
    *POOLING,
    *RESIZING,
    *NORMALIZATION,
    *REGULARIZATION,
    *ACTIVATION,
    *RESHAPING,
    *MERGING,
    *RECURRENT,
]
