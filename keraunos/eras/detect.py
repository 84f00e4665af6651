"""Tells from the spelling of a program which generation of Keras it was written for, without running it.

The marks are the rows of ``table`` and ``modules``, and the few below of what a
later era brought. A mark of era 1 beside one of a later era means era 2, which
accepted both spellings. What only today's Keras has, imported, outweighs them
all: the program never ran before. Attributes are the weakest marks, since
anything may have them: they say something where nothing speaks for today, and
nothing where the program gives them itself.
"""

import ast
import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from keraunos.eras import magics, modules, table
from keraunos.eras.beside import modules_beside
from keraunos.eras.documents import Block
from keraunos.utils.spelling import owners_of


class Mark(NamedTuple):
    """A spelling that not every era had.

    Attributes:
        word: The spelling.
        first: The first era that had it.
        last: The last era that had it.
        place: Where it stands, such as ``"line 7"``.
        kind: ``"key"`` for an entry of logs, ``"soft"`` for what the end of era 2 had as well, ``"shape"`` for a call
            that may mean something else in a later era, ``"attribute"`` for what is asked of an object of which it is
            not known what it is, and ``""``.
    """

    word: str
    first: int
    last: int
    place: str = ""
    kind: str = ""

    @property
    def is_path(self) -> bool:
        """Whether it is the name of something in Keras, imported or written out."""
        return not self.kind and self.word.startswith("keras.")


class Detected(NamedTuple):
    """An era, and the marks by which it was told."""

    era: int
    marks: tuple[Mark, ...]

    @property
    def text(self) -> str:
        """The era and up to three of its marks: ``"Keras 1 (nb_epoch line 186)"``."""
        places: dict[str, str] = {}
        for mark in _telling(self):
            places.setdefault(mark.word, mark.place)
        words = [f"{word} {place}" for word, place in places.items()][:3] + ["…"] * (len(places) > 3)
        return f"Keras {self.era} ({', '.join(words) or 'no mark of an earlier one'})"


def detect(source: str | Iterable[Block], folder: str | Path | None = None) -> Detected:
    """The era of a program, and the marks of eras found in it and in the modules beside it that it imports.

    Args:
        source: Python code, or the blocks of a document. What is no Python holds no marks.
        folder: Where the program lies, and modules of its own; none are read if not given.

    >>> detect("model.fit(x, y, nb_epoch=5)").text
    'Keras 1 (nb_epoch line 1)'
    >>> detect("model.fit(x, y, epochs=5); print(history.history['acc'])").era
    2
    """
    blocks = [Block(source, 1, "script")] if isinstance(source, str) else list(source)
    trees = [(block, tree) for block in blocks if (tree := _tree(block)) is not None]
    marks = _marks_of(trees)
    if folder is not None:
        for block, tree in modules_beside([tree for _, tree in trees], Path(folder)):
            marks += _marks_of([(block, tree)])
    return Detected(_era(marks), tuple(marks))


def _marks_of(trees: list[tuple[Block, ast.Module]]) -> list[Mark]:
    """The marks of blocks of one namespace, in order."""
    names = _Names(tree for _, tree in trees)
    return [
        mark._replace(place=mark.place or _place(block, node))
        for block, tree in trees
        for without in (_left_to_others(tree, names),)
        for node in _in_order(tree)
        if id(node) not in without
        for mark in _marks(node, names)
    ]


# --- marks that no row of the table implies -----------------------------------------------

# Names behind ``keras.`` (what is in them counts as well), and the first and last era that had them.
_PATHS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        "backend.image_dim_ordering backend.set_image_dim_ordering backend.lesser backend.lesser_equal engine.merge "
        "engine.Merge engine.topology.merge engine.topology.Merge metrics.fbeta_score".split(),
        (1, 1),
    ),
    **dict.fromkeys(
        "preprocessing.image.ImageDataGenerator wrappers.scikit_learn layers.ThresholdedReLU".split(), (1, 2)
    ),
    **dict.fromkeys(
        "datasets.cifar10.load_batch datasets.cifar100.load_batch applications.resnet50.conv_block "
        "applications.resnet50.identity_block".split(),
        (1, 2),
    ),
    **dict.fromkeys("layers.CuDNNGRU layers.CuDNNLSTM utils.multi_gpu_model".split(), (2, 2)),
    **dict.fromkeys(
        "losses initializers Input Model Sequential utils.to_categorical utils.plot_model utils.Sequence "
        "layers.add layers.concatenate layers.multiply layers.average layers.maximum layers.subtract layers.dot "
        "layers.Add layers.Concatenate layers.Multiply layers.Average layers.Maximum layers.Subtract layers.Dot "
        "layers.Conv2DTranspose layers.SeparableConv2D layers.DepthwiseConv2D layers.AlphaDropout layers.RNN "
        "layers.ReLU layers.Softmax backend.image_data_format backend.set_image_data_format datasets.boston_housing "
        "datasets.fashion_mnist callbacks.TerminateOnNaN applications.mobilenet applications.densenet".split(),
        (2, 3),
    ),
    **dict.fromkeys(
        "ops saving random config dtype_policies KerasTensor Layer Variable utils.PyDataset".split(), (3, 3)
    ),
}
# What is left of ``keras.backend`` in Keras 3.
_BACKEND_TODAY = (
    "backend clear_session epsilon floatx image_data_format is_keras_tensor set_epsilon set_floatx "
    "set_image_data_format"
).split()
# Keyword arguments by owner, as in the table's rows.
_KEYWORDS = {
    ("Trainer.compile", "jit_compile"): Mark("jit_compile", 3, 3),
    ("Trainer.compile", "steps_per_execution"): Mark("steps_per_execution", 3, 3, kind="soft"),
    ("Optimizer", "learning_rate"): Mark("learning_rate", 3, 3, kind="soft"),
    ("LeakyReLU", "negative_slope"): Mark("negative_slope", 3, 3),
    ("Trainer.fit", "steps_per_epoch"): Mark("steps_per_epoch", 2, 3),
}
# Today's names that era 1 had too, where the table's row is about another name for them.
_ALWAYS = {"dtype", "x"}
# Methods and attributes, but for those that other libraries, or today's models, have as well.
_COMMON = (
    "lr predict_proba model input_shape output_shape train_function test_function predict_function weights get_weights "
    "set_weights step kernel bias recurrent_kernel input_dim preprocess_input get_constants get_initial_states"
)
_METHODS = {
    "compute_output_shape": (2, 3),
    **{row.old: (1, row.last) for row in table.METHODS if row.old not in _COMMON.split() and row.last < 3},
}
# Attributes whose names are words or letters of everybody's, and what must be said of an object for them to count.
_RECEIVERS = {
    **{row.old: "layer|lstm|gru|rnn|cell" for row in table.METHODS if row.owner == "CellLayer"},
    "lr": "opt",
    "nb_words": "tok",
    "reset_states": r"model|net|rnn|lstm|gru|layer",
    "updates": r"model|layer|bn|norm",
    **dict.fromkeys("W b layer alphas running_mean running_std input_mask output_mask".split(), "layer"),
}
# Methods that programs define in layers of their own.
_DEFINED = ("compute_output_shape", "get_output_shape_for")
_PARAMS = {"nb_epoch": (1, 1), "nb_sample": (1, 1)}
# Classes whose second argument is one number a dimension in era 1, and how many numbers stand there at least.
_SHAPES = {"Convolution2D": 3, "Conv2D": 3, "Convolution3D": 4, "Conv3D": 4}
# What only a program that runs on Python 2 as well imports; Keras 3 never did.
_PYTHON_2 = ("absolute_import", "division", "print_function", "unicode_literals", "with_statement")
# A path for ModelCheckpoint that names the entry.
_FILE_BY_ACC = re.compile(r"\{(val_)?acc[:}].*\.(h5|hdf5|keras)$")
# What a post may use without importing it.
_CUSTOMARY = {"keras": "keras", "K": "keras.backend", "tf": "tensorflow"}


def _era(marks: Iterable[Mark]) -> int:
    marks = list(marks)
    if any(mark.first == 3 and mark.is_path for mark in marks):
        return 3
    if any(mark.first == 3 and mark.kind in ("", "soft") for mark in marks):
        marks = [mark for mark in marks if mark.kind != "attribute"]
    later = [mark for mark in marks if mark.first > 1 and mark.kind not in ("soft", "key")]
    if any(mark.last == 1 and (mark.kind != "shape" or not later) for mark in marks):
        return 2 if later else 1
    if any(mark.first == 3 and not mark.kind for mark in marks):
        return 3
    if any(mark.last == 2 and mark.kind == "key" for mark in marks):
        return 2
    if any(mark.first == 3 for mark in marks):
        return 3
    return 2 if any(mark.last == 2 for mark in marks) else 3


def _telling(detected: Detected) -> list[Mark]:
    """The marks that speak for the era, the strongest first."""
    old = [mark for mark in detected.marks if mark.last == 1]
    if detected.era == 1:
        return old
    if detected.era == 3:
        return [mark for mark in detected.marks if mark.first == 3]
    ended = [mark for mark in detected.marks if mark.last == 2]
    return [*old[:1], *[mark for mark in detected.marks if mark.first == 2][:1], *ended] if old else ended


# --- reading the program ------------------------------------------------------------------


class _Names:
    """What the names of a program stand for: the dotted path of what was imported, or nothing known."""

    def __init__(self, trees: Iterable[ast.Module]) -> None:
        self.imported = dict(_CUSTOMARY)
        self.own: set[str] = set()
        self.given: set[str] = set()  # attributes that objects of the program's own classes have
        self.keys: set[str] = set()  # entries of logs that the program names itself
        for node in (node for tree in trees for node in ast.walk(tree)):
            if isinstance(node, ast.ClassDef):
                self.given |= _given_in(node)
            elif isinstance(node, ast.keyword) and node.arg == "name" and isinstance(node.value, ast.Constant):
                self.keys.add(str(node.value.value))
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self.imported[name] = alias.name if alias.asname else name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                self.own.add(node.name)

    def path(self, node: ast.AST) -> str | None:
        """Dotted path of an expression that begins with an imported name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.imported:
            return None
        return ".".join([self.imported[node.id], *reversed(parts)])

    def callee(self, node: ast.Call) -> tuple[str, bool] | None:
        """Last name of what is called, and whether it is called on something; ``None`` where that is not Keras'."""
        path = self.path(node.func)
        if path is not None and _keras(path) is None:
            return None
        if isinstance(node.func, ast.Attribute):
            return node.func.attr, path is None
        if isinstance(node.func, ast.Name) and node.func.id not in self.own:
            return (path or node.func.id).rpartition(".")[2], False
        return None


def _keras(path: str) -> str | None:
    """What stands behind ``keras.`` in a path, or ``None``."""
    for root in modules.ROOTS:
        if f"{path}.".startswith(f"{root}."):
            return path[len(root) + 1 :]
    return None


def _tree(block: Block) -> ast.Module | None:
    try:
        return ast.parse(magics.python_of(block.source).source)
    except (SyntaxError, ValueError):
        return None


def _in_order(tree: ast.Module) -> list[ast.AST]:
    nodes = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    return sorted(nodes, key=lambda node: (node.lineno, node.col_offset))  # type: ignore[attr-defined]


def _place(block: Block, node: ast.AST) -> str:
    line: int = getattr(node, "lineno", 1)
    where = f"{Path(block.file).name} " if block.kind == "module" else ""
    return block.place if block.kind == "cell" else f"{where}line {block.line + line - 1}"


def _given_in(own: ast.ClassDef) -> set[str]:
    """Names of what the objects of a class have by its own text, but for what Keras calls."""
    found: set[str] = set()
    for node in ast.walk(own):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            found.add(node.attr)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node in own.body:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found - set(_DEFINED)


def _left_to_others(tree: ast.Module, names: _Names) -> set[int]:
    """Nodes, by their ids, that a program runs on some releases only, while others get what no old mark stands in.

    They are the branches of ``try: ... except ImportError: ...`` and of an ``if`` about a version.
    """
    left: set[int] = set()
    for node in ast.walk(tree):
        branches: list[list[ast.stmt]] = []
        if isinstance(node, ast.Try):
            branches = [node.body, *(handler.body for handler in node.handlers if _falls_back(handler))]
        elif isinstance(node, ast.If) and "version" in ast.unparse(node.test).lower():
            branches = [node.body, node.orelse]
        if len(branches) < 2:
            continue
        nodes = [[inner for statement in branch for inner in ast.walk(statement)] for branch in branches]
        if any(all(mark.last == 3 for inner in branch for mark in _marks(inner, names)) for branch in nodes):
            left |= {id(inner) for branch in nodes for inner in branch}
    return left


def _falls_back(handler: ast.ExceptHandler) -> bool:
    """Whether a handler does in another way what a release could not do."""
    caught = ast.unparse(handler.type) if handler.type is not None else ""
    imports = any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in handler.body)
    return imports or (re.search("TypeError|AttributeError", caught) is not None and not _only_tells(handler))


def _only_tells(handler: ast.ExceptHandler) -> bool:
    """Whether a handler prints, raises or passes, and no more."""
    return all(
        isinstance(node, (ast.Pass, ast.Raise)) or (isinstance(node, ast.Expr) and "print" in ast.unparse(node))
        for node in handler.body
    )


def _marks(node: ast.AST, names: _Names) -> Iterator[Mark]:
    """The marks of one node of the syntax tree, without what is inside it."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _of_path(alias.name, module=True)
    elif isinstance(node, ast.ImportFrom) and node.module == "__future__":
        for alias in node.names:
            if alias.name in _PYTHON_2:
                yield Mark(f"from __future__ import {alias.name}", 1, 2)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from _of_path(node.module, module=True)
        for alias in node.names:
            yield from _of_path(f"{node.module}.{alias.name}", inner=False)
    elif isinstance(node, ast.Attribute):
        yield from _of_attribute(node, names)
    elif isinstance(node, ast.Call):
        yield from _of_call(node, names)
    elif isinstance(node, ast.FunctionDef):
        if node.name in _DEFINED:
            yield Mark(node.name, *_METHODS[node.name])
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and isinstance(node.slice, ast.Constant):
        yield from _of_key(node.slice.value, names)
        if node.slice.value in _PARAMS:
            yield Mark(str(node.slice.value), *_PARAMS[str(node.slice.value)])
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _FILE_BY_ACC.search(node.value):
        yield Mark("{acc}", 1, 2, kind="key")


def _of_path(path: str, module: bool = False, inner: bool = True) -> Iterator[Mark]:
    """Marks of a dotted path; ``module`` tells that all of it is a module, ``inner`` that its beginnings count too."""
    place = _keras(path)
    if place is None:
        return
    if path.startswith(("tensorflow.", "tf_keras")) and inner:
        yield Mark("tensorflow.keras", 3, 3, kind="soft")
    parts = place.split(".")
    for end in range(1 if inner else len(parts), len(parts) + 1):
        name, whole = ".".join(parts[:end]), end == len(parts) and not module
        if name in _PATHS:
            yield Mark(f"keras.{name}", *_PATHS[name])
        elif name == "layers.merge":  # a function of era 1, a module of era 2
            yield Mark(f"keras.{name}", 1, 1) if whole else Mark(f"keras.{name}", 2, 2)
        elif name in modules.BY_NAME:
            if modules.BY_NAME[name].last < 3:
                yield Mark(f"keras.{name}", 1, modules.BY_NAME[name].last)
        elif name in _old_names():
            yield Mark(f"keras.{name}", 1, _old_names()[name])


def _of_attribute(node: ast.Attribute, names: _Names) -> Iterator[Mark]:
    path = names.path(node)
    if path is not None:
        yield from _of_path(path, inner=_is_written_out(node, names))
    elif (
        (node.attr in _METHODS or node.attr == "lr")
        and node.attr not in names.given
        and re.search(_RECEIVERS.get(node.attr, ""), _said_of(node.value))
    ):
        yield Mark(node.attr, *_METHODS.get(node.attr, (1, 2)), kind="attribute")


def _said_of(node: ast.expr) -> str:
    """The last name in an expression, in small letters: ``"layers"`` of ``model.layers[0]``."""
    while isinstance(node, (ast.Subscript, ast.Call)):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    return ast.unparse(node).rpartition(".")[2].lower()


def _is_written_out(node: ast.Attribute, names: _Names) -> bool:
    """Whether no import has told the beginning of the path already: ``keras.losses.mse``, not ``losses.mse``."""
    root = ast.unparse(node).partition(".")[0]
    return names.imported[root] in ("keras", "tensorflow", "tf_keras")


def _of_call(node: ast.Call, names: _Names) -> Iterator[Mark]:
    found = names.callee(node)
    if found is None:
        return
    name, on_something = found
    if not on_something and isinstance(node.func, ast.Name) and node.func.id not in names.imported:
        old = [place for place in (*_old_names(), *_PATHS) if place.rpartition(".")[2] == name and name[0].isupper()]
        for place in old[:1]:
            first, last = _PATHS.get(place, (1, _old_names().get(place, 3)))
            if last < 3:
                yield Mark(name, first, last)
    if name == "get" and on_something and node.args and isinstance(node.args[0], ast.Constant):
        yield from _of_key(node.args[0].value, names)
    yield from _of_shape(name, node)
    owners = _owners(name)
    for keyword in node.keywords:
        if keyword.arg == "monitor" and isinstance(keyword.value, ast.Constant):
            yield from _of_key(keyword.value.value, names, anywhere=True)
        for owner in owners:
            mark = _keywords().get((owner, keyword.arg or ""))
            if mark is not None:
                yield mark
                break


def _of_key(key: object, names: _Names, anywhere: bool = False) -> Iterator[Mark]:
    """Mark of an entry of logs that a program reads."""
    if not isinstance(key, str) or key.removeprefix("val_") in names.keys:
        return
    base = key.rpartition("_")[2] if anywhere else key.removeprefix("val_")
    if base == "acc":
        yield Mark(repr(key), 1, 2, kind="key")
    elif base == "accuracy" and key in ("accuracy", "val_accuracy"):
        yield Mark(repr(key), 3, 3, kind="soft")


def _of_shape(name: str, node: ast.Call) -> Iterator[Mark]:
    if name not in _SHAPES or any(isinstance(value, ast.Starred) for value in node.args):
        return
    count, keywords = len(node.args), {keyword.arg for keyword in node.keywords}
    if count >= 2 and isinstance(node.args[1], (ast.Tuple, ast.List)):
        yield Mark(f"{name}(…, (…))", 2, 3)
    elif count >= _SHAPES[name]:
        kind = "" if name.startswith("Convolution") else "shape"
        yield Mark(f"{name}({', '.join('…' * _SHAPES[name])})", 1, 1, kind=kind)
    elif count == 2 and not keywords & {"nb_col", "kernel_dim2", "kernel_dim3"}:
        yield Mark(f"{name}(…, …)", 2, 3)


# --- the table's rows as marks --------------------------------------------------------------


@functools.cache
def _old_names() -> dict[str, int]:
    """Paths of names that ended with era 1 or 2, and that era."""
    from keraunos.eras import backend

    return {
        **{f"backend.{name}": 2 for name in backend.__all__ if name not in _BACKEND_TODAY},
        **{
            f"{row.module}.{name}".lstrip("."): row.last
            for row in (*modules.ABSENT, *modules.ENDED)
            for name in row.names.split()
            if row.last < 3
        },
        **{f"{row.family}.{row.old}": row.last for row in table.MEMBERS},
        **{f"{row.module}.{row.old}": row.last for row in table.ALIASES if len(row.eras) == 3},
    }


@functools.cache
def _keywords() -> dict[tuple[str, str], Mark]:
    """Marks of keyword arguments, by owner and name."""
    found: dict[tuple[str, str], Mark] = {}
    later: dict[tuple[str, str], Mark] = {}
    olds = [
        *((owner, row.old, row.new, row.last) for row in table.RENAMES for owner in row.owners.split()),
        *((owner, old, row.new, row.last) for row in table.FOLDS for owner in row.owners.split() for old in row.olds),
        *((owner, row.old, "", row.last) for row in table.DROPS for owner in row.owners.split()),
    ]
    for owner, old, new, last in olds:
        found[owner, old] = Mark(old, 1, last)
        if last == 1 and new and new not in _ALWAYS:
            later[owner, new] = Mark(new, 2, 3)
    # An argument of Dense, such as input_dim, is no mark for being folded elsewhere.
    return {**later, **found, **_KEYWORDS}


@functools.cache
def _owners(name: str) -> tuple[str, ...]:
    """Under which names the table may know what is called by this name."""
    if name in ("KerasClassifier", "KerasRegressor"):
        return ("Trainer.fit",)
    found = [owner for cls in _classes().get(name, ()) for owner in owners_of(cls)]
    return tuple(found or (owner for owner, _ in _keywords() if owner.rpartition(".")[2] == name))


@functools.cache
def _classes() -> dict[str, list[type]]:
    """The public classes by name, those of earlier eras among them."""
    found: dict[str, list[type]] = {}
    for place in ("callbacks", "constraints", "initializers", "layers", "models", "optimizers", "regularizers"):
        for name in set(modules.public(place)) - set(modules.children(place)):
            value = modules.find(place, name)
            if isinstance(value, type):
                found.setdefault(name, []).append(value)
    return {**found, **{row.old: found[row.new] for row in table.ALIASES if row.new in found}}
