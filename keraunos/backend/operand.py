"""What stands for a tensor without being one: Variables and symbolic tensors."""

from typing import Any

from keraunos.utils.tracebacks import tidy


def _binary(name: str) -> Any:
    def method(self: Any, other: Any) -> Any:
        from keraunos.backend import K

        try:
            return getattr(K, name)(self, other)
        except BaseException as error:
            tidy(error)
            raise

    return method


def _reflected(name: str) -> Any:
    def method(self: Any, other: Any) -> Any:
        from keraunos.backend import K

        try:
            return getattr(K, name)(other, self)
        except BaseException as error:
            tidy(error)
            raise

    return method


def _unary(name: str) -> Any:
    def method(self: Any) -> Any:
        from keraunos.backend import K

        try:
            return getattr(K, name)(self)
        except BaseException as error:
            tidy(error)
            raise

    return method


class Operand:
    """Base of objects that ``K`` accepts where a tensor is expected.

    ``operate`` is called instead of the engine's operation whenever an operand
    is among the arguments; the operand of the highest ``precedence`` is asked.
    """

    precedence = 0
    shape: tuple[Any, ...]
    dtype: str

    def operate(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Perform ``K.<operation>(*args, **kwargs)``, in which this operand takes part."""
        raise TypeError(f"{type(self).__name__} does not say how to take part in an operation")

    # NumPy arrays must leave `array + operand` to the operand.
    __array_priority__ = 1000
    __array_ufunc__ = None

    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _binary("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _binary("true_divide"), _reflected("true_divide")
    __floordiv__, __rfloordiv__ = _binary("floor_divide"), _reflected("floor_divide")
    __mod__, __rmod__ = _binary("mod"), _reflected("mod")
    __pow__, __rpow__ = _binary("power"), _reflected("power")
    __matmul__, __rmatmul__ = _binary("matmul"), _reflected("matmul")
    __lt__, __le__ = _binary("less"), _binary("less_equal")
    __gt__, __ge__ = _binary("greater"), _binary("greater_equal")
    __and__, __rand__ = _binary("logical_and"), _reflected("logical_and")
    __or__, __ror__ = _binary("logical_or"), _reflected("logical_or")
    __neg__, __abs__, __invert__ = _unary("negative"), _unary("abs"), _unary("logical_not")

    def __getitem__(self, key: Any) -> Any:
        from keraunos.backend import K

        return K.get_item(self, key)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"a {type(self).__name__} of shape {self.shape} has no length")
        return int(self.shape[0])
