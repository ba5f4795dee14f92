"""Is the house in order? Rooms and what they import, sizes, names: aims to judge by eye. A test asserts the law only.

    python scripts/house.py        (make house)

the files of zoo/, datamodules/, scripts/ and cli.py  ->  a table: what is counted, the aim, what is, where most
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
# a room may import those of lower floors, and of its own floor as long as there is no circle
FLOORS = (
    ("errors", "files", "prepare", "nn", "geometry", "optimizers", "schedules"),
    ("checkpoints", "config", "launch"),
    ("training",),
    ("models", "runs", "resume"),
    ("loggers", "studies", "weights"),
    ("callbacks",),
    ("zoo",),  # the front door, which knows the models by name
    ("commands",),
)
GROUND = {name for names in FLOORS for name in names} - {"models", "zoo"}  # what is no room of these is a model
GROUND_OF_DATA = {"errors", "files", "prepare"}  # all of zoo that data modules may use
FRONT = {"zoo", "zoo.classifier"}  # the front door, and the old name of one room
FOREIGN = ("lightning", "torch", "jsonargparse", "torchmetrics", "torchvision")
OF_TUPLES = ("_asdict", "_replace", "_fields")  # of named tuples, and documented
DOCUMENTED = ("_python_dispatch",)  # the module of TorchDispatchMode, which torch's notes on extending it tell to use
PRIVATE_PLACES = {"zoo.training.lightning_compat", "zoo.config.parser"}  # where such names may stand
BY_TEXT = ("getattr", "setattr", "hasattr", "delattr", "demand")
PROTOCOLS = {  # what each file of a folder has
    "zoo.commands.verbs.": ("run", "parser"),
    "datamodules.formats.": ("sniff", "read", "part"),
}
FROZEN = (
    "zoo",
    "zoo/studies",
    "datamodules",
    "zoo/commands/verbs",
)  # folders whose names stand in files, or hold a file a verb


class Line(NamedTuple):
    """One line of the table."""

    what: str
    aim: str
    found: str
    worst: str


def modules(*folders: str) -> Iterator[tuple[str, Path]]:
    """Name and file of each module below some folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            words = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(words[:-1] if words[-1] == "__init__" else words), path


def imported(path: Path) -> set[str]:
    """What a file imports, wherever in it; `from zoo.runs import folder` counts as `zoo.runs.folder`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{each.name}" for each in node.names}
    return found


def room(module: str) -> str:
    """The room of a module: a package or file of the ground by its name, a file of a model as one of them."""
    package, _, rest = module.partition(".")
    name = rest.partition(".")[0]
    if package != "zoo" or not rest:
        return package
    if name in GROUND or (ROOT / "zoo" / name).is_dir():
        return name
    return "models" if (ROOT / "zoo" / f"{name}.py").exists() else "zoo"


def arrows() -> dict[tuple[str, str], set[str]]:
    """From room to room, with the imports that make them."""
    found: dict[tuple[str, str], set[str]] = {}
    for module, path in modules("zoo", "datamodules"):
        for target in imported(path) if module not in FRONT else ():
            if target.partition(".")[0] in ("zoo", "datamodules", "cli") and room(module) != room(target):
                found.setdefault((room(module), room(target)), set()).add(f"{module} -> {target}")
    return found


def upward() -> list[str]:
    """The imports that the law forbids."""
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    wrong = []
    for (here, there), imports in arrows().items():
        if here == "datamodules":
            allowed = there in GROUND_OF_DATA
        else:
            allowed = here in floor and floor.get(there, len(FLOORS)) <= floor[here]
        wrong += [] if allowed else sorted(imports)
    return wrong


def circle() -> list[str]:
    """Rooms that import each other in a circle; none if there is none."""
    graph: dict[str, set[str]] = {}
    for here, there in arrows():
        graph.setdefault(here, set()).add(there)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def sizes(kind: type | tuple[type, ...]) -> Counter[str]:
    """Lines of each class, or function, of the product."""
    found: Counter[str] = Counter()
    for module, path in product():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kind):
                found[f"{module}.{node.name}"] = (node.end_lineno or 0) - node.lineno + 1  # type: ignore[attr-defined]
    return found


def product() -> Iterator[tuple[str, Path]]:
    """The modules that are installed."""
    yield from modules("zoo", "datamodules")
    yield "cli", ROOT / "cli.py"


def private_names() -> dict[str, set[str]]:
    """Names that libraries keep to themselves, or that are overwritten in them, with the modules that use them.

    Also those that stand in texts, as in `getattr(parser, "_actions")`; and methods of our classes with an underscore
    that nobody here calls: the library does, in the place of its own.
    """
    found: dict[str, set[str]] = {}
    own, called, methods = own_names()
    for module, path in product():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [name for name in (*names_used(node), *names_overwritten(node)) if name not in own]
            if isinstance(node, ast.FunctionDef) and node.name in methods - called:
                names.append(node.name)
            for name in names:
                found.setdefault(name, set()).add(module)
    return found


def is_private(name: str) -> bool:
    """Whether a name has an underscore at its beginning that says so."""
    return name.startswith("_") and not name.startswith("__") and name not in ("_", *OF_TUPLES)


def own_names() -> tuple[set[str], set[str], set[str]]:
    """Names that are ours; those of them that are used, but for `super()`; and the private methods of classes."""
    own: set[str] = set()
    called: set[str] = set()
    methods: set[str] = set()
    for _, path in product():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.Attribute):
                of_self = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
                if of_self and isinstance(node.ctx, ast.Store):
                    own.add(node.attr)
                elif not (isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()"):
                    called.add(node.attr)
            elif isinstance(node, ast.Name):
                (own if isinstance(node.ctx, ast.Store) else called).add(node.id)
            if isinstance(node, ast.ClassDef):
                methods |= {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    return own, called, {name for name in methods if is_private(name)}


def names_used(node: ast.AST) -> Iterator[str]:
    """Private names in a piece of code."""
    if isinstance(node, ast.Attribute) and is_private(node.attr):
        if not (isinstance(node.value, ast.Name) and node.value.id in sys.stdlib_module_names):
            yield node.attr
    elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in FOREIGN:
        parts = [*(each.name for each in node.names), *(node.module or "").split(".")]
        yield from (part for part in parts if is_private(part) and part not in DOCUMENTED)
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in BY_TEXT and len(node.args) > 1:
        text = node.args[1]
        if isinstance(text, ast.JoinedStr):
            text = text.values[0]
        if isinstance(text, ast.Constant) and is_private(str(text.value)):
            yield str(text.value)


def names_overwritten(node: ast.AST) -> Iterator[str]:
    """Methods of others that get another function, or none, in a piece of code; and what a signature is changed by."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Attribute) and (
                isinstance(node.value, ast.Lambda) or target.attr in ("__defaults__", "__annotations__")
            ):
                yield target.attr
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "setattr":
        owner, name = node.args[0], node.args[1]
        if not isinstance(name, ast.Constant) and not (isinstance(owner, ast.Name) and owner.id == "sys"):
            yield f"setattr({ast.unparse(owner)}, …)"


def path_edits() -> list[str]:
    """The modules that change where Python looks for others."""
    found = []
    for module, path in [*product(), *modules("scripts")]:
        edits = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute) and n.attr == "path"]
        if any(isinstance(edit.value, ast.Name) and edit.value.id == "sys" for edit in edits):
            found.append(module)
    return found


def locale_texts() -> list[str]:
    """Where the product reads or writes text in the encoding of the locale, which another machine may not have."""
    found = []
    for module, path in product():
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if (name := node.func.attr) not in ("open", "read_text", "write_text"):
                continue
            words = [each.value if isinstance(each, ast.Constant) else None for each in node.args]
            of_bytes = name == "open" and any(
                "b" in word if isinstance(word, str) else True for word in words
            )  # or of no file
            if not of_bytes and not any(keyword.arg == "encoding" for keyword in node.keywords):
                found.append(f"{module}:{node.lineno}")
    return found


def same_names() -> dict[str, set[str]]:
    """Functions and classes at the top of several files, without those that Python or the form of a verb asks for."""
    found: dict[str, set[str]] = {}
    for module, path in product():
        for node in ast.parse(path.read_text()).body:
            asked_for = next((names for start, names in PROTOCOLS.items() if module.startswith(start)), ())
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name not in (*asked_for, "__getattr__"):
                found.setdefault(node.name, set()).add(module)
    return {name: places for name, places in found.items() if len(places) > 1}


def lines_of(paths: Iterator[tuple[str, Path]]) -> Counter[str]:
    """Lines of each file."""
    return Counter({module: len(path.read_text().splitlines()) for module, path in paths})


def table() -> list[Line]:
    """All that is counted."""
    files = lines_of(product())
    folders = Counter(str(path.parent.relative_to(ROOT)) for _, path in product() if path.name != "__init__.py")
    wide = Counter({name: count for name, count in folders.items() if name not in FROZEN})
    classes, functions = sizes(ast.ClassDef), sizes(ast.FunctionDef)
    private, same = private_names(), same_names()
    above = upward()

    def most(counts: Counter[str]) -> tuple[str, str]:
        name, count = counts.most_common(1)[0]
        return str(count), name

    return [
        Line("arrows up", "0", str(len(above)), ", ".join(above[:2])),
        Line("rooms in a circle", "0", str(len(circle())), " -> ".join(circle())),
        Line("lines of the product", "11,000", f"{files.total():,}", ""),
        Line("lines of scripts", "4,000", f"{lines_of(modules('scripts')).total():,}", ""),
        Line("files in a folder", "10", *most(wide)),
        Line("lines of a file", "280", *most(files)),
        Line("lines of a class", "150", *most(classes)),
        Line("lines of a function", "40", *most(functions)),
        Line("private names of libraries", "12", str(len(private)), ", ".join(sorted(private)[:4])),
        Line("files that use them", "2", str(len({each for places in private.values() for each in places})), ""),
        Line("same name at the top of several files", "15", str(len(same)), ", ".join(sorted(same)[:6])),
        Line("files that edit sys.path", "0", str(len(path_edits())), ", ".join(path_edits())),
        Line("README, KB", "8", f"{(ROOT / 'README.md').stat().st_size / 1000:.1f}", ""),
    ]


def main() -> None:
    """Prints the table."""
    lines = [Line("what", "aim", "is", "worst"), *table()]
    for line in lines:
        print(f"{line.what:38} {line.aim:>7} {line.found:>7}  {line.worst}")


if __name__ == "__main__":
    main()
