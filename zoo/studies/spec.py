"""study.yaml: what a study asks, what it compares, and what would answer it. docs/studies.md describes its keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

from zoo.config.errors.option_errors import in_file
from zoo.errors import UsageError
from zoo.studies.expectations import Expectation
from zoo.studies.outcomes import Outcome
from zoo.studies.settings import Settings, label, merged, settings_fingerprint

ARM = "arm"

Cell = tuple[str, ...]  # one level of each factor, in the order of `Study.factors`


@dataclass(frozen=True)
class Tuning:
    """What is chosen for each arm on the validation images, before the arms are compared.

    Attributes:
        values: candidates of each dotted key, in their order.
        seeds: of the runs that choose.
        settings: of those runs only, such as fewer epochs.
        per: factors whose levels choose for themselves; of the others the first level chooses for all.
    """

    values: dict[str, list[Any]]
    seeds: list[int]
    settings: Settings
    per: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A study as it stands in its folder.

    Attributes:
        folder: with study.yaml, results.csv and README.md.
        question: in one sentence.
        claims: ids from configs/studies/claims.yaml.
        base: settings of all runs.
        factors: levels with their settings, `arm` first; a run has one level of each.
        baseline: the arm that the others are compared with.
        seeds: the same in every arm.
        tune: what is tuned, if anything.
        report: outcomes, the most important one first.
        maps: quantities of the diagnostics that are drawn as layer × step.
        expect: what would support the claims, settled before the runs.
        comment: what to think of it, written after them; numbers in it are read off the rows.
        checks: what it says besides, as expressions that must be true.
        threats: why the answer might be wrong.
    """

    folder: Path
    question: str
    claims: list[str]
    base: Settings
    factors: dict[str, dict[str, Settings]]
    baseline: str
    seeds: list[int]
    tune: Tuning | None
    report: list[Outcome]
    maps: list[str]
    expect: list[Expectation]
    comment: str
    checks: list[str]
    threats: list[str]
    keeps_runs: ClassVar[bool] = False  # whether folders of runs stay, with their figures

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.name

    @property
    def file(self) -> Path:
        """Where it is written."""
        return self.folder / "study.yaml"

    @cached_property
    def cells(self) -> list[Cell]:
        """All combinations; the arms of one setting of the other factors stand together."""
        arms, *others = self.factors.values()
        return [(arm, *rest) for rest in product(*others) for arm in arms]

    def settings(self, cell: Cell, tuned: Mapping[str, Any], *, tuning: bool = False) -> Settings:
        """Settings of a run."""
        levels = (self.factors[factor][level] for factor, level in zip(self.factors, cell, strict=True))
        extra = self.tune.settings if self.tune and tuning else {}
        return merged(self.base, *levels, extra, tuned)

    def config(self, cell: Cell, tuned: Mapping[str, Any], *, tuning: bool = False) -> str:
        """Fingerprint of a run's settings."""
        key = (cell, label(tuned), tuning)
        if key not in self._configs:
            try:
                self._configs[key] = settings_fingerprint(self.settings(cell, tuned, tuning=tuning))
            except UsageError as error:  # a file that is named in it
                raise UsageError(in_file(str(error), str(self.file))) from error
        return self._configs[key]

    @cached_property
    def _configs(self) -> dict[tuple[Cell, str, bool], str]:
        return {}

    def place_of(self, cell: Cell, config: str, seed: int) -> str:
        """The folder of a run, below the one for all runs of the study."""
        return f"{config}-s{seed}"

    def tuning_cell(self, cell: Cell) -> Cell:
        """The cell whose runs choose for this one."""
        if self.tune is None:
            return cell
        return tuple(
            level if factor in self.tune.per else next(iter(levels))
            for (factor, levels), level in zip(self.factors.items(), cell, strict=True)
        )

    def named(self, cell: Cell) -> str:
        """A cell in words: the arm, and the levels of the other factors."""
        return ", ".join(cell)

    def level(self, cell: Cell, factor: str) -> str:
        """A cell's level of a factor."""
        return cell[list(self.factors).index(factor)]

    def find(self, levels: Mapping[str, str]) -> list[Cell]:
        """The cells with these levels."""
        return [cell for cell in self.cells if all(self.level(cell, f) == level for f, level in levels.items())]

    def outcome(self, name: str | None) -> Outcome:
        """An outcome by its name; the first one without."""
        return next((outcome for outcome in self.report if outcome.name == name), self.report[0])


def of_seeds(seeds: int | Sequence[int]) -> list[int]:
    """So many seeds from 0 on, or those that are listed."""
    return list(range(seeds)) if isinstance(seeds, int) else list(seeds)
