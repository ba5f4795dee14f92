"""The words of a command, completed by what a run folder knows.

test --run_dir DIR  ->  test -c DIR/config.yaml --run_dir DIR --ckpt_path DIR/checkpoints/best.ckpt
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from zoo.runs.folder import RunFolder
from zoo.runs.messages import UsageError


def complete(args: Sequence[str]) -> list[str]:
    """Adds the config and the checkpoint of the run that `--run_dir` or `--ckpt_path` names to the words of a command.

    Raises:
        UsageError: neither is given, or there is no run.
    """
    args = list(args)
    if (
        not args
        or args[0] not in ("fit", "validate", "test", "predict")
        or {"-h", "--help", "--print_config"} & set(args)
    ):
        return args
    verb, rest = args[0], args[1:]
    look = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for flag in ("--run_dir", "--ckpt_path", "--resume"):
        look.add_argument(flag)
    try:
        given = look.parse_known_args([word for word in rest if word != "-c"])[0]
    except argparse.ArgumentError:  # the full parser has the better words for it
        return args
    folder = RunFolder(given.run_dir) if given.run_dir else None
    if verb == "fit":
        resumes = given.resume in ("auto", "must") and folder and folder.config.exists()
        return [verb, *(["-c", str(folder.config)] if folder and resumes else []), *rest]
    if folder:
        if not given.ckpt_path:
            folder.check_run()
            rest += ["--ckpt_path", str(folder.chosen)]
    elif given.ckpt_path:
        beside = RunFolder(Path(given.ckpt_path).absolute().parent.parent)
        folder = beside if beside.config.exists() else None
    else:
        raise UsageError(
            f"weights in --run_dir or --ckpt_path: expected a run or a checkpoint to {verb}, found neither"
            f" (random weights are not scored). Try: python cli.py {verb} --run_dir DIR"
        )
    if folder and folder.config.exists():
        rest = ["-c", str(folder.config), *rest]
    return [verb, *rest]
