"""Which names a block of code needs, and which it binds, told from its text without running it."""

import ast
from collections.abc import Iterable, Iterator

from keraunos.eras.magics import parsed

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Names(ast.NodeVisitor):
    """What a block needs and binds at the level of the module.

    Attributes:
        needed: Names read while the block runs, before it binds them itself.
        later: Names read inside the bodies of functions, which are needed when these are called.
        bound: Names bound once the block has run.
        deleted: Names that ``del`` has unbound at its end.
        imported: For each name that an import binds, the statement that does so.
        star: Whether an ``import *`` binds names that nobody can know.

    >>> names = Names.of("import numpy as np\\ndef f(a): return a + b\\ny = [x for x in z]")
    >>> sorted(names.needed), sorted(names.later), sorted(names.bound)
    (['z'], ['b'], ['f', 'np', 'y'])
    """

    def __init__(self) -> None:
        self.needed: dict[str, int] = {}
        self.later: dict[str, int] = {}
        self.bound: set[str] = set()
        self.deleted: set[str] = set()
        self.imported: dict[str, str] = {}
        self.star = False
        self._scopes: list[set[str]] = []  # names of comprehensions, classes and functions around, the nearest last
        self._deferred = 0  # how many bodies of functions are around
        self._guarded = 0  # how many `try` that expect a NameError are around

    @classmethod
    def of(cls, source: str) -> "Names":
        """The names of a block.

        Raises:
            SyntaxError: The block is not Python.
        """
        names = cls()
        names.visit(parsed(source))
        return names

    # --- reading and binding ---

    def _read(self, name: str, line: int) -> None:
        if any(name in scope for scope in self._scopes) or (name in self.bound and not self._deferred):
            return
        (self.later if self._deferred or self._guarded else self.needed).setdefault(name, line)

    def _bind(self, name: str) -> None:
        if self._scopes:
            self._scopes[-1].add(name)
        else:
            self.bound.add(name)
            self.deleted.discard(name)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            return self._bind(node.id)
        self._read(node.id, node.lineno)
        if isinstance(node.ctx, ast.Del) and not self._scopes:
            self.bound.discard(node.id)
            self.deleted.add(node.id)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.star = True
                continue
            name = alias.asname or alias.name.partition(".")[0]
            self._bind(name)
            if not self._scopes:
                one = (
                    ast.Import([alias])
                    if isinstance(node, ast.Import)
                    else ast.ImportFrom(node.module, [alias], node.level)
                )
                self.imported.setdefault(name, ast.unparse(one))

    visit_Import = visit_ImportFrom = _import

    def visit_Assign(self, node: ast.Assign) -> None:
        self._all([node.value, *node.targets])

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id, node.lineno)
        self._all([node.value, node.target])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._all([node.annotation, node.value])
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        if not self._deferred:  # inside a comprehension, it binds outside
            self.bound.add(node.target.id)
        else:
            self._bind(node.target.id)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._loop([node.target, *node.body, *node.orelse])

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self._loop([node.test, *node.body, *node.orelse])

    def _loop(self, nodes: list[ast.AST]) -> None:
        # What the end of the body binds, its beginning may read in the next turn.
        for name in _stored(nodes):
            self._bind(name)
        self._all(nodes)

    def visit_Try(self, node: ast.Try) -> None:
        caught = {ast.unparse(handler.type) if handler.type else "" for handler in node.handlers}
        guards = any(not words or "NameError" in words or words == "Exception" for words in caught)
        self._guarded += guards
        self._all(node.body)
        self._guarded -= guards
        self._all([*node.handlers, *node.orelse, *node.finalbody])

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._bind(node.name)
        self.generic_visit(node)

    # --- scopes ---

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        arguments = node.args
        self._all([*arguments.defaults, *arguments.kw_defaults])
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        present = [argument for argument in every if argument is not None]
        body = node.body if isinstance(node.body, list) else [node.body]
        if not isinstance(node, ast.Lambda):
            self._all([*node.decorator_list, *(argument.annotation for argument in present), node.returns])
            self._bind(node.name)
        shared = {name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names}
        own = ({argument.arg for argument in present} | set(_stored(body))) - shared
        self.bound |= shared & set(_stored(body))  # `global x` binds x when the function is called
        self._scopes.append(own)
        self._deferred += 1
        self._all(body)
        self._deferred -= 1
        self._scopes.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._all([*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)])
        self._bind(node.name)
        self._scopes.append(set())
        self._all(node.body)
        self._scopes.pop()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self._scopes.append(set())
        for part in node.generators:
            self._all([part.iter, part.target, *part.ifs])
        self._all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self._scopes.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)


def _stored(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names that statements bind in their own scope."""
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif name := getattr(node, "name", None):  # functions, classes, `except ... as name`, `case ... as name`
            yield name
        if not isinstance(node, (*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef)):
            yield from _stored(ast.iter_child_nodes(node))
