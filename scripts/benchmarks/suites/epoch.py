"""How fast is an epoch? This project's `fit` against a bare PyTorch loop and others, for each network, data and batch.

    python scripts/benchmark.py epoch --data-root DIR                        784-256-10 on MNIST, and the tutorial
    python scripts/benchmark.py epoch --data-root DIR --cifar10 OUT.npz --model all --data MNIST CIFAR10 --batch 128
    python scripts/benchmark.py epoch … --clock processor --threads 1        on a machine that has other work

An epoch is 54,000 training images (CIFAR-10: 45,000) and their ninth for validation, alike for all. Of large networks
only some images are trained on, and only the steps are compared. `--clock processor` counts the seconds that a process
has computed on its one thread; work of others hardly lengthens them.
"""

import argparse
from functools import partial
from typing import Any

from benchmarks.baselines.loops import CONTENDERS, turn
from benchmarks.baselines.projects import hydra_template, place
from benchmarks.measure.case import MODELS, Case, cost_of, read_case, sized
from benchmarks.measure.environment import keep, not_measured, setting, told
from benchmarks.measure.noise_probe import canary, peaks
from benchmarks.measure.roofline import floor
from benchmarks.measure.rounds import (
    Failed,
    Round,
    best_canary,
    counted,
    interval,
    play,
    ratios,
    tell,
    until_stopped,
    values,
)
from benchmarks.measure.targets import Aim, pairs

TEMPLATE = "lightning-hydra-template"
ORDER = (*CONTENDERS, TEMPLATE)


def cases(options: argparse.Namespace, skipped: list[str]) -> list[Case]:
    """What is to be compared, sized; says what is too much."""
    models = MODELS if options.model == ["all"] else options.model
    found = []
    for model in models:
        for data in options.data:
            for batch in options.batch:
                case = Case(model, data, batch, options.precision)
                fit = sized(case, cost_of(case))
                if fit is None:
                    tell(f"{case.name} in --batch: expected batches that take seconds, found minutes", skipped)
                else:
                    found.append(fit)
    return found


def contenders(case: Case, options: argparse.Namespace, skipped: list[str]) -> dict[str, Any]:
    """Who takes part in a case."""
    lectures = (case.model, case.data, case.batch, case.precision) == ("MLP", "MNIST", 128, "32-true")
    names = ["zoo", "plain"]
    names += ["nchw"] if case.precision == "bf16-mixed" else []
    names += ["tutorial"] if lectures else []
    turns = {name: turn(name, case, options) for name in names if name in options.contenders}
    if lectures and TEMPLATE in options.peers:
        try:
            python = str(options.peer_pythons.get(TEMPLATE, options.python))
            turns[TEMPLATE] = hydra_template(place(TEMPLATE, options.peers), python, case, options)
        except Failed as error:
            tell(str(error), skipped)
    for name in options.peers.keys() - {TEMPLATE}:
        tell(
            f"peer {name} in --peer: expected one that trains our network, found one with its own: see target", skipped
        )
    return turns


def planned(case: Case, top: dict[str, float]) -> dict[str, Any]:
    """A case before its rounds: what it is, what an image costs, and its floor."""
    one = cost_of(case)
    least = floor(one, case.images, case.validation if case.whole else 0, case.precision, top)
    return {"case": case.plain(), "flop": one.training, "floor": least}


def measure(case: Case, options: argparse.Namespace, top: dict[str, float], skipped: list[str]) -> dict[str, Any]:
    """All rounds of a case."""
    plan = planned(case, top)
    print(f"{case.name}, floor {plan['floor']:.3f} s", flush=True)
    check = partial(canary, options.clock, options.device)
    return plan | {"rounds": play(contenders(case, options, skipped), options.rounds, check, skipped)}


def summary(record: dict[str, Any], best: dict[str, float]) -> str:
    """A case's medians beside their floor, and its ratios beside their aims."""
    case = read_case(record["case"])
    rounds, which = counted(record["rounds"], best)
    names = sorted({name for one in rounds for name in one["samples"]})
    lines = [f"{case.name}: {which}, floor {record['floor']:.3f} s"]
    for name in names:
        middle = interval(values(rounds, name, case.what)).median
        lines.append(f"  {name} {middle:.3f} s, {100 * record['floor'] / middle:.0f} % of the speed at the floor")
    for slow, fast, aim in pairs(case, names):
        found = interval(ratios(rounds, slow, fast, case.what))
        aimed = f", aim {aim}: {'reached' if aim.met(found.median) else 'missed'}" if aim else ""
        lines.append(f"  {slow} / {fast} {found}{aimed}")
    return "\n".join(lines)


def section(record: dict[str, Any]) -> list[str]:
    """The record as a table: a row for each contender, with its floor, and its ratio beside the aim."""
    best = best_canary(one for case in record["cases"] for one in case["rounds"])
    lines = [told(record["setting"]), ""]
    lines += [
        "| case | rounds that count | contender | seconds | floor | floor / seconds | ratio, 95 % interval | aim |",
        "|---|---|---|---:|---:|---:|---|---|",
    ]
    for one in record["cases"]:
        lines += rows_of(one, best)
    return [*lines, "", *not_measured(record)]


def rows_of(record: dict[str, Any], best: dict[str, float]) -> list[str]:
    """The rows of a case."""
    case, least = read_case(record["case"]), record["floor"]
    rounds, which = counted(record["rounds"], best)
    names = [name for name in ORDER if any(name in one["samples"] for one in rounds)]
    found = {frozenset((slow, fast)): (slow, fast, aim) for slow, fast, aim in pairs(case, names)}
    lines = []
    for i, name in enumerate(names):
        middle = interval(values(rounds, name, case.what)).median
        slow, fast, aim = found.get(frozenset((name, "zoo")), ("", "", None))
        ratio, verdict = compared(rounds, slow, fast, case.what, aim) if slow else ("", "")
        cells = [case.name, which] if i == 0 else ["", ""]
        cells += [name, f"{middle:.3f}", f"{least:.3f}", f"{100 * least / middle:.0f} %", ratio, verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def compared(rounds: list[Round], slow: str, fast: str, what: str, aim: Aim | None) -> tuple[str, str]:
    """A ratio with its interval, and what became of its aim."""
    found = interval(ratios(rounds, slow, fast, what))
    verdict = f"{aim}: {'reached' if aim.met(found.median) else '**missed**'}" if aim else ""
    return f"{slow} / {fast} **{found.median:.2f}** ({found.low:.2f} to {found.high:.2f})", verdict


def main(options: argparse.Namespace) -> None:
    """Runs the rounds of all cases and says what came out."""
    if options.only:
        wanted = sized(case := Case("MLP", "MNIST"), cost_of(case))
        assert wanted
        print(turn(options.only, wanted, options)()["seconds"])
        return
    skipped: list[str] = options.skipped
    top = peaks(options.clock, options.device)
    how = setting(options)
    found = until_stopped(
        lambda case: measure(case, options, top, skipped), cases(options, skipped), "cases: expected more", skipped
    )
    best = best_canary(one for case in found for one in case["rounds"])
    for one in found:
        print(summary(one, best))
    keep({"setting": how, "peaks": top, "skipped": skipped, "cases": found}, options, "epoch")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--model", nargs="+", default=["MLP"], choices=[*MODELS, "all"])
    parser.add_argument("--data", nargs="+", default=["MNIST"], choices=["MNIST", "CIFAR10"])
    parser.add_argument("--batch", nargs="+", type=int, default=[128])
    parser.add_argument("--precision", default="32-true", choices=["32-true", "bf16-mixed"])
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--workers", type=int, default=0, help="num_workers of the DataLoaders of others")
    parser.add_argument("--only", choices=list(CONTENDERS), help="run one of them once and print its seconds")
