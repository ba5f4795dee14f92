"""How fast is an epoch? This project's `fit` against a bare PyTorch loop and others, for each network, data and batch.

    python scripts/benchmark.py epoch --data-root DIR                        784-256-10 on MNIST, and the tutorial
    python scripts/benchmark.py epoch --data-root DIR --cifar10 OUT.npz --model all --data MNIST CIFAR10 --batch 128
    python scripts/benchmark.py epoch … --clock processor --threads 1        on a machine that has other work

An epoch is 54,000 training images (CIFAR-10: 45,000) and their ninth for validation, alike for all. Of large networks
only some images are trained on, and only the steps are compared. `--clock processor` counts the seconds that a process
has computed on its one thread; work of others hardly lengthens them.
"""

import argparse
from typing import Any

from benchmarks.baselines.loops import LOOPS, in_process
from benchmarks.baselines.projects import hydra_template, place
from benchmarks.measure.case import MODELS, Case, cost_of, read_case, sized
from benchmarks.measure.environment import as_sentence, environment, keep, not_measured
from benchmarks.measure.intervals import Interval, interval
from benchmarks.measure.noise_probe import peaks, probe
from benchmarks.measure.roofline import roofline
from benchmarks.measure.rounds import (
    Failed,
    best_noise,
    counted,
    programs_in,
    ratios,
    report,
    run_interleaved,
    until_stopped,
    values,
)
from benchmarks.measure.targets import Row, Target, pairs, verdict

TEMPLATE = "lightning-hydra-template"
ORDER = (*LOOPS, TEMPLATE)


def cases(options: argparse.Namespace, skipped: list[str]) -> list[Case]:
    """What is to be compared, sized; reports what is too much."""
    found = []
    for model in MODELS if options.model == ["all"] else options.model:
        for data in options.data:
            for batch in options.batch:
                case = Case(model, data, batch, options.precision)
                if fit := sized(case, cost_of(case)):
                    found.append(fit)
                else:
                    report(f"{case.name} in --batch: expected batches that take seconds, found minutes", skipped)
    return found


def programs(case: Case, options: argparse.Namespace, skipped: list[str]) -> dict[str, Any]:
    """What is compared in a case."""
    lectures = (case.model, case.data, case.batch, case.precision) == ("MLP", "MNIST", 128, "32-true")
    names = ["zoo", "plain"]
    names += ["nchw"] if case.precision == "bf16-mixed" else []
    names += ["tutorial"] if lectures else []
    found = {name: in_process(name, case, options) for name in names if name in options.contenders}
    for name in options.peers:
        try:
            if name != TEMPLATE:
                raise Failed(
                    f"peer {name} in --peer: expected one that trains our network, found one with its own. Try: target"
                )
            if lectures:
                python = str(options.peer_pythons.get(name, options.python))
                found[name] = hydra_template(place(name, options.peers), python, case, options)
        except Failed as error:
            report(str(error), skipped)
    return found


def planned(case: Case, top: dict[str, float]) -> dict[str, Any]:
    """A case before its rounds: what it is, what an image costs, and its roofline."""
    one = cost_of(case)
    least = roofline(one, case.images, case.validation if case.whole else 0, case.precision, top)
    return {"case": case.plain(), "flop": one.training, "floor": least}


def measure(case: Case, options: argparse.Namespace, top: dict[str, float], skipped: list[str]) -> dict[str, Any]:
    """All rounds of a case."""
    plan = planned(case, top)
    print(f"{case.name}, roofline {plan['floor']:.3f} s", flush=True)
    return plan | {"rounds": run_interleaved(programs(case, options, skipped), options.rounds, probe(options), skipped)}


def compared(record: dict[str, Any], best: dict[str, float]) -> list[tuple[str, str, Target | None, Interval, str]]:
    """The ratios of a case with their targets and intervals, and of which rounds they are."""
    case, (rounds, which) = read_case(record["case"]), counted(record["rounds"], best)
    found = pairs(case, programs_in(rounds))
    return [(slow, fast, to, interval(ratios(rounds, slow, fast, case.what)), which) for slow, fast, to in found]


def section(record: dict[str, Any]) -> list[str]:
    """The record as a table: a row for each program, with its roofline, and its ratio beside the target."""
    best = best_noise(one for case in record["cases"] for one in case["rounds"])
    lines = [as_sentence(record["setting"]), ""]
    lines += [
        "| case | valid rounds | program | seconds | roofline | roofline / seconds | ratio, 95 % interval | target |",
        "|---|---|---|---:|---:|---:|---|---|",
    ]
    for one in record["cases"]:
        lines += rows_of(one, best)
    return [*lines, "", *not_measured(record)]


def rows_of(record: dict[str, Any], best: dict[str, float]) -> list[str]:
    """The rows of a case."""
    case, least, (rounds, which) = read_case(record["case"]), record["floor"], counted(record["rounds"], best)
    found = {frozenset((slow, fast)): (slow, fast, to, ratio) for slow, fast, to, ratio, _ in compared(record, best)}
    lines = []
    for i, name in enumerate(name for name in ORDER if name in programs_in(rounds)):
        middle = interval(values(rounds, name, case.what)).median
        cells = [case.name, which] if i == 0 else ["", ""]
        cells += [name, f"{middle:.3f}", f"{least:.3f}", f"{100 * least / middle:.0f} %", "", ""]
        if pair := found.get(frozenset((name, "zoo"))):
            slow, fast, target, ratio = pair
            cells[-2] = f"{slow} / {fast} **{ratio.median:.2f}** ({ratio.low:.2f} to {ratio.high:.2f})"
            cells[-1] = f"{target}: {verdict(target.met(ratio.median))}" if target else ""
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def targets(record: dict[str, Any]) -> list[Row]:
    """The ratios that were aimed at."""
    best = best_noise(one for case in record["cases"] for one in case["rounds"])
    threads = record["setting"]["threads"]
    return [
        Row(
            f"{slow} / {fast} {target}",
            f"{read_case(one['case']).name}, {threads} thread{'s' if threads > 1 else ''}",
            str(ratio),
            target.met(ratio.median),
            which,
        )
        for one in record["cases"]
        for slow, fast, target, ratio, which in compared(one, best)
        if target
    ]


def main(options: argparse.Namespace) -> None:
    """Runs the rounds of all cases and prints what came out."""
    skipped: list[str] = options.skipped
    top = peaks(options.clock, options.device)
    record: dict[str, Any] = {"setting": environment(options), "peaks": top, "skipped": skipped}
    record["cases"] = until_stopped(
        lambda case: measure(case, options, top, skipped), cases(options, skipped), "cases: expected more", skipped
    )
    print("\n".join(section(record)))
    keep(record, options, "epoch")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--model", nargs="+", default=["MLP"], choices=[*MODELS, "all"])
    parser.add_argument("--data", nargs="+", default=["MNIST"], choices=["MNIST", "CIFAR10"])
    parser.add_argument("--batch", nargs="+", type=int, default=[128])
    parser.add_argument("--precision", default="32-true", choices=["32-true", "bf16-mixed"])
    parser.add_argument("--contenders", nargs="+", default=list(LOOPS), choices=list(LOOPS), help="what is compared")
    parser.add_argument("--workers", type=int, default=0, help="num_workers of the DataLoaders of others")
