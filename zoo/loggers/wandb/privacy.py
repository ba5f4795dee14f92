"""What a run tells Weights & Biases of its machine and its user: one switch for all of it.

    minimal   numbers, settings without paths, names of classes, curves and confusion matrix
    normal    besides: paths in settings, pictures of mistaken images, commit, device, versions, load of the machine
    full      besides: host, program and its arguments, git remote and diff, packages, console: all that W&B can find

Never without being asked for: weights (`checkpoint: true`). At no level: the key.
"""

from pathlib import Path, PureWindowsPath
from typing import Any, Literal

Privacy = Literal["minimal", "normal", "full"]

# W&B's names for what it would collect by itself
SILENT: dict[str, Any] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,  # the remote's address, and a diff of what is not committed
    "x_save_requirements": False,
    "x_disable_meta": True,  # program, arguments, folders, Python's path
    "label_disable": True,
    "host": "",
    "program": "",
    "username": "",
    "email": "",
}
WITHHELD: dict[Privacy, dict[str, Any]] = {
    "minimal": {**SILENT, "x_disable_machine_info": True, "x_disable_stats": True},
    "normal": SILENT,
    "full": {},
}
PATHS = {"root", "path", "dir", "save_dir", "default_root_dir", "dirpath", "log_dir"}  # names of settings that hold one
# pictures without images of the data
SHOWN = {"curves", "confusion", "gradient_norm", "update_ratio", "saturation", "dead_units", "gap"}
OF_MACHINE = ("git_commit", "device", "versions")  # of result.json


def shared_settings(value: Any, privacy: Privacy, name: str = "") -> Any:
    """A configuration as it may be sent: with `minimal`, paths are replaced by the word `withheld`."""
    if privacy != "minimal":
        return value
    if isinstance(value, dict):
        return {key: shared_settings(item, privacy, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shared_settings(item, privacy, name) for item in value]
    return "withheld" if isinstance(value, str) and (name in PATHS or is_path(value)) else value


def is_path(text: str) -> bool:
    """Whether a text leads somewhere on this machine: from its root, its user's folder, or upwards."""
    return Path(text).is_absolute() or PureWindowsPath(text).drive != "" or text.startswith(("~", ".", "$"))


def may_show(picture: str, privacy: Privacy) -> bool:
    """Whether a picture of this name may be sent."""
    return privacy != "minimal" or picture in SHOWN
