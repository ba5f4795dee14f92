"""Is a run that goes on still the same experiment? Changes that make it another are refused in one line.

--data.normalize none, on a run trained with standard  ->  settings in --data.normalize: expected …, found …. Try: …
"""

from collections.abc import Iterable
from pathlib import Path

from zoo.errors import UsageError
from zoo.resume.identity.changes import Change, display_name, format_setting, is_flag
from zoo.resume.identity.rules import ANOTHER, LENGTH


def check_same_experiment(changes: Iterable[Change], run: Path, *, stretch: bool = False) -> None:
    """Raises UsageError if some of the changes make another experiment, naming each key with both values.

    Args:
        changes: all there are.
        run: the run's folder or checkpoint.
        stretch: whether the learning rate may be laid out over another length.
    """
    wrong = [change for change in changes if change.kind == ANOTHER or (change.kind == LENGTH and not stretch)]
    if not wrong:
        return
    expected, found = (
        ", ".join(f"{display_name(c.key)} {format_setting(getattr(c, side))}" for c in wrong)
        for side in ("then", "now")
    )
    names = ", ".join(display_name(change.key) for change in wrong)
    if all(change.kind == LENGTH for change in wrong):
        raise UsageError(
            f"length in {names}: expected {expected}, over which the schedule of the run in {run} is laid out,"
            f" found {found}. Try: {expected}, or --resume_schedule stretch, which lays it out over the new length"
        )
    flags = [change for change in wrong if is_flag(change.key)]
    typed = len(flags) < 4 and not any(change.key.startswith("trainer.callbacks") for change in flags)
    same = (
        ", ".join(f"{display_name(c.key)} {format_setting(c.then)}" for c in flags)
        if typed
        else "those of its config.yaml"
    )
    same = same or "the images and classes it was trained on"
    raise UsageError(
        f"settings in {names}: expected {expected}, as in the run in {run}, found {found}, which makes another"
        f" experiment. Try: {same}, or another --run_dir"
    )
