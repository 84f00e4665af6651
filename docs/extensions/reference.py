"""The API reference: the public names of a module, in groups, each with the docstring that the code has.

A page says ```` ```{reference} keraunos.layers ```` where they shall stand. Names that older generations used are found
by no ``dir()`` of ours, and so are not listed.
"""

import builtins
import inspect
import pydoc
import re
import textwrap
from collections.abc import Iterable
from types import ModuleType
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

import keraunos
from keraunos.backend.engine import Engine

# In this order an object that several modules offer is described where it is met first.
MODULES = [
    "models", "layers", "activations", "initializers", "regularizers", "constraints", "losses", "metrics", "optimizers",
    "optimizers.schedules", "callbacks", "saving", "utils", "utils.errors", "plots", "datasets", "preprocessing", "applications",
    "ops", "random", "config", "dtype_policies",
]  # fmt: skip
# What one part of the library offers to another one.
INTERNAL = {
    "losses": {"as_loss", "built_in", "check_shapes", "computing_dtype", "is_row_wise", "reduce_weighted", "resolve"},
    "metrics": {"resolve"},
    "layers": {"LAYERS"},
}
# Methods without an underscore by which parts of the library speak with one another.
INTERNAL_METHODS = set(
    """
    adapt adapted_weight add_bias add_depthwise_kernel add_numbers apart applies_itself arguments aside axes batch_loss
    carries_nan channel_axis channels check check_channels check_count check_gaps check_masks combines computes_inputs
    coupled_in_prediction decays declared_outputs drop extend fed_names final_activations find finish get_counters has_call
    held holders improves in_order initial_scalar initial_slot initial_states input_bias is_deferred is_off keras_place kept
    later layout limited lookups merge named_variables noise normal operate over_time own_rows packable pair parts perform
    program_key project projected rate_and_count recurrent_bias release replace scalar_names scalars set_counters set_state
    setup shared_shape slot_groups slot_names slots state state_shapes step step_method stepping take_step track_loss uniform
    unlimited unpacked update_scalars valid watches_batches watches_epochs watches_progress
    """.split()
)
# Groups whose title is not the name of their file, and those that come first.
TITLES = {
    "base": "Base class", "layer": "Base class", "fscore": "F-scores", "iou": "Intersection over union",
    "of losses": "Losses as metrics", "local": "Local convolution", "separable": "Separable convolution",
    "transposed": "Transposed convolution", "products": "Products, convolutions and pooling",
    "convolutions made of one": "Products, convolutions and pooling", "reductions": "Reductions and order",
    "verbs": "Branches and gradients", "for networks": "Targets, losses and loops",
}  # fmt: skip
FIRST = ("Base class", "Core")
MANY = 30  # names, from which on a page has a group for each file
HEADING = re.compile(r" *# --- (.+?) -*$")
BLOCK = re.compile(r"^```\{reference\} (\S+)\n```$", re.MULTILINE)
# Stands for a colon; a character that no text has.
COLON = "\ue000"


class Entry(NamedTuple):
    """A public class or function, and the name under which it is described."""

    path: str
    value: Any

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


class Public:
    """What the modules offer: each object once, under the first of its names; and its other names."""

    def __init__(self) -> None:
        self.entries: dict[str, list[Entry]] = {}
        self.others: dict[str, list[tuple[str, str]]] = {}
        self._home: dict[int, str] = {}
        for name in [f"keraunos.{module}" for module in MODULES]:
            self._add(name, pydoc.locate(name))
        self._add("keraunos", keraunos)
        self.classes = {id(entry.value) for entries in self.entries.values() for entry in entries}

    def _add(self, path: str, module: ModuleType) -> None:
        if path in self.entries:
            return
        entries, others = self.entries.setdefault(path, []), self.others.setdefault(path, [])
        hidden = INTERNAL.get(path.rpartition(".")[2], set())
        found = {name: getattr(module, name) for name in names(module) if name not in hidden}
        # An object's own name comes before its other names.
        for name in sorted(found, key=lambda name: (getattr(found[name], "__name__", name) != name, name)):
            value = found[name]
            if isinstance(value, ModuleType):
                if module is not keraunos and value.__name__.startswith(module.__name__) and hasattr(value, "__all__"):
                    self._add(f"{path}.{name}", value)
            elif callable(value):
                if id(value) in self._home:
                    others.append((name, self._home[id(value)]))
                else:
                    self._home[id(value)] = f"{path}.{name}"
                    entries.append(Entry(f"{path}.{name}", value))


def names(module: ModuleType) -> list[str]:
    """The public names of a module."""
    return [name for name in getattr(module, "__all__", dir(module)) if not name.startswith("_")]


def groups(module: str, entries: list[Entry]) -> dict[str, list[Entry]]:
    """Entries by the file that they are written in, where they are many; else classes and functions.

    Operations stand under the headings of the engine's own list.
    """
    if module == "keraunos.ops":
        return _grouped((_heading(getattr(Engine, entry.name)), entry) for entry in entries)
    folder = f"{module}."
    files = {getattr(entry.value, "__module__", "") for entry in entries if inspect.isclass(entry.value)}
    if len(entries) >= MANY and len({file for file in files if file.startswith(folder)}) > 1:
        homes = [getattr(entry.value, "__module__", "") for entry in entries]
        return _grouped(
            (home.removeprefix(folder).split(".")[0] if home.startswith(folder) else "functions", entry)
            for home, entry in zip(homes, entries, strict=True)
        )
    classes = [entry for entry in entries if inspect.isclass(entry.value)]
    functions = [entry for entry in entries if not inspect.isclass(entry.value)]
    return {title: found for title, found in (("Classes", classes), ("Functions", functions)) if found}


def _grouped(named: Iterable[tuple[str, Entry]]) -> dict[str, list[Entry]]:
    """Entries by the title of their group: bases first, functions last."""
    found: dict[str, list[Entry]] = {}
    for name, entry in named:
        words = name.replace("_", " ")
        found.setdefault(TITLES.get(words, words.capitalize()), []).append(entry)
    for entries in found.values():
        entries.sort(key=lambda entry: entry.name)
    return dict(sorted(found.items(), key=lambda item: (item[0] not in FIRST, item[0] == "Functions", item[0])))


def _heading(function: Any) -> str:
    """The comment that begins the part of a file in which a function is written."""
    lines, line = inspect.findsource(function)
    before = (HEADING.match(text) for text in reversed(lines[:line]))
    return next((match[1].partition(",")[0] for match in before if match), "functions")


def members(cls: type, described: set[int]) -> list[str]:
    """Public methods and properties of a class with a docstring, but for those of a class that is described itself.

    What an era gave a class (``nb_epoch``'s like among methods) is written in another package, and left out.
    """
    taken = {name for base in cls.__mro__[1:] if id(base) in described for name in dir(base)} | INTERNAL_METHODS
    found = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("keraunos."):
            found.update({name: value for name, value in vars(base).items() if not name.startswith("_")})
    return sorted(name for name, value in found.items() if name not in taken and _described_member(value))


def _described_member(value: Any) -> bool:
    function = getattr(value, "fget", None) or getattr(value, "__func__", value)
    if inspect.isclass(value):
        return False
    ours = not getattr(function, "__module__", "").startswith("keraunos.eras")
    return ours and callable(function) and bool(function.__doc__)


def page(module: str, public: Public) -> str:
    """Markdown of a module: its docstring, a table of all names, and each name in full."""
    parts = [f"```{{eval-rst}}\n.. automodule:: {module}\n   :no-index:\n```"]
    if module == "keraunos":
        parts = []
    modules = [name for name in public.entries if name == module or name.startswith(f"{module}.")]
    if module == "keraunos":
        modules = [module]
    for name in modules:
        if name in {f"keraunos.{other}" for other in MODULES} and name != module:
            continue  # it has a page of its own
        for title, entries in groups(name, public.entries[name]).items():
            heading = title if name == module else f"{name.removeprefix(module + '.')}"
            parts += [f"## {heading}", "```{eval-rst}", _overview(entries)]
            parts += [_directive(entry, public.classes) for entry in entries] + ["```"]
    others = public.others[module]
    if others:
        listed = ", ".join(f"`{name}` ({{py:obj}}`{home.removeprefix('keraunos.')} <{home}>`)" for name, home in others)
        parts += ["## Other names", f"The same objects under further names: {listed}."]
    return "\n\n".join(parts) + "\n"


def _overview(entries: list[Entry]) -> str:
    """A table of the names and what each is, in a line."""
    rows = [f"   * - :py:obj:`{entry.name} <{entry.path}>`\n     - {_first_sentence(entry.value)}" for entry in entries]
    return ".. list-table::\n   :class: overview\n\n" + "\n".join(rows) + "\n"


def _first_sentence(value: Any) -> str:
    text = inspect.getdoc(value) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _directive(entry: Entry, described: set[int]) -> str:
    if not inspect.isclass(entry.value):
        return f".. autofunction:: {entry.path}\n"
    if entry.value.__name__ != entry.name:  # autodoc would say that it is another name of one that nobody can look up
        return f".. py:class:: {entry.path}\n\n" + textwrap.indent(inspect.getdoc(entry.value) or "", "   ") + "\n"
    own = members(entry.value, described)
    return f".. autoclass:: {entry.path}\n" + (f"   :members: {', '.join(own)}\n" if own else "")


def write(app: Sphinx, name: str, content: list[str]) -> None:
    """Put the names of a module in place of the line that asks for them."""
    if BLOCK.search(content[0]):
        if not hasattr(app, "public"):
            app.public = Public()  # type: ignore[attr-defined]
        content[0] = BLOCK.sub(lambda match: page(match[1], app.public), content[0])  # type: ignore[attr-defined]


def signature(app: Sphinx, what: str, name: str, value: Any, options: Any, shown: Any, result: Any) -> Any:
    """Arguments of a class whose constructor is made from its body, or checked before it runs."""
    if what not in ("class", "exception") or not inspect.isfunction(value.__init__):
        return None
    own = inspect.signature(value.__init__)
    given = [one.replace(annotation=one.empty) for one in list(own.parameters.values())[1:]]
    return str(own.replace(parameters=given, return_annotation=own.empty)), None


def hide_colons(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keep the colons of a property's docstring from Napoleon, which would take what is before one for a type."""
    if what == "property":
        lines[:] = [line.replace(":", COLON) for line in lines]


def show_colons(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Undo ``hide_colons``."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def resolve(app: Sphinx, env: Any, node: Any, content: Any) -> Any:
    """A link to what is named by its last word only, as docstrings do; built-in exceptions are named without one."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"].rpartition(".")[2]
    if target in vars(builtins):
        return content
    domain = env.get_domain("py")
    found = sorted(
        (name for name in domain.objects if name.rpartition(".")[2] == target), key=lambda name: (len(name), name)
    )
    if not found:
        return None
    place = domain.objects[found[0]]
    made = app.builder.get_relative_uri(node["refdoc"], place.docname) + "#" + place.node_id
    return nodes.reference("", "", content, internal=True, refuri=made)


def complete(app: Sphinx, env: Any) -> None:
    """Every public module has a page."""
    asked = "".join(path.read_text(encoding="utf-8") for path in (app.srcdir / "reference").glob("*.md"))
    pages = {module.removeprefix("keraunos.") for module in BLOCK.findall(asked)}
    for module in keraunos._MODULES:
        if module not in pages:
            logging.getLogger(__name__).warning("keraunos.%s has no page in docs/reference", module)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("source-read", write)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-process-docstring", hide_colons, priority=400)
    app.connect("autodoc-process-docstring", show_colons, priority=600)
    app.connect("missing-reference", resolve)
    app.connect("env-check-consistency", complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
