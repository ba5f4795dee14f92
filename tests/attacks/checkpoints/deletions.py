"""Attacks that have Lightning delete something: it deletes the file that a state calls the best so far."""

from pathlib import Path

import torch

from attacks.checkpoints.corpus import attack
from attacks.scene import Scene


def checkpoints_of_lightning(scene: Scene, folder: Path, best: str) -> None:
    """A run with Lightning's ModelCheckpoint, which deletes the file that its state calls the best so far."""
    key = {"monitor": None, "mode": "min", "every_n_train_steps": 0, "every_n_epochs": 1, "train_time_interval": None}
    scene.add_callback("ModelCheckpoint", dirpath=folder)
    names = ("best_model_path", "kth_best_model_path", "last_model_path")
    scene.content["callbacks"][f"ModelCheckpoint{key!r}"] = {
        **{
            "monitor": None,
            "best_model_score": None,
            "current_score": None,
            "dirpath": str(folder),
            "kth_value": torch.tensor(1.0),
        },
        **dict.fromkeys(names, scene.either(best, "")),
        "best_k_models": {scene.either(best, "x"): torch.tensor(1.0)} if scene.hostile else {},
    }
    scene.save()


@attack("fit", inert=True)
def a_file_to_delete(scene: Scene) -> None:
    """Names a file of the user's as the best checkpoint so far, in a folder that config.yaml names."""
    (scene.run.path / "kept").mkdir()
    (scene.run.path / "kept" / "thesis").symlink_to(scene.home)
    checkpoints_of_lightning(scene, scene.run.path / "kept", str(scene.run.path / "kept" / "thesis" / "thesis.ckpt"))


@attack("fit", inert=True)
def a_folder_to_delete(scene: Scene) -> None:
    """Names a whole folder of the run as the best checkpoint so far; Lightning deletes with all that is inside."""
    kept = scene.run.path / "kept"
    (kept / "notes").mkdir(parents=True)
    (kept / "notes" / "thesis.txt").write_text("the work of a year")
    checkpoints_of_lightning(scene, kept, str(kept / "notes"))


@attack("fit")
def a_way_out_of_the_folder(scene: Scene) -> None:
    """Names that file by a path that begins in the folder."""
    checkpoints_of_lightning(scene, scene.run.path / "kept", str(scene.run.path / "kept" / ".." / ".." / "home"))


@attack("fit")
def an_address_to_delete(scene: Scene) -> None:
    """Names it by an address, under which Lightning deletes without a look at the folder."""
    checkpoints_of_lightning(scene, scene.run.path / "kept", f"dir::{scene.home}")


@attack("fit")
def a_plugin_of_its_own(scene: Scene) -> None:
    """Asks in config.yaml for Lightning's way to read and delete checkpoints in place of the zoo's."""
    text = scene.run.config.read_text()
    plugin = "plugins:\n  - class_path: lightning.pytorch.plugins.io.TorchCheckpointIO"
    scene.run.config.write_text(text.replace("plugins: null", scene.either(plugin, "plugins: null")))
