"""Protects the house: which room may import which, one way only, without circles."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODELS = ("convnet", "fastnet", "lenet", "mlp", "resnet", "softmax", "vit")
FLOORS = (  # a room may import those of lower floors, and of its own floor as long as there is no circle
    ("errors", "files", "prepare", "nn", "geometry", "optimizers", "schedules"),
    ("checkpoints", "config", "launch"),
    ("training",),
    (*MODELS, "runs", "resume"),
    ("loggers", "studies", "weights"),
    ("callbacks",),
    ("commands",),
)
GROUND_OF_DATA = {"errors", "files", "prepare"}  # all of zoo that data modules may use
FRONT = {"zoo", "zoo.classifier"}  # the front door, and the old name of one room


def modules(package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        words = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(words[:-1] if words[-1] == "__init__" else words), path


def imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it; `from zoo.runs import folder` counts as `zoo.runs.folder`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{each.name}" for each in node.names}
    return {name for name in found if name.partition(".")[0] in ("zoo", "datamodules", "cli")}


def room(module: str) -> str:
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "zoo" and rest else package


def arrows() -> dict[tuple[str, str], set[str]]:
    """Between rooms, with the files that draw them."""
    found: dict[tuple[str, str], set[str]] = {}
    for package in ("zoo", "datamodules"):
        for module, path in modules(package):
            for target in imported(path) if module not in FRONT else ():
                if room(module) != room(target):
                    found.setdefault((room(module), room(target)), set()).add(f"{module} -> {target}")
    return found


def test_rooms_import_lower_floors_only():
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    wrong = {
        str(sorted(files))
        for (here, there), files in arrows().items()
        if here != "datamodules" and not floor.get(there, len(FLOORS)) <= floor[here]
    }
    assert not wrong


def test_data_modules_use_the_ground_only_and_nothing_of_zoo_uses_them():
    for (here, there), files in arrows().items():
        assert there not in ("datamodules", "cli"), files
        assert here != "datamodules" or there in GROUND_OF_DATA, files


def test_there_are_no_circles():
    graph: dict[str, set[str]] = {}
    for here, there in arrows():
        graph.setdefault(here, set()).add(there)
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_every_room_has_its_floor():
    rooms = {room(module) for module, _ in modules("zoo") if module not in FRONT}
    assert rooms <= {name for names in FLOORS for name in names}
