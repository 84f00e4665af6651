"""Runs the blocks of a document in one namespace, as a notebook would, with what a post leaves out supplied."""

import ast
import builtins
import contextlib
import importlib
import inspect
import io
import linecache
import re
import sys
import tokenize
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from keraunos.callbacks import Callback
from keraunos.eras import magics
from keraunos.eras.documents import Block, Document, explained
from keraunos.eras.names import Names
from keraunos.optimizers import Optimizer
from keraunos.utils import spelling

# What posts use by custom without importing it, and the statement that brings it.
CUSTOMARY = {
    "np": "import numpy as np",
    "pd": "import pandas as pd",
    "plt": "import matplotlib.pyplot as plt",
    "mpl": "import matplotlib as mpl",
    "cm": "from matplotlib import cm",
    "sns": "import seaborn as sns",
    "sp": "import scipy as sp",
    "tf": "import tensorflow as tf",
    "K": "from keras import backend as K",
    "MNIST": "from mnist import MNIST",
    "Image": "from PIL import Image",
    "Axes3D": "from mpl_toolkits.mplot3d import Axes3D",
    "tqdm": "from tqdm import tqdm",
    "BytesIO": "from io import BytesIO",
    "StringIO": "from io import StringIO",
    "Path": "from pathlib import Path",
    "partial": "from functools import partial",
    "reduce": "from functools import reduce",
    "sqrt": "from math import sqrt",
    "cPickle": "import pickle as cPickle",
    "xrange": "from builtins import range as xrange",
    "raw_input": "from builtins import input as raw_input",
    "unicode": "from builtins import str as unicode",
    **{
        name: f"import {name}"
        for name in (
            "os sys re time math random json csv glob gzip pickle copy shutil string itertools functools collections "
            "datetime warnings logging operator tarfile zipfile numpy pandas scipy matplotlib seaborn sklearn "
            "tensorflow keras h5py"
        ).split()
    },
    **{
        name: f"from {module} import {name}"
        for module, names in {
            "collections": "defaultdict Counter OrderedDict deque namedtuple",
            "sklearn.model_selection": "train_test_split cross_val_score KFold StratifiedKFold GridSearchCV",
            "sklearn.preprocessing": (
                "StandardScaler MinMaxScaler LabelEncoder OneHotEncoder LabelBinarizer PolynomialFeatures Normalizer"
            ),
            "sklearn.metrics": (
                "accuracy_score classification_report confusion_matrix roc_auc_score roc_curve f1_score "
                "mean_squared_error mean_absolute_error r2_score log_loss precision_score recall_score"
            ),
            "sklearn.datasets": (
                "load_iris load_digits load_boston load_wine load_diabetes load_breast_cancer make_moons make_circles "
                "make_blobs make_classification make_regression fetch_covtype fetch_california_housing"
            ),
            "sklearn.pipeline": "Pipeline make_pipeline",
            "sklearn.decomposition": "PCA",
            "sklearn.manifold": "TSNE",
            "sklearn.linear_model": "LogisticRegression LinearRegression",
            "sklearn.ensemble": "RandomForestClassifier",
            "sklearn.svm": "SVC",
        }.items()
        for name in names.split()
    },
}
# Where a public name of Keras is looked for, in this order.
KERAS_PLACES = (
    "keras", "keras.models", "keras.layers", "keras.optimizers", "keras.regularizers", "keras.callbacks",
    "keras.utils", "keras.constraints", "keras.initializers", "keras.losses", "keras.metrics", "keras.datasets",
    "keras.preprocessing.text", "keras.preprocessing.sequence", "keras.preprocessing.image",
)  # fmt: skip
_KERAS_MODULES = set(
    "activations applications backend callbacks constraints datasets initializers layers losses metrics models "
    "optimizers preprocessing regularizers utils objectives initializations".split()
)
_EXPORTED = re.compile(r"\bget_ipython\(\)\.\w*(magic|system|getoutput)\(")
_AMBIENT = {*dir(builtins), *"__name__ __file__ __doc__ __builtins__ display get_ipython _".split(), magics.TIMED}


@dataclass(frozen=True)
class Step:
    """A block, and what is to be done with it.

    Attributes:
        block: The block.
        runs: Whether it runs.
        remark: Why it does not, or why it runs later than it stands; ``""`` where there is nothing to say.
        before: Statements of earlier blocks that are repeated before it.
    """

    block: Block
    runs: bool = True
    remark: str = ""
    before: tuple[ast.stmt, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The steps in the order in which they are taken, and the imports that the document lacks, by name."""

    steps: list[Step]
    supplied: dict[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """What became of a run.

    Attributes:
        exit_code: 0, or what the document asked for by ``sys.exit``, or 1 where a block raised.
        ran: Blocks that ran, the one that raised among them.
        skipped: Blocks that did not, and why.
        namespace: The names of the document's ``__main__``.
        error: The exception that ended the run.
    """

    exit_code: int = 0
    ran: list[Block] = field(default_factory=list)
    skipped: list[Step] = field(default_factory=list)
    namespace: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None


def plan(document: Document, keras_name: Callable[[str], str | None] | None = None) -> Plan:
    """What to run, in which order, and what to supply, told from the text alone.

    Scripts and notebooks run as they stand. A block of a post that needs names which only a later block binds is an
    excerpt of that block, and left to it, or put off until it has run. One that needs names which nobody binds is
    skipped. One that trains a model which a post has loaded from its architecture, and not compiled, has the last
    ``compile`` of that name repeated before it.

    Args:
        document: What ``read_document`` returned.
        keras_name: Finds the import statement of a public name of Keras, or ``None``.

    Raises:
        SyntaxError: A block is not Python.
    """
    if document.kind != "post":
        return Plan([Step(block) for block in document.blocks])
    blocks = [_Read(block) for block in document.blocks]
    whole = [read for number, read in enumerate(blocks) if not _excerpt_of(read, blocks[:number], blocks[number + 1 :])]
    supplied = _supplied(whole, keras_name or find_keras_name)
    steps: list[Step] = []
    bound, waiting = _AMBIENT | set(supplied), list[_Read]()
    anything = False  # after `import *` any name may be there
    for number, read in enumerate(blocks):
        later = blocks[number + 1 :]
        if read not in whole:
            home = _excerpt_of(read, blocks[:number], later)
            remark = f"{read.block.place}: an excerpt of the code at line {home}, and run there"
            steps.append(Step(read.block, False, remark))
            continue
        anything |= read.names.star
        missing = {} if anything else read.missing(bound)
        if missing:
            coming = set().union(*(other.names.bound for other in later if other in whole))
            if set(missing) <= coming:
                waiting.append(read)
            else:
                steps.append(Step(read.block, False, _nobody(read.block, set(missing) - coming, document)))
            continue
        steps.append(Step(read.block))
        before, bound = bound, (bound | read.names.bound) - read.names.deleted
        while ready := next((other for other in waiting if anything or not other.missing(bound)), None):
            waiting.remove(ready)
            names = _listed(sorted(ready.missing(before)))
            remark = f"{ready.block.place}: put off, because later code makes {names}"
            steps.append(Step(ready.block, True, remark))
            bound = (bound | ready.names.bound) - ready.names.deleted
    steps += [Step(read.block, False, _nobody(read.block, read.missing(bound), document)) for read in waiting]
    return Plan(_compiled_again(steps, {id(read.block): read for read in blocks}), supplied)


def run_document(
    document: Document,
    arguments: Sequence[str] = (),
    after_block: Callable[[], Any] | None = None,
    keras_name: Callable[[str], str | None] | None = None,
) -> Result:
    """Run a document as ``__main__``, and say how it ended.

    A traceback goes to standard error and names the file and line of the document. In posts and notebooks the value
    of a block's last expression is shown, unless a semicolon ends it.

    Args:
        document: What ``read_document`` returned.
        arguments: What the document finds in ``sys.argv`` behind its own name.
        after_block: Called after each block that ran.
        keras_name: Finds the import statement of a public name of Keras that the document does not import.
    """
    result = Result()
    with _as_main(document.path, arguments) as namespace:
        result.namespace = namespace
        if document.kind != "script":
            namespace["display"] = _display
        # Scripts ask whether there is such a function to find out where they run, unless they are exported notebooks.
        if document.kind != "script" or any(_EXPORTED.search(block.source) for block in document.blocks):
            namespace["get_ipython"] = lambda: magics.Shell(spelling.note)
        if not document.blocks:
            spelling.note(f"{document.path}: no code in Python was found, and nothing is run")
        try:
            for left_out in document.left_out:
                if left_out.reason.startswith("no Python") or "shell" in left_out.reason:
                    spelling.note(f"{left_out.block.place}: {left_out.reason}: skipped")
            planned = plan(document, keras_name)
            _supply(planned.supplied, namespace, document)
            for step in planned.steps:
                if step.remark:
                    spelling.note(step.remark)
                if not step.runs:
                    result.skipped.append(step)
                    continue
                result.ran.append(step.block)
                exec(compile(ast.Module(list(step.before), []), step.block.file, "exec", dont_inherit=True), namespace)
                _run_block(step.block, document, namespace)
                if after_block is not None:
                    after_block()
        except SystemExit as stop:
            result.error, result.exit_code = stop, _exit_code(stop)
        except Exception as error:
            result.error, result.exit_code = error, 1
            _print_error(error, {block.file for block in document.blocks})
    return result


def show(value: Any) -> None:
    """Print a value as a notebook does: nothing for ``None``, frames as text, plain objects by class and address.

    >>> show([1, 2])
    [1, 2]
    >>> show(None)
    """
    if value is None:
        return
    kind = type(value)
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    if module.startswith("keraunos."):  # the document knows it as keras.callbacks.History
        module = "".join(f"keras.{part}." for part in module.split(".") if part in _KERAS_MODULES)
    # Callbacks and optimizers had no text of their own then.
    bare = kind.__repr__ is object.__repr__ or isinstance(value, (Callback, Optimizer))
    print(f"<{module}{kind.__qualname__} at 0x{id(value):x}>" if bare else repr(value))


def find_keras_name(name: str) -> str | None:
    """The statement that imports a public name of Keras, or ``None``; an earlier place in ``KERAS_PLACES`` wins."""
    if name.startswith("_"):
        return None
    for place in KERAS_PLACES:
        with contextlib.suppress(ImportError, AttributeError):
            value = getattr(importlib.import_module(place), name)
            if _fits(place, name, value):
                return f"from {place} import {name}"
    return None


def _fits(place: str, name: str, value: Any) -> bool:
    """Whether somebody who writes a name without importing it means this thing, rather than a variable."""
    if inspect.isclass(value):
        return name[:1].isupper()
    if isinstance(value, ModuleType):
        return name in _KERAS_MODULES if place == "keras" else place in ("keras.datasets", "keras.utils")
    return (
        callable(value) and name not in ("get", "serialize", "deserialize") and (place != "keras" or name[0].isupper())
    )


# --- planning ---------------------------------------------------------------------------


class _Read:
    """A block with the names it needs and binds, and its statements for comparison."""

    def __init__(self, block: Block) -> None:
        self.block = block
        plain = magics.python_of(block.source)
        self.source = plain.source
        with warnings.catch_warnings():  # they wait until the block runs
            warnings.simplefilter("ignore")
            tree = _parse(block, self.source)
        self.tree = tree
        self.names = Names.of(self.source)
        self.names.bound |= {plain.captured} if plain.captured else set()
        statements = [statement for statement in tree.body if not _is_text(statement)]
        self.statements = [ast.dump(statement) for statement in statements]
        self.lines = [statement.lineno for statement in statements]

    def missing(self, bound: set[str]) -> set[str]:
        return set(self.names.needed) - bound


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _excerpt_of(read: _Read, before: Sequence[_Read], later: Sequence[_Read]) -> int:
    """The line of the later code that a block is an excerpt of, or 0 where it is none, or can run where it stands."""
    bound = _AMBIENT.union(*(other.names.bound for other in before))
    missing, size = read.missing(bound), len(read.statements)
    if not size or any(other.names.star for other in [*before, read]):
        return 0
    for other in later:
        if missing & other.names.bound:
            for start in range(len(other.statements) - size + 1):
                if other.statements[start : start + size] == read.statements:
                    return other.lines[start]
    return 0


# What makes a model without its loss and optimizer, and what cannot be called without them.
_LOADERS = {"model_from_json", "model_from_yaml", "model_from_config", "from_config", "clone_model"}
_TRAINING = {"fit", "fit_generator", "evaluate", "evaluate_generator", "train_on_batch", "test_on_batch"}


def _compiled_again(steps: Sequence[Step], reads: Mapping[int, _Read]) -> list[Step]:
    """The steps, with the last ``compile`` of a model's name before a block that trains it as it was loaded."""
    bare: dict[str, tuple[Block, int]] = {}  # where each model that is not compiled was loaded
    compiled: dict[str, tuple[ast.stmt, ...]] = {}
    result = []
    for step in steps:
        statements = reads[id(step.block)].tree.body if step.runs else []
        for number, statement in enumerate(statements):
            for owner, method in _methods_called(statement):
                if method == "compile":
                    used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} - {owner}
                    makers = (
                        one for one in statements[:number] if isinstance(one, ast.Assign) and used & _targets(one)
                    )
                    compiled[owner] = (*makers, statement)
                    bare.pop(owner, None)
                elif method in _TRAINING and owner in compiled and owner in bare and bare[owner][0] is not step.block:
                    remark = (
                        f"{step.block.place}: {owner}, loaded in line {bare.pop(owner)[1]}, was not compiled since: "
                        f"compiled as in line {compiled[owner][-1].lineno}"
                    )
                    step = replace(step, before=(*step.before, *compiled[owner]), remark=step.remark or remark)
            for name in _targets(statement):
                bare.pop(name, None)
                value = getattr(statement, "value", None)
                loader = value.func if isinstance(value, ast.Call) else None
                if getattr(loader, "attr", getattr(loader, "id", None)) in _LOADERS:
                    bare[name] = step.block, statement.lineno
        result.append(step)
    return result


def _methods_called(statement: ast.stmt) -> list[tuple[str, str]]:
    """Pairs of a name and a method of it that a statement calls."""
    calls = [node.func for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return [(f.value.id, f.attr) for f in calls if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name)]


def _targets(statement: ast.stmt) -> set[str]:
    """Names that an assignment binds."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}


def _supplied(blocks: Sequence[_Read], keras_name: Callable[[str], str | None]) -> dict[str, str]:
    """Import statements for names that are used before anything binds them, in the order of their use."""
    supplied: dict[str, str] = {}
    star = False
    for number, read in enumerate(blocks):
        star |= read.names.star
        for name in [*read.names.needed, *read.names.later]:
            binders = [other for other in blocks if name in other.names.bound]
            first = blocks.index(binders[0]) if binders else len(blocks)
            # In its own block, a name is there in time unless the import stands below its first use.
            late = first == number and name in read.names.needed and name in read.names.imported
            if name in _AMBIENT or (first <= number and not late):
                continue
            statement = None
            if binders:
                statement = binders[0].names.imported.get(name)
            elif name in CUSTOMARY:
                statement = CUSTOMARY[name]
            elif not star:
                statement = keras_name(name)
            if statement and name not in supplied:
                supplied[name] = statement
    return supplied


def _nobody(block: Block, names: Iterable[str], document: Document) -> str:
    return f"{block.place}: skipped, because no code of the {document.kind} makes {_listed(sorted(names))}"


def _listed(names: Iterable[str]) -> str:
    *most, last = list(names)
    return f"{', '.join(most)} and {last}" if most else last


# --- running ----------------------------------------------------------------------------


def _supply(supplied: dict[str, str], namespace: dict[str, Any], document: Document) -> None:
    done = []
    for name, statement in supplied.items():
        try:
            exec(statement, namespace)
            done.append(name)
        except ImportError as error:
            spelling.note(f"the {document.kind} uses {name} without importing it, and `{statement}` fails: {error}")
    if done:
        spelling.note(f"the {document.kind} uses {', '.join(done)} without importing them: supplied")


def _parse(block: Block, source: str) -> ast.Module:
    """The syntax tree of a block, with lines and columns of the document."""
    try:
        tree = compile("\n" * (block.line - 1) + source, block.file, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except SyntaxError as error:
        raise explained(error) from None
    assert isinstance(tree, ast.Module)
    if block.indent:
        for node in ast.walk(tree):
            if isinstance(node, (ast.expr, ast.stmt)):
                node.col_offset += block.indent
                node.end_col_offset = (node.end_col_offset or 0) + block.indent
    return tree


def _run_block(block: Block, document: Document, namespace: dict[str, Any]) -> None:
    plain = magics.python_of(block.source)
    for line, text in plain.remarks:
        place = f"line {block.line + line}" if block.kind != "cell" else block.place
        spelling.note(f"{place}: {text}")
    tree = _parse(block, plain.source)
    if block.kind == "cell":  # no file has these lines, so tracebacks find them here
        linecache.cache[block.file] = (len(block.source), None, block.source.splitlines(keepends=True), block.file)
    namespace[magics.TIMED] = magics.timed
    with contextlib.ExitStack() as around:
        if plain.captured is not None:
            captured = magics.Captured()
            around.enter_context(captured.during())
            if plain.captured:
                namespace[plain.captured] = captured
        if plain.timed:
            around.enter_context(magics.timed(plain.timed))
        silent = document.kind == "script" or (plain.timed is not None and len(tree.body) > 1)
        for code, shown in _pieces(tree, block, silent or _ends_silently(plain.source)):
            if shown:
                namespace["_"] = eval(code, namespace)
                show(namespace["_"])
            else:
                exec(code, namespace)


def _pieces(tree: ast.Module, block: Block, silent: bool) -> Iterator[tuple[CodeType, bool]]:
    """The code of a block, cut where a value is shown: behind each prompt, else at the end."""
    body = tree.body
    groups = [[statement] for statement in body] if block.kind == "prompt" else [body[:-1], body[-1:]]
    for group in filter(None, groups):
        last = group[-1]
        shown = not silent and (block.kind == "prompt" or group is groups[-1])
        if shown and isinstance(last, ast.Expr) and not _is_remark(last):
            yield compile(ast.Expression(last.value), block.file, "eval", dont_inherit=True), True
            continue
        timed = isinstance(last, ast.With) and ast.unparse(last.items[0]).startswith(f"{magics.TIMED}(")
        if shown and timed and isinstance(last, ast.With) and isinstance(last.body[-1], ast.Expr):
            value = last.body[-1]
            kept = ast.Assign([ast.Name("_", ast.Store())], value.value)
            last.body[-1] = ast.fix_missing_locations(ast.copy_location(kept, value))
            yield compile(ast.Module(group, []), block.file, "exec", dont_inherit=True), False
            kept_value = ast.copy_location(ast.Name("_", ast.Load()), value)
            yield compile(ast.Expression(kept_value), block.file, "eval", dont_inherit=True), True
            continue
        yield compile(ast.Module(group, []), block.file, "exec", dont_inherit=True), False


def _is_remark(statement: ast.Expr) -> bool:
    """Whether a statement is a text by itself; posts write what the code printed in one."""
    return isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)


def _ends_silently(source: str) -> bool:
    """Whether a semicolon ends the last line that is not a remark."""
    last = ""
    with contextlib.suppress(tokenize.TokenError, IndentationError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in (tokenize.OP, tokenize.NAME, tokenize.NUMBER, tokenize.STRING):
                last = token.string
    return last == ";"


def _display(*values: Any, **_: Any) -> None:
    """``display`` of notebooks."""
    for value in values:
        show(value)


@contextlib.contextmanager
def _as_main(path: Path, arguments: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A new ``__main__``, with the arguments and the folder that ``python file`` would give it."""
    main = ModuleType("__main__")
    vars(main).update(__file__=str(path), __builtins__=builtins)
    before = sys.modules.get("__main__"), sys.argv, list(sys.path)
    sys.modules["__main__"], sys.argv = main, [str(path), *arguments]
    sys.path.insert(0, str(path.absolute().parent))
    try:
        yield vars(main)
    finally:
        if before[0] is not None:
            sys.modules["__main__"] = before[0]
        sys.argv, sys.path[:] = before[1], before[2]


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    print(stop.code, file=sys.stderr)
    return 1


def _print_error(error: Exception, files: set[str]) -> None:
    """Print a traceback that begins in the document."""
    here: TracebackType | None = error.__traceback__
    while here is not None and here.tb_frame.f_code.co_filename not in files:
        here = here.tb_next
    traceback.print_exception(type(error), error, here)
