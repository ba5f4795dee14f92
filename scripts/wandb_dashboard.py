"""The dashboard of a W&B project, built by code: a workspace and a report with ladder, studies, and seeds with bands.

    pip install -e '.[dashboard]'
    python scripts/wandb_dashboard.py --entity ME --project small-image-zoo --data MNIST FashionMNIST
    python scripts/wandb_dashboard.py --print        # only what would be sent; needs neither key nor network

Runs of one group differ in their seed only (`zoo/loggers/wandb/group.py`), so every panel is a mean over groups, with
the spread of the seeds around it. Nothing here is chosen on the test set: the ladder shows it, studies use validation.
Each call makes a new workspace and a new report.
"""

import argparse
import json
import os
import sys
from importlib.util import find_spec
from typing import Any

from entry import begin

PROJECT, TITLE = "small-image-zoo", "Model zoo for small images"
DATA = ("MNIST", "FashionMNIST", "CIFAR10")
STEP = "trainer/global_step"
CHOSEN = "best/val/accuracy"  # of the epoch that validation chose
CURVES = ("val/accuracy", "val/loss", "train/accuracy", "train/loss")
RATE, WIDTHS = "model.init_args.optimizer.init_args.lr", "model.init_args.hidden"  # in the configuration
FINDING = "Finding: write here what came out, good or bad."


def ladder() -> list[Any]:
    """Models side by side on the test images, as means over seeds with their standard error; accuracy against size."""
    import wandb_workspaces.reports.v2 as wr

    means: dict[str, Any] = {"groupby": wr.Metric("Group"), "groupby_aggfunc": "mean", "groupby_rangefunc": "stderr"}
    return [
        wr.BarPlot(title="test accuracy", metrics=[wr.SummaryMetric("test/accuracy")], max_bars_to_show=50, **means),
        wr.BarPlot(title="seconds of training", metrics=[wr.SummaryMetric("seconds")], max_bars_to_show=50, **means),
        wr.ScatterPlot(
            title="test accuracy against parameters",
            x=wr.SummaryMetric("parameters"),
            y=wr.SummaryMetric("test/accuracy"),
            log_x=True,
        ),
    ]


def seeds() -> list[Any]:
    """Learning curves: the mean over the seeds of an experiment, in a band of one standard deviation."""
    import wandb_workspaces.reports.v2 as wr

    return [
        wr.LinePlot(
            title=f"{name}, mean and standard deviation of the seeds",
            x=wr.Metric(STEP),
            y=[wr.Metric(name)],
            groupby=wr.Metric("Group"),
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
            max_runs_to_show=100,
        )
        for name in CURVES
    ]


def studies() -> list[Any]:
    """What a sweep changed against what validation said, never against the test."""
    import wandb_workspaces.reports.v2 as wr

    columns = [
        wr.ParallelCoordinatesPlotColumn(wr.Config(RATE), display_name="learning rate", log=True),
        wr.ParallelCoordinatesPlotColumn(wr.Config(WIDTHS), display_name="widths"),
        wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric(CHOSEN), display_name="validation accuracy"),
    ]
    return [
        wr.ParallelCoordinatesPlot(title="settings and validation accuracy", columns=columns),
        wr.ParameterImportancePlot(with_respect_to=CHOSEN),
        wr.ScatterPlot(
            title="validation accuracy against learning rate",
            x=wr.Config(RATE),
            y=wr.SummaryMetric(CHOSEN),
            log_x=True,
        ),
    ]


def pictures() -> list[Any]:
    """Confusion matrices and mistakes of single runs."""
    import wandb_workspaces.reports.v2 as wr

    return [wr.MediaBrowser(media_keys=[f"figures/{name}"]) for name in ("confusion", "mistakes")]


def make_workspace(entity: str, project: str) -> Any:
    """The page one works at: all sections, the runs in groups."""
    import wandb_workspaces.workspaces as ws

    parts = {"Ladder": ladder(), "Seeds": seeds(), "Studies": studies(), "Pictures": pictures()}
    return ws.Workspace(
        entity=entity,
        project=project,
        name=TITLE,
        sections=[ws.Section(name=name, panels=panels, is_open=True) for name, panels in parts.items()],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=100),
        runset_settings=ws.RunsetSettings(
            groupby=[ws.Metric("Group")],
            order=[ws.Ordering(ws.Summary(CHOSEN), ascending=False)],
            pinned_columns=["summary:test/accuracy", f"summary:{CHOSEN}", "summary:parameters", "summary:seconds"],
        ),
    )


def make_report(entity: str, project: str, data: list[str]) -> Any:
    """The page one shows: a chapter for each data set, with room for its findings."""
    import wandb_workspaces.reports.v2 as wr

    blocks: list[Any] = [
        wr.P(
            "Accuracies are on the official test images, of the weights that validation chose; bars and curves are"
            " means over seeds, with standard error (bars) and standard deviation (bands)."
        ),
        wr.TableOfContents(),
    ]
    for name in data:
        # without names, a set of runs is one of the report's own project
        runs = wr.Runset(name=name, filters=f"Tags() in ['{name}']", groupby=["group"])
        blocks.append(wr.H1(name))
        for title, panels in (("Ladder", ladder()), ("Seeds", seeds()), ("Studies", studies())):
            blocks += [wr.H2(title), wr.PanelGrid(runsets=[runs], panels=panels), wr.P(FINDING)]
    return wr.Report(entity=entity, project=project, title=TITLE, blocks=blocks, width="fluid")


def specification(page: Any) -> Any:
    """What would be sent of a page, as plain values."""
    return json.loads(page._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))


def obstacle(printing: bool) -> str | None:
    """Why it cannot be done here, in one line; None if it can."""
    from zoo.loggers.wandb.connection import RefusedKeyError, find_key, no_answer, no_key, server_address

    if not find_spec("wandb_workspaces"):
        return "package in this environment: expected wandb-workspaces, found none. Try: pip install -e '.[dashboard]'"
    if printing:
        return None
    server = server_address()
    try:
        reason, advice = no_key(server), "wandb login"
        if not reason:
            reason, advice = no_answer(server, find_key(server)), "--print"
    except RefusedKeyError as error:
        reason, advice = f"refuses the key ({error})", "wandb login --relogin"
    return reason and f"account in W&B: expected one that can be used now, found that W&B {reason}. Try: {advice}"


def main(args: list[str] | None = None) -> None:
    """Builds both pages and saves them, or prints them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entity", default=os.environ.get("WANDB_ENTITY"), help="user or team; the key's own if none")
    parser.add_argument("--project", default=os.environ.get("WANDB_PROJECT", PROJECT))
    parser.add_argument("--data", nargs="+", default=list(DATA), metavar="NAME", help="chapters of the report")
    parser.add_argument("--print", action="store_true", help="print what would be sent, as JSON")
    options = parser.parse_args(args)
    if line := obstacle(options.print):
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
    entity = options.entity
    if not entity and not options.print:
        import wandb

        entity = wandb.Api().default_entity
    pages = {
        "workspace": make_workspace(entity or "", options.project),
        "report": make_report(entity or "", options.project, options.data),
    }
    if options.print:
        print(json.dumps({name: specification(page) for name, page in pages.items()}, indent=2))
        return
    for name, page in pages.items():
        print(f"{name}: {page.save().url}")


if __name__ == "__main__":
    begin()
    main()
