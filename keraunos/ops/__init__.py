"""Numerical operations on tensors, Variables and symbolic tensors (``keras.ops``).

Each name is one operation of the engine in use; on a symbolic tensor it becomes
a step of the model's graph.

>>> from keraunos import ops
>>> ops.relu(ops.array([-1.0, 2.0])).tolist()
[0.0, 2.0]
"""

from typing import Any

from keraunos.backend import K

__all__ = [
    "abs", "absolute", "add", "all", "amax", "amin", "any", "arange", "arccos", "arcsin", "arctan", "arctan2", "argmax",
    "argmin", "argsort", "array", "average_pool", "binary_crossentropy", "broadcast_to", "cast",
    "categorical_crossentropy", "ceil", "celu", "clip", "concatenate", "cond", "conv", "convert_to_numpy",
    "convert_to_tensor", "cos", "cosh", "count_nonzero", "cumprod", "cumsum", "diag", "divide", "divide_no_nan", "dot",
    "dtype", "einsum", "elu", "equal", "erf", "erfinv", "exp", "expand_dims", "expm1", "eye", "flip", "floor",
    "floor_divide", "fori_loop", "full", "full_like", "gelu", "get_item", "glu", "greater", "greater_equal",
    "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "hstack", "identity", "in_top_k", "is_tensor",
    "isfinite", "isinf", "isnan", "leaky_relu", "less", "less_equal", "linspace", "log", "log10", "log1p", "log2",
    "log_sigmoid", "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "logsumexp",
    "matmul", "max", "max_pool", "maximum", "mean", "meshgrid", "min", "minimum", "mod", "moments", "moveaxis",
    "multi_hot", "multiply", "ndim", "negative", "norm", "normalize", "not_equal", "one_hot", "ones", "ones_like",
    "outer", "pad", "power", "prod", "ravel", "reciprocal", "relu", "relu6", "repeat", "reshape", "roll", "round",
    "rsqrt", "scan", "segment_sum", "selu", "shape", "sigmoid", "sign", "silu", "sin", "sinh", "size", "slice",
    "slice_update", "soft_shrink", "softmax", "softplus", "softsign", "sort", "sparse_categorical_crossentropy",
    "sparse_plus", "sparse_sigmoid", "sparsemax", "split", "sqrt", "square", "squareplus", "squeeze", "stack", "std",
    "stop_gradient", "subtract", "sum", "swapaxes", "swish", "take", "take_along_axis", "tan", "tanh", "tanh_shrink",
    "tensordot", "threshold", "tile", "top_k", "trace", "transpose", "tri", "tril", "triu", "true_divide", "unstack",
    "var", "vectorized_map", "vstack", "where", "zeros", "zeros_like",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(K, name)
    from keraunos.utils.text import suggestion

    raise AttributeError(f"module 'keraunos.ops' has no attribute {name!r}.{suggestion(name, __all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
