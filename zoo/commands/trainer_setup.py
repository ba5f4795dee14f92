"""What the trainer gets besides what was asked for."""

from typing import Any

from zoo.loggers.wandb.connection import class_path_of


def without_repeats(named: Any) -> Any:
    """The value of `--trainer.logger` or `--trainer.callbacks` without what is there twice.

    A run that goes on has them in its config.yaml, and may be given the same files again. Of the zoo's own each class
    stays once, as it was named last; of the others, which may be several of a kind, those that are equal.
    """
    if not isinstance(named, list):
        return named
    last = {class_path_of(each): i for i, each in enumerate(named)}
    return [
        each
        for i, each in enumerate(named)
        if (last[class_path_of(each)] == i if class_path_of(each).startswith("zoo.") else each not in named[:i])
    ]
