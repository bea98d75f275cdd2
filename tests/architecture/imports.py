"""Which module imports which, read from the source: also inside functions, also by `import_module`."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "assay"


@dataclass(frozen=True, slots=True)
class Import:
    """One import: in which module and line, of what, and whether it runs when the module is loaded."""

    importer: str
    imported: str
    line: int
    at_load: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def imports_below(root: Path, name: str = PACKAGE) -> list[Import]:
    """Every import in the package whose folder is `root`; files in `templates` are text for others to fill in."""
    inside = [file for file in sorted(root.rglob("*.py")) if "templates" not in file.relative_to(root).parts]
    files = {".".join([name, *_parts(file.relative_to(root))]): file for file in inside}
    return [found for module, file in files.items() for found in imports_of(file, module, set(files))]


def imports_of(file: Path, module: str, modules: set[str] = frozenset()) -> Iterator[Import]:  # type: ignore[assignment]
    """The imports of one file; `modules` tells an imported module from an imported name."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node, at_load in _walk(ast.parse(file.read_text(), str(file)), at_load=True):
        for target in _targets(node, package, modules):
            yield Import(module, target, node.lineno, at_load)  # type: ignore[attr-defined]


def _walk(node: ast.AST, *, at_load: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _for_types_only(child)
        yield child, at_load
        yield from _walk(child, at_load=at_load and not deferred)


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _targets(node: ast.AST, package: str, modules: set[str]) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            base = _absolute(module or "", package, level)
            return [f"{base}.{n.name}" if f"{base}.{n.name}" in modules else base for n in names]
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]):
            return [name] if called in ("import_module", "__import__") else []
    return []


def _absolute(module: str, package: str, level: int) -> str:
    if level == 0:
        return module
    anchor = package.split(".")[: len(package.split(".")) - level + 1]
    return ".".join([*anchor, *filter(None, [module])])


def _parts(relative: Path) -> list[str]:
    parts = list(relative.with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts
