"""The list that ``layers`` of a model returns: where the era had it so, to change it changes the model."""

from collections.abc import Callable, Iterable
from typing import Any

from keraunos.layers.layer import SomeLayer


class LayerList(list[SomeLayer]):
    """Layers of a model.

    Args:
        layers: The layers.
        changed: Function that gets the list whenever it was changed, and the method that did it.
    """

    def __init__(self, layers: Iterable[Any], changed: Callable[[list[Any], str], None]) -> None:
        super().__init__(layers)
        self._changed = changed

    def __reduce__(self) -> Any:
        return list, (list(self),)  # a copy is a list as any other


def _telling(name: str) -> Callable[..., Any]:
    method = getattr(list, name)

    def change(self: LayerList, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        self._changed(self, name)
        return result

    change.__name__, change.__doc__ = name, method.__doc__
    return change


for _name in "append clear extend insert pop remove reverse sort __delitem__ __setitem__ __iadd__".split():
    setattr(LayerList, _name, _telling(_name))
