"""Who may import whom, where JAX may stand, and which words may not: the arrows of docs/architecture.md, held."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "keraunos"
FILES = sorted(PACKAGE.rglob("*.py"))
PARTS = "initializers activations regularizers constraints losses metrics optimizers schedules".split()

# Each unit, and those it may import besides itself. "keraunos" stands for the public names.
BELOW_PARTS = {"utils", "backend", "core"}
BELOW_LAYERS = {*BELOW_PARTS, "parts"}
ARROWS = {
    "utils": set(),
    "backend": {"utils"},
    "core": {"utils", "backend"},
    "parts": BELOW_PARTS,
    "ops": BELOW_PARTS,
    "training": BELOW_LAYERS,
    "saving": BELOW_LAYERS,
    "layers": BELOW_LAYERS,
    "models": {*BELOW_LAYERS, "training", "saving", "layers"},
    "datasets": {"utils", "keraunos"},
    "preprocessing": {"utils", "keraunos"},
    "applications": {"utils", "keraunos", "ops", "layers", "models"},
}
# What stands above the arrows: the public names themselves, and what is built of them.
ABOVE = {"keraunos", "callbacks", "cli", "config", "demo", "dtype_policies", "eras", "plots", "random"}

HEAVY = ("jax", "jaxlib", "optax", "h5py", "pandas", "polars", "matplotlib", "PIL", "scipy", "rich", "torch", "keras")

# Spellings of earlier generations that are no spelling of today. The eras table alone may know them.
OLD_WORDS = """
nb_\\w+ samples_per_epoch max_q_size pickle_safe show_accuracy sample_weight_mode
border_mode (image_)?dim_ordering subsample(_length)? pool_length filter_length kernel_dim[123] atrous_rate
[WbU]_(regularizer|constraint|learning_rate_multiplier) inner_(init|activation) forget_bias_init
dropout_[WU] consume_less (fit|evaluate|predict)_generator predict_(classes|proba) model_from_yaml
np_utils visualize_util get_output_shape_for cosine_proximity maxnorm nonneg unitnorm fmeasure matthews_correlation
TimeDistributedDense MaxoutDense Deconvolution[23]D AtrousConvolution[12]D ParametricSoftplus CuDNN(LSTM|GRU)
image_dim_format lr
""".split()
# Old names of arguments that are ordinary words elsewhere.
OLD_ARGUMENTS = {"init", "lr", "weights_init", "activity_l1", "activity_l2"}


def unit(module: str) -> str:
    """``keraunos.layers.core`` is in ``layers``; ``keraunos`` and its ``__main__`` are the public names."""
    parts = module.split(".")
    if len(parts) == 1 or parts[1] in ("__main__", "version"):
        return "keraunos"
    return "parts" if parts[1] in PARTS else parts[1]


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every module that a file imports, wherever in the file; types alone do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
                base = ".".join(
                    [*package.split(".")[: len(package.split(".")) - node.level + 1], *base.split(".")]
                ).strip(".")
            for alias in node.names:
                # `from keraunos import layers` imports a module, `from keraunos import Model` a public name.
                inner = f"{base}.{alias.name}"
                place = PACKAGE.parent / Path(*inner.split("."))
                yield node.lineno, inner if place.is_dir() or place.with_suffix(".py").is_file() else base


ALL_FILES = pytest.mark.parametrize("path", FILES, ids=name_of)


@ALL_FILES
def test_imports_follow_the_arrows(path):
    here = unit(name_of(path))
    assert here in ARROWS or here in ABOVE, f"keraunos/{here} has no place in the arrows: give it one in this test"
    for line, module in imports(path):
        there = unit(module)
        if module.split(".")[0] != "keraunos" or here == there or here in ABOVE:
            continue
        assert there in ARROWS[here], f"{path.relative_to(PACKAGE)}:{line}: {here} must not import {module}"


@ALL_FILES
def test_jax_is_imported_in_one_folder(path):
    if path.is_relative_to(PACKAGE / "backend" / "jax"):
        return
    for line, module in imports(path):
        assert module.split(".")[0] not in ("jax", "jaxlib", "optax"), f"{path.relative_to(PACKAGE)}:{line}: {module}"
        assert not module.startswith("keraunos.backend.jax"), f"{path.relative_to(PACKAGE)}:{line}: {module}"


@ALL_FILES
def test_no_word_of_an_earlier_generation(path):
    if path.is_relative_to(PACKAGE / "eras"):
        return
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(rf"(?<!\w)({'|'.join(OLD_WORDS)})(?!\w)", text):
        line = text.count("\n", 0, match.start()) + 1
        pytest.fail(f"{path.relative_to(PACKAGE)}:{line}: {match[0]!r} belongs in keraunos/eras")
    if path.is_relative_to(PACKAGE / "backend"):
        return  # `init` is what Keras 3 itself calls the start of a scan
    for node in ast.walk(ast.parse(text)):
        names = {node.arg} if isinstance(node, ast.arg) else set()
        if isinstance(node, ast.ClassDef):  # a field of a class is an argument of its constructor
            names = {ast.unparse(inner.target) for inner in node.body if isinstance(inner, ast.AnnAssign)}
        assert not names & OLD_ARGUMENTS, f"{path.relative_to(PACKAGE)}:{node.lineno}: {names & OLD_ARGUMENTS}"


@ALL_FILES
def test_a_module_says_what_it_is_for(path):
    sentence = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n\n")[0]
    assert sentence, f"{path.relative_to(PACKAGE)} has no docstring"
    assert sentence.rstrip()[-1] in ".:…", f"{path.relative_to(PACKAGE)}: {sentence!r} is no sentence"


@ALL_FILES
def test_nothing_is_half_done(path):
    text = path.read_text(encoding="utf-8")
    assert lines_of_code(text) < 800, "a file of this size is two files"
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)
    for node in ast.walk(ast.parse(text)):
        raised = node.exc if isinstance(node, ast.Raise) else None
        name = ast.unparse(raised.func if isinstance(raised, ast.Call) else raised) if raised else ""
        # An abstract method says that a subclass must have it; everywhere else it is work left undone.
        if name == "NotImplementedError":
            assert abstract(path, node.lineno), f"{path.relative_to(PACKAGE)}:{node.lineno}: NotImplementedError"


def lines_of_code(text: str) -> int:
    """Lines that are neither blank nor remarks nor docstrings, of which a page of formulas may have many."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    remarks = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    lines = enumerate(text.splitlines(), 1)
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") and n not in remarks for n, line in lines)


def abstract(path: Path, line: int) -> bool:
    functions = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.FunctionDef)]
    around = [f for f in functions if f.lineno <= line <= (f.end_lineno or line)]
    return any("abstract" in ast.unparse(decorator) for f in around for decorator in f.decorator_list)


def test_importing_keraunos_imports_nothing_heavy():
    code = (
        f"import sys, keraunos, keraunos.datasets, keraunos.backend\nprint(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
    assert result.stderr == ""


def test_the_package_is_marked_as_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_the_old_words_are_found_where_they_stand():
    pattern = re.compile(rf"(?<!\w)({'|'.join(OLD_WORDS)})(?!\w)")
    assert all(map(pattern.fullmatch, ["nb_epoch", "dim_ordering", "image_dim_ordering", "W_regularizer", "lr"]))
    assert not any(map(pattern.fullmatch, ["output_dim", "input_dim", "min_lr", "epochs", "strides", "units"]))


def test_a_warning_is_said_in_one_place_which_finds_the_users_line():
    said = [name_of(path) for path in FILES if re.search(r"warnings\.warn\(|stacklevel", path.read_text("utf-8"))]
    assert said == ["keraunos.utils.errors"]
