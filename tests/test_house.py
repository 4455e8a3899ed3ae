"""The rule of the house, read from the imports: which room may use which."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mgdm_audio"
SIBLINGS = {"engine", "networks", "audio"}
NEVER_IMPORTED = {"training", "evaluation", "cli"}
ENGINE_DEPENDENCIES = {"torch", "einops"}
STANDARD = {"__future__", "collections", "copy", "dataclasses", "functools", "itertools", "math"}
STANDARD |= {"typing"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> set[str]:
    """Absolute dotted names of everything a file imports, inside functions too."""
    package = ["mgdm_audio", *path.relative_to(PACKAGE).parts[:-1]]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            found |= {".".join([*base, alias.name]) for alias in node.names}
    return found


def rooms(path: Path) -> set[str]:
    """Rooms of the package that a file imports."""
    own = (name.split(".") for name in imports(path) if name.startswith("mgdm_audio."))
    return {parts[1] for parts in own}


FILES = sorted(path for path in PACKAGE.rglob("*.py") if "priors" not in path.parts)


def test_the_package_is_found():
    assert {"engine", "networks"} <= {room_of(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_keeps_the_rule(path):
    room = room_of(path)
    used = rooms(path)
    if room in SIBLINGS:
        assert not used & (SIBLINGS - {room}), f"{room} imports a sibling"
        assert not used & {"pretrained", "separator"}, f"{room} looks upward"
    # `__main__` files are entry points, and a room may of course use itself.
    assert not used & (NEVER_IMPORTED - {room}) or path.name == "__main__.py"


@pytest.mark.parametrize(
    "path", [path for path in FILES if room_of(path) == "engine"], ids=lambda path: path.stem
)
def test_engine_needs_torch_only(path):
    outside = {name.split(".")[0] for name in imports(path)} - {"mgdm_audio"}
    assert outside <= ENGINE_DEPENDENCIES | STANDARD


def test_relative_imports_are_resolved():
    sampler = PACKAGE / "engine" / "samplers" / "mgdm.py"
    assert any(name.startswith("mgdm_audio.engine.bridge") for name in imports(sampler))
