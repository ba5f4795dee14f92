"""What would support a claim: a difference between two cells of a study, and how large it must be to matter.

compare: {arm: [gelu, relu]}, more: 0.2                              gelu − relu ≥ 0.2, for each level of the others
compare: {arm: [gelu, [relu, tanh]]}, more: 0                        against each of several
compare: {pixels: [plain, shuffled]}, where: {arm: mlp}, same: 0.3   along another factor, within one arm
compare: {arm: [cnn, mlp]}, between: {pixels: [plain, shuffled]}     a difference of differences
"""

from dataclasses import dataclass

from zoo.studies.statistics import Kind


@dataclass(frozen=True)
class Expectation:
    """One expectation.

    Attributes:
        says: it in words.
        claim: id of the claim it belongs to; None means all of the study's.
        factor: along which levels are compared.
        first: the level that is expected to have more (or less, or the same).
        seconds: each of the levels it is compared with.
        where: levels of other factors to which it is limited; of those not named, it is meant for each level.
        between: factor and two levels: the difference at the first less the difference at the second counts.
        outcome: which; None means the first.
        kind: more, less or same.
        margin: by at least, or within, so much.
        somewhere: whether one place where it holds is enough.
    """

    says: str
    claim: str | None
    factor: str
    first: str
    seconds: tuple[str, ...]
    where: dict[str, str]
    between: tuple[str, str, str] | None
    outcome: str | None
    kind: Kind
    margin: float
    somewhere: bool
