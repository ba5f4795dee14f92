"""A module that no configuration may import: whoever does, leaves a mark in the current folder."""

from pathlib import Path

import zoo

Path("CANARY").write_text("imported")


class Model(zoo.MLP):
    """A model of the user's own, once they say that they trust it."""


def boom(*args: object, **kwargs: object) -> None:
    Path("CANARY").write_text("called")
