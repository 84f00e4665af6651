"""Puts Keraunos under ``import keras`` and ``tensorflow.keras`` while a program runs, and takes it away again."""

import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from keraunos.eras import modules, settings
from keraunos.eras import shims as offered
from keraunos.eras.after_import import after_import
from keraunos.utils import spelling

__all__ = ["install_as_keras", "is_installed", "uninstall_keras"]


def install_as_keras(era: int | None = None, shims: bool | None = None) -> ModuleType:
    """Let ``import keras``, ``tensorflow.keras`` and ``tf_keras`` mean Keraunos in this program.

    Nothing on disk changes. A real Keras that was imported before is set aside
    until ``uninstall_keras``. Where TensorFlow is installed, ``import
    tensorflow`` is the real one, and only its ``keras`` is answered here
    (``tensorflow.python.keras``, which it uses itself, is left alone); where it
    is not, a stand-in holds ``keras`` and the calls that set seeds and silence
    the logger.

    Args:
        era: Whose defaults, arithmetic and display hold: 1 (Keras 1), 2 (Keras 2) or 3 (Keras 3). If not given,
            the one that was chosen before, else the one that the spelling of the program (the file that runs as
            ``__main__``) tells, in one line. Names of every era are known in any case.
        shims: Whether NumPy, SciPy, scikit-learn and others offer what programs of the time took from them and they
            have dropped since, until ``uninstall_keras``. By default they do for eras 1 and 2.

    Returns:
        The module ``keras``.

    Raises:
        ArgumentError: There is no such era.

    >>> keras = install_as_keras()
    >>> keras.layers.Dense(3).units
    3
    >>> uninstall_keras()
    """
    if era is None:
        era = spelling.era() if spelling.chosen() or is_installed() else _era_of_the_program()
    _choose(era)
    settings.take()
    wanted = era < spelling.MODERN if shims is None else shims
    (offered.install if wanted else offered.remove)()
    if not is_installed():
        _install()
    return importlib.import_module("keras")


def uninstall_keras() -> None:
    """Take the alias modules away and put back what stood there, the era among it; without them, do nothing."""
    if not is_installed():
        return
    _finder.end_watch()
    sys.meta_path.remove(_finder)
    for name, module in list(sys.modules.items()):
        if isinstance(module, _Alias):
            del sys.modules[name]
    for module, before in _finder.changed:
        vars(module).pop("keras", None)
        vars(module).update(before)
    sys.modules.update(_finder.aside)
    _finder.changed.clear()
    _finder.aside.clear()
    settings.forget()
    offered.remove()
    spelling.compile_settles(False)
    _choose(_finder.era)


def is_installed() -> bool:
    """Whether ``import keras`` means Keraunos."""
    return _finder in sys.meta_path


def _choose(era: int) -> None:
    before = spelling.use_era(era)
    if not is_installed():
        _finder.era = before


def _era_of_the_program() -> int:
    """The era that the program's file tells; today's where there is no file, as at a prompt."""
    from keraunos.eras.detect import detect

    file = str(getattr(sys.modules.get("__main__"), "__file__", None) or "")
    if not file.endswith(".py") or not Path(file).is_file():
        return spelling.MODERN
    found = detect(Path(file).read_text(encoding="utf-8", errors="replace"), Path(file).parent)
    if found.era != spelling.MODERN:
        spelling.note(found.text)
    return found.era


def _install() -> None:
    _finder.set_aside("keras", "tf_keras", "tensorflow.keras")
    sys.meta_path.insert(0, _finder)
    _finder.end_watch = after_import({"tensorflow": _finder.adopt})


def _root(name: str) -> str | None:
    """The package of ``modules.ROOTS`` that a module belongs to."""
    return next((root for root in modules.ROOTS if f"{name}.".startswith(f"{root}.")), None)


class _Alias(ModuleType):
    """A module of Keras: its names are looked up in Keraunos whenever they are asked for."""

    def __getattr__(self, name: str) -> Any:
        place = self.__dict__["__place__"]
        if name in modules.children(place):
            return importlib.import_module(f"{self.__name__}.{name}")
        if name == "__all__":
            return self._starred()
        if name == "__version__" and not place:
            return modules.version()
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if not self.__name__.startswith("keras"):
            # Of TensorFlow's Keras a model trains what was trainable when it was compiled.
            spelling.compile_settles(True)
        return modules.find(place, name)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *modules.public(self.__dict__["__place__"])})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # `keras.layers.merge` is a module of era 2, and was a function in era 1.
        outer, _, name = self.__dict__["__place__"].rpartition(".")
        try:
            function = modules.find(outer, name)
        except AttributeError:
            raise TypeError(f"module {self.__name__!r} is not callable") from None
        return function(*args, **kwargs)

    def _starred(self) -> list[str]:
        """What ``import *`` brings; old names among it are met here, so that nobody is told of those never used."""
        logger = logging.getLogger("keraunos.eras")
        before, logger.disabled = logger.disabled, True
        try:
            names = modules.public(self.__dict__["__place__"], older=True)
            return [name for name in names if hasattr(self, name)]
        finally:
            logger.disabled = before


class _TensorFlow(_Alias):
    """A module of the stand-in for TensorFlow."""

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return modules.TENSORFLOW_VERSIONS[spelling.era()]
        if name == "__all__":
            return [*self._names()]
        inner = f"{self.__name__}.{name}"
        if inner in (*modules.ROOTS, *_TENSORFLOW):
            return importlib.import_module(inner)
        if name not in self._names():
            raise AttributeError(_no_tensorflow(inner))
        return self._names()[name]

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *self._names()})

    def _names(self) -> dict[str, Any]:
        return _TENSORFLOW[self.__name__]


class _Finder(MetaPathFinder, Loader):
    """Makes the alias modules, and lets everything else pass."""

    def __init__(self) -> None:
        self.aside: dict[str, ModuleType] = {}
        self.changed: list[tuple[ModuleType, dict[str, Any]]] = []
        self.end_watch: Callable[[], None] = lambda: None
        self.era = spelling.MODERN

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top = fullname.partition(".")[0]
        root = _root(fullname)
        if top not in ("keras", "tf_keras", "tensorflow"):
            return None
        if fullname == "tensorflow" and self._is_elsewhere(fullname, path):
            return None
        stand_in = fullname == "tensorflow" or isinstance(sys.modules.get("tensorflow"), _TensorFlow)
        if top == "tensorflow" and not stand_in and root != "tensorflow.keras":
            return None
        if root is not None:
            place = fullname[len(root) + 1 :]
            if place not in modules.BY_NAME:
                outer, _, name = place.rpartition(".")
                # A name that is no module comes this way too, through `from keras.layers import Dens`.
                raise ImportError(modules.absence(outer, name))
        elif fullname not in _TENSORFLOW:
            raise ImportError(_no_tensorflow(fullname))
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        root = _root(spec.name)
        if root is None:
            return _TensorFlow(spec.name, "What scripts call of TensorFlow around Keras.")
        place = spec.name[len(root) + 1 :]
        module = _Alias(spec.name, f"Keraunos, under the name of ``{spec.name}``.")
        vars(module)["__place__"] = place
        return module

    def exec_module(self, module: ModuleType) -> None:
        if isinstance(module, _TensorFlow):
            return
        row = modules.BY_NAME[vars(module)["__place__"]]
        if row.today:
            spelling.note(f"keras.{row.name} is called {row.today} since Keras {row.last + 1}")

    def adopt(self, tensorflow: ModuleType) -> None:
        """Let a real TensorFlow's ``keras`` be ours."""
        if isinstance(tensorflow, _TensorFlow):
            return
        before = {"keras": vars(tensorflow)["keras"]} if "keras" in vars(tensorflow) else {}
        self.changed.append((tensorflow, before))
        self.set_aside("tensorflow.keras")
        vars(tensorflow)["keras"] = importlib.import_module("tensorflow.keras")

    def set_aside(self, *roots: str) -> None:
        """Take the modules of some packages out of ``sys.modules``, unless they are ours."""
        for name, module in list(sys.modules.items()):
            if _root(name) in roots and not isinstance(module, _Alias):
                self.aside[name] = sys.modules.pop(name)

    def _is_elsewhere(self, fullname: str, path: Sequence[str] | None) -> bool:
        """Whether another finder knows a module."""
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        return any(finder.find_spec(fullname, path) is not None for finder in others)


# --- the stand-in for TensorFlow --------------------------------------------------------


def _set_seed(seed: int) -> None:
    """Seed NumPy's generator, from which all random numbers of Keraunos come."""
    import numpy as np

    np.random.seed(seed % 2**32)


def _variable(initial_value: Any, trainable: bool = True, name: str | None = None, dtype: str | None = None) -> Any:
    """A Variable, as ``K.variable`` makes it; what is trained, layers say."""
    from keraunos.eras import backend

    return backend.variable(initial_value, dtype=dtype, name=name)


def _placeholder(dtype: str, shape: Any = None, name: str | None = None) -> Any:
    """A symbolic tensor that is given to a function, as ``K.placeholder`` makes it."""
    from keraunos.eras import backend

    return backend.placeholder(shape, dtype=dtype, name=name)


def _no_tensorflow(name: str) -> str:
    return f"{name}: tensorflow is not installed; Keraunos stands in for tf.keras only."


_logger = logging.getLogger("tensorflow")
_LOGGING = {
    "set_verbosity": _logger.setLevel, "DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARN": logging.WARNING,
    "WARNING": logging.WARNING, "ERROR": logging.ERROR, "FATAL": logging.FATAL,
}  # fmt: skip
# Its modules, and what scripts call of them around Keras.
_TENSORFLOW: dict[str, dict[str, Any]] = {
    "tensorflow": {
        "set_random_seed": _set_seed,
        "get_logger": lambda: _logger,
        "Variable": _variable,
        "placeholder": _placeholder,
        **{name: name for name in "float16 float32 float64 int8 int16 int32 int64 uint8 bool".split()},
    },
    "tensorflow.random": {"set_seed": _set_seed, "set_random_seed": _set_seed},
    "tensorflow.logging": _LOGGING,
    "tensorflow.compat": {},
    "tensorflow.compat.v1": {"set_random_seed": _set_seed},
    "tensorflow.compat.v1.logging": _LOGGING,
    "tensorflow.python": {},
}
_finder = _Finder()
