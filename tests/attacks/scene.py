"""The place of an attack: an untrusted run folder, and around it the user's own files.

    stage/run/…      the untrusted run folder; may change
    stage/alone/…    a checkpoint without its run
    stage/home/…     the user's own files; must not change, and `canary` must never appear

An attack is a function that spoils the scene. It asks `either(hostile, benign)` for each hostile part, so that the same
construction makes the benign twin, which must work.
"""

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from zoo.checkpoints.storage import COMMENT, MARK, serialised
from zoo.runs.folder import RunFolder

PLANTED = "planted here"
MODULE = "canary_module"  # lies on sys.path; its import makes the canary appear


class Scene:
    """One attack or its twin, before the command.

    Args:
        stage: an empty folder for it.
        honest: the folder of an honest run, which is copied.
        hostile: the attack, or its benign twin.
    """

    def __init__(self, stage: Path, honest: RunFolder, hostile: bool) -> None:
        self.hostile = hostile
        self.run, self.home = RunFolder(stage / "run"), stage / "home"
        self.alone = stage / "alone" / "model.ckpt"
        for folder in (self.run.checkpoints, self.home, self.alone.parent):
            folder.mkdir(parents=True)
        for path in honest.path.rglob("*"):
            if path.is_file():
                (self.run.path / path.relative_to(honest.path)).write_bytes(path.read_bytes())
        self.thesis = self.home / "thesis.ckpt"
        self.thesis.write_bytes(b"the work of a year")
        self.canary = self.home / "canary"
        (self.home / f"{MODULE}.py").write_text(f"open({str(self.canary)!r}, 'w')\n")
        self.honest = honest.last.read_bytes()
        self.content: dict[str, Any] = torch.load(io.BytesIO(self.honest), weights_only=True)
        self.ckpt_path = str(self.alone)  # of the verb `alone`
        self.environment: dict[str, str] = {}
        self.flags: list[str] = []
        self.write(self.honest)

    def either(self, hostile: Any, benign: Any = None) -> Any:
        return hostile if self.hostile else benign

    def write(self, raw: bytes) -> None:
        """Puts a file where the commands look for the checkpoint."""
        for path in (self.run.last, self.alone):
            path.write_bytes(raw)

    def save(self) -> None:
        """Puts the content there, with a sum that is right."""
        self.write(serialised(self.content))

    def plant(self, hostile: bytes, benign: bytes = b"]") -> None:
        """Puts the instructions of a pickle, which make one value, among the settings of the model."""
        self.content["hyper_parameters"]["hidden"] = PLANTED
        text = b"X" + len(PLANTED).to_bytes(4, "little") + PLANTED.encode()
        made = hostile if self.hostile else benign

        def edit(members: dict[str, bytes]) -> None:
            name = next(name for name in members if name.endswith("data.pkl"))
            assert members[name].count(text) == 1
            members[name] = members[name].replace(text, made)

        self.write(rewritten(serialised(self.content), edit))

    def configure(self, text: str) -> None:
        """Adds lines to the config.yaml of the run."""
        with self.run.config.open("a") as file:
            file.write(text)

    def add_callback(self, name: str, **settings: Any) -> None:
        """Adds one of Lightning's callbacks to the config.yaml of the run."""
        lines = [f"  - class_path: lightning.pytorch.callbacks.{name}", "    init_args:"]
        lines += [f"      {key}: {value}" for key, value in settings.items()]
        text = self.run.config.read_text()
        assert "callbacks: null" in text
        self.run.config.write_text(text.replace("callbacks: null", "\n".join(["callbacks:", *lines])))

    def words(self, verb: str) -> list[str]:
        """The command that meets the attack.

        Args:
            verb: one of Lightning's, with --run_dir; or `alone`, a test of a checkpoint without its run; `beside`,
                predictions by a checkpoint of which the run is found; `unlabelled`, predictions without a run;
                `take`, the card of the run's weights, without Lightning.
        """
        fresh = [
            "--data",
            "Digits",
            "--data.train_size",
            "64",
            "--data.val_size",
            "32",
            "--model",
            "MLP",
            "--model.hidden",
            "[8]",
        ]
        if verb == "alone":
            return ["test", *fresh, "--trainer.accelerator", "cpu", "--ckpt_path", self.ckpt_path, *self.flags]
        if verb == "take":
            return ["weights", "show", str(self.run.path)]
        if verb == "beside":
            return ["predict", "--ckpt_path", str(self.run.last)]
        if verb == "unlabelled":
            return ["predict", *fresh, "--trainer.accelerator", "cpu", "--ckpt_path", self.ckpt_path, *self.flags]
        more = (
            ["--resume", "must", "--trainer.max_epochs", "3", "--resume_schedule", "stretch"] if verb == "fit" else []
        )
        return [verb, "--run_dir", str(self.run.path), *more, *self.flags]


def rewritten(raw: bytes, edit: Callable[[dict[str, bytes]], None]) -> bytes:
    """The same archive with other members."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    edit(members)
    return zipped(members)


def zipped(members: dict[str, bytes], change: Callable[[zipfile.ZipFile], None] = lambda archive: None) -> bytes:
    """An archive as torch writes it, with a sum that is right; `change` may spoil its directory."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        change(archive)
    return summed(out.getvalue())


def summed(archive: bytes) -> bytes:
    """An archive with its sum as its comment: who writes a file can write its sum."""
    commented = archive[:-2] + COMMENT.to_bytes(2, "little")
    return commented + MARK + hashlib.sha256(commented).hexdigest().encode()


def members_of(raw: bytes) -> dict[str, bytes]:
    """The members of an archive."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
