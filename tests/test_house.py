"""The rooms of the package import one another only as the design allows."""

import ast
from pathlib import Path

import pytest

import mgdm_audio

PACKAGE = Path(mgdm_audio.__file__).parent
LEAVES = {"engine": set(), "networks": set(), "audio": {"errors"}}
NOBODY_IMPORTS = {"training", "evaluation", "cli"}


def rooms_imported(path: Path) -> set[str]:
    """Names directly below the package that a module imports."""
    found = set()
    package = ("mgdm_audio", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {n.split(".")[1] for n in names if n.startswith("mgdm_audio.")}
    return found


def modules_outside(rooms: set[str]):
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room not in rooms:
            yield path, room


@pytest.mark.parametrize("room", sorted(LEAVES))
def test_leaves_import_no_other_room(room):
    modules = sorted((PACKAGE / room).rglob("*.py"))
    assert modules
    for path in modules:
        assert rooms_imported(path) <= {room} | LEAVES[room], path


def test_nothing_imports_training_evaluation_or_the_command():
    for path, _ in modules_outside(NOBODY_IMPORTS):
        assert not rooms_imported(path) & NOBODY_IMPORTS, path


def test_the_reader_of_imports_sees_them():
    assert {"audio", "engine", "settings"} <= rooms_imported(PACKAGE / "pipeline.py")
    assert "errors" in rooms_imported(PACKAGE / "audio" / "files.py")
