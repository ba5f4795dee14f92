"""Protects what is installed: the locked packages with their hashes, and none of those known to be malicious."""

import os
import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = {"small-image-zoo", "pip"}  # not from the lock: this project, and what installs it


def locked() -> dict[str, str]:
    """Name and version of each package of the lock that this Python on this system needs."""
    found: dict[str, str] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            requirement = Requirement(line.rstrip("\\ "))
            if requirement.marker is None or requirement.marker.evaluate():
                found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


@pytest.mark.skipif("ZOO_LOCKED" not in os.environ, reason="not an environment made by `make install`")
def test_what_is_installed_is_what_is_locked():
    installed = {canonicalize_name(part.metadata["Name"]): part.version for part in distributions()}
    assert {name: version for name, version in installed.items() if name not in OURS} == locked()


def test_every_package_of_the_lock_has_a_hash():
    blocks = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text())
    packages = [block for block in blocks if "==" in block.splitlines()[0]]
    assert len(packages) > 50
    assert not [block.splitlines()[0] for block in packages if "--hash=sha256:" not in block]


@pytest.mark.parametrize("version", ["2.6.2", "2.6.3"])
def test_the_malicious_versions_of_lightning_are_excluded_by_name(version):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (lightning,) = [r for r in map(Requirement, project["dependencies"]) if r.name == "lightning"]
    assert f"!={version}" in {str(part) for part in lightning.specifier}
    assert not lightning.specifier.contains(version)
    assert locked()["lightning"] != version


@pytest.mark.parametrize(("name", "floor"), [("lightning", "2.6.6"), ("torch", "2.11"), ("jsonargparse", "4.53")])
def test_versions_with_known_holes_are_out(name, floor):
    """Code from checkpoints (Lightning below 2.6.6, torch below 2.10), configs without an allow list (jsonargparse)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (requirement,) = [r for r in map(Requirement, project["dependencies"]) if r.name == name]
    assert f">={floor}" in {str(part) for part in requirement.specifier}
