"""Numerical operations on tensors, Variables and symbolic tensors (``keras.ops``).

Each name is one operation of the engine in use; on a symbolic tensor it becomes
a step of the model's graph.

>>> from keraunos import ops
>>> ops.relu(ops.array([-1.0, 2.0])).tolist()
[0.0, 2.0]
"""
# ruff: noqa: A001

from typing import TYPE_CHECKING, Any

from keraunos.backend import K
from keraunos.utils.modules import offer

__all__ = [
    "abs",
    "absolute",
    "add",
    "all",
    "amax",
    "amin",
    "any",
    "arange",
    "arccos",
    "arcsin",
    "arctan",
    "arctan2",
    "argmax",
    "argmin",
    "argsort",
    "array",
    "average_pool",
    "binary_crossentropy",
    "broadcast_to",
    "cast",
    "categorical_crossentropy",
    "ceil",
    "celu",
    "clip",
    "concatenate",
    "cond",
    "conv",
    "conv_transpose",
    "convert_to_numpy",
    "convert_to_tensor",
    "cos",
    "cosh",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "depthwise_conv",
    "diag",
    "divide",
    "divide_no_nan",
    "dot",
    "dtype",
    "einsum",
    "elu",
    "equal",
    "erf",
    "erfinv",
    "exp",
    "expand_dims",
    "expm1",
    "eye",
    "flip",
    "floor",
    "floor_divide",
    "fori_loop",
    "full",
    "full_like",
    "gelu",
    "get_item",
    "glu",
    "greater",
    "greater_equal",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "hstack",
    "identity",
    "in_top_k",
    "is_tensor",
    "isfinite",
    "isinf",
    "isnan",
    "leaky_relu",
    "less",
    "less_equal",
    "linspace",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_sigmoid",
    "log_softmax",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "matmul",
    "max",
    "max_pool",
    "maximum",
    "mean",
    "meshgrid",
    "min",
    "minimum",
    "mod",
    "moments",
    "moveaxis",
    "multi_hot",
    "multiply",
    "ndim",
    "negative",
    "norm",
    "normalize",
    "not_equal",
    "one_hot",
    "ones",
    "ones_like",
    "outer",
    "pad",
    "power",
    "prod",
    "ravel",
    "reciprocal",
    "relu",
    "relu6",
    "repeat",
    "reshape",
    "roll",
    "round",
    "rsqrt",
    "scan",
    "segment_sum",
    "selu",
    "separable_conv",
    "shape",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "size",
    "slice",
    "slice_update",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sort",
    "sparse_categorical_crossentropy",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "split",
    "sqrt",
    "square",
    "squareplus",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "subtract",
    "sum",
    "swapaxes",
    "swish",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tanh_shrink",
    "tensordot",
    "threshold",
    "tile",
    "top_k",
    "trace",
    "transpose",
    "tri",
    "tril",
    "triu",
    "true_divide",
    "unstack",
    "var",
    "vectorized_map",
    "vstack",
    "where",
    "zeros",
    "zeros_like",
]  # fmt: skip


def _found(name: str) -> Any:
    return getattr(K, name) if name in __all__ else None


offer(__name__, _found)
if TYPE_CHECKING:  # each with the arguments of the engine's operation
    abs = K.abs
    absolute = K.absolute
    add = K.add
    all = K.all
    amax = K.amax
    amin = K.amin
    any = K.any
    arange = K.arange
    arccos = K.arccos
    arcsin = K.arcsin
    arctan = K.arctan
    arctan2 = K.arctan2
    argmax = K.argmax
    argmin = K.argmin
    argsort = K.argsort
    array = K.array
    average_pool = K.average_pool
    binary_crossentropy = K.binary_crossentropy
    broadcast_to = K.broadcast_to
    cast = K.cast
    categorical_crossentropy = K.categorical_crossentropy
    ceil = K.ceil
    celu = K.celu
    clip = K.clip
    concatenate = K.concatenate
    cond = K.cond
    conv = K.conv
    conv_transpose = K.conv_transpose
    convert_to_numpy = K.convert_to_numpy
    convert_to_tensor = K.convert_to_tensor
    cos = K.cos
    cosh = K.cosh
    count_nonzero = K.count_nonzero
    cumprod = K.cumprod
    cumsum = K.cumsum
    depthwise_conv = K.depthwise_conv
    diag = K.diag
    divide = K.divide
    divide_no_nan = K.divide_no_nan
    dot = K.dot
    dtype = K.dtype
    einsum = K.einsum
    elu = K.elu
    equal = K.equal
    erf = K.erf
    erfinv = K.erfinv
    exp = K.exp
    expand_dims = K.expand_dims
    expm1 = K.expm1
    eye = K.eye
    flip = K.flip
    floor = K.floor
    floor_divide = K.floor_divide
    fori_loop = K.fori_loop
    full = K.full
    full_like = K.full_like
    gelu = K.gelu
    get_item = K.get_item
    glu = K.glu
    greater = K.greater
    greater_equal = K.greater_equal
    hard_shrink = K.hard_shrink
    hard_sigmoid = K.hard_sigmoid
    hard_silu = K.hard_silu
    hard_swish = K.hard_swish
    hard_tanh = K.hard_tanh
    hstack = K.hstack
    identity = K.identity
    in_top_k = K.in_top_k
    is_tensor = K.is_tensor
    isfinite = K.isfinite
    isinf = K.isinf
    isnan = K.isnan
    leaky_relu = K.leaky_relu
    less = K.less
    less_equal = K.less_equal
    linspace = K.linspace
    log = K.log
    log1p = K.log1p
    log2 = K.log2
    log10 = K.log10
    log_sigmoid = K.log_sigmoid
    log_softmax = K.log_softmax
    logaddexp = K.logaddexp
    logical_and = K.logical_and
    logical_not = K.logical_not
    logical_or = K.logical_or
    logical_xor = K.logical_xor
    logsumexp = K.logsumexp
    matmul = K.matmul
    max = K.max
    max_pool = K.max_pool
    maximum = K.maximum
    mean = K.mean
    meshgrid = K.meshgrid
    min = K.min
    minimum = K.minimum
    mod = K.mod
    moments = K.moments
    moveaxis = K.moveaxis
    multi_hot = K.multi_hot
    multiply = K.multiply
    ndim = K.ndim
    negative = K.negative
    norm = K.norm
    normalize = K.normalize
    not_equal = K.not_equal
    one_hot = K.one_hot
    ones = K.ones
    ones_like = K.ones_like
    outer = K.outer
    pad = K.pad
    power = K.power
    prod = K.prod
    ravel = K.ravel
    reciprocal = K.reciprocal
    relu = K.relu
    relu6 = K.relu6
    repeat = K.repeat
    reshape = K.reshape
    roll = K.roll
    round = K.round
    rsqrt = K.rsqrt
    scan = K.scan
    segment_sum = K.segment_sum
    selu = K.selu
    separable_conv = K.separable_conv
    shape = K.shape
    sigmoid = K.sigmoid
    sign = K.sign
    silu = K.silu
    sin = K.sin
    sinh = K.sinh
    size = K.size
    slice = K.slice
    slice_update = K.slice_update
    soft_shrink = K.soft_shrink
    softmax = K.softmax
    softplus = K.softplus
    softsign = K.softsign
    sort = K.sort
    sparse_categorical_crossentropy = K.sparse_categorical_crossentropy
    sparse_plus = K.sparse_plus
    sparse_sigmoid = K.sparse_sigmoid
    sparsemax = K.sparsemax
    split = K.split
    sqrt = K.sqrt
    square = K.square
    squareplus = K.squareplus
    squeeze = K.squeeze
    stack = K.stack
    std = K.std
    stop_gradient = K.stop_gradient
    subtract = K.subtract
    sum = K.sum
    swapaxes = K.swapaxes
    swish = K.swish
    take = K.take
    take_along_axis = K.take_along_axis
    tan = K.tan
    tanh = K.tanh
    tanh_shrink = K.tanh_shrink
    tensordot = K.tensordot
    threshold = K.threshold
    tile = K.tile
    top_k = K.top_k
    trace = K.trace
    transpose = K.transpose
    tri = K.tri
    tril = K.tril
    triu = K.triu
    true_divide = K.true_divide
    unstack = K.unstack
    var = K.var
    vectorized_map = K.vectorized_map
    vstack = K.vstack
    where = K.where
    zeros = K.zeros
    zeros_like = K.zeros_like
