"""Attacks by the settings of the model: classes to be built that nobody has allowed."""

from typing import Any

import torch

from attacks.checkpoints.corpus import attack
from attacks.scene import MODULE, Scene


@attack("test", inert=True)
def an_instantiator(scene: Scene) -> None:
    """Names a function that Lightning once imported and called; the command calls none."""
    scene.content["hyper_parameters"]["_instantiator"] = scene.either(f"{MODULE}.thing", "zoo")
    scene.save()


def setting(scene: Scene, name: str, value: Any) -> None:
    """Changes a setting of the model."""
    settings = scene.content["hyper_parameters"]
    settings[name] = scene.either(value, settings[name])
    scene.save()


@attack("load")
def a_foreign_instantiator(scene: Scene) -> None:
    """Names a function of another module to build the model with."""
    setting(scene, "_instantiator", f"{MODULE}.thing")


@attack("load")
def a_list_of_instantiators(scene: Scene) -> None:
    """Names it in a list, past a check for strings."""
    setting(scene, "_instantiator", [f"{MODULE}.thing"])


@attack("load")
def a_foreign_class(scene: Scene) -> None:
    """Names a class of another module for the model."""
    setting(scene, "_class_path", f"{MODULE}.Thing")


@attack("load")
def a_foreign_optimiser(scene: Scene) -> None:
    """Names a class of another module for the optimiser, which the parser would import."""
    setting(scene, "optimizer", {"class_path": f"{MODULE}.Thing", "init_args": {}})


@attack("load")
def an_activation_by_its_path(scene: Scene) -> None:
    """Names a function of another module without saying `class_path`."""
    setting(scene, "activation", f"{MODULE}.thing")


@attack("load")
def a_process_for_an_activation(scene: Scene) -> None:
    """Has a process started for each layer."""
    setting(scene, "activation", {"class_path": "subprocess.Popen", "init_args": {"args": [f"touch {scene.canary}"]}})


@attack("load")
def yaml_in_a_text(scene: Scene) -> None:
    """Writes the class of a schedule as a line of yaml, which the parser would read."""
    setting(scene, "schedule", f"class_path: {MODULE}.Thing")


@attack("test load")
def settings_that_are_no_dict(scene: Scene) -> None:
    """Has a list for the settings."""
    scene.content["hyper_parameters"] = scene.either(["x"], scene.content["hyper_parameters"])
    scene.save()


@attack("test")
def tensors_for_settings(scene: Scene) -> None:
    """Has tensors where numbers are compared."""
    setting(scene, "optimizer", {"class_path": torch.zeros(3)})
