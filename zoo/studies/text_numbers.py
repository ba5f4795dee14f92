"""Numbers in the words of a study, read off its rows when the report is made, and sentences checked against them.

    comment: "Data adds {diff('+ data', 'plain'):+.1f} points, {times(-diff('8', '2', of='reach')):,.0f}-fold."
    checks: ["mean('+ data') > mean('+ batch norm')", "0.4 < mean('relu', of='flat') < 0.5"]

mean(LEVEL, …)             mean over seeds in the cell with these levels, one of each factor that has several
diff(LEVEL, LEVEL, …)      the first two, levels of one factor, compared at the others; over the seeds that both have
half(LEVEL, LEVEL, …)      half of that difference's 95 % interval
shown(LEVEL, LEVEL, …)     the difference with its interval, as the tables have it
verdict(i)  verdict(i, j)  the word for the i-th expectation, and for the j-th of its comparisons, from 1
parameters(…) multiply_adds(…) seconds(…) tuned(…)     of a cell: its costs, and the value that was tuned
times(x)                   10 to the power of x, for outcomes with `log`; abs, min, max

`of='NAME'` takes another outcome than the first. Besides: numbers, + − * /, comparisons, `and`. No other Python is
allowed: nothing is imported or called that is not named above.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zoo.config.type_names import nearest
from zoo.errors import UsageError
from zoo.studies.formatting import signed, with_interval
from zoo.studies.spec import Cell, Study
from zoo.studies.statistics import Mean, mean_of, paired
from zoo.studies.verdicts import Assessment, ValidRows

PLACE = re.compile(r"\{([^{}]*)\}")
FORMAT = re.compile(r"(\+?),?(\.\d)?[fg]")
LONGEST = 600  # characters of an expression
OPERATORS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
}


class Numbers:
    """What expressions of a study may ask for.

    Args:
        study: the study.
        found: its rows.
        parts: what became of its expectations.
    """

    def __init__(self, study: Study, found: ValidRows, parts: Sequence[Assessment]) -> None:
        self.study, self.found, self.parts = study, found, parts
        self.functions: Mapping[str, Callable[..., Any]] = {
            "mean": lambda *levels, of=None: self._mean(levels, of).value,
            "diff": lambda *levels, of=None: self._difference(levels, of).value,
            "half": lambda *levels, of=None: self._difference(levels, of).half,
            "shown": lambda *levels, of=None: with_interval(
                self._difference(levels, of), self.study.outcome(of), plus=True
            ),
            "verdict": self._verdict,
            "parameters": lambda *levels: float(self._first(levels)["parameters"]),
            "multiply_adds": lambda *levels: float(self._first(levels)["multiply_adds"]),
            "seconds": lambda *levels: min(float(row["seconds"]) for row in self._rows(self._cell(levels))),
            "tuned": self._tuned,
            "times": lambda exponent: 10.0 ** max(-300, min(300, exponent)),
            "abs": abs,
            "min": min,
            "max": max,
        }

    def filled(self, text: str, where: str) -> str:
        """The text with a number in place of each expression; an ellipsis where there are no rows yet.

        Raises:
            UsageError: an expression is none, or asks for what is not there.
        """
        return PLACE.sub(lambda match: self._shown(match[1], where), text)

    def holds(self, text: str, where: str) -> bool | None:
        """Whether an expression is true; None as long as rows are missing."""
        try:
            return bool(self.value(text, where))
        except MissingError:
            return None

    def value(self, text: str, where: str) -> Any:
        """What an expression comes to.

        Raises:
            MissingError: rows are missing.
            UsageError: it is none.
        """
        try:
            if len(text) > LONGEST:
                raise ValueError(f"more than {LONGEST} characters")
            value = self._of(ast.parse(text.strip(), mode="eval").body)
            return float(value) if type(value) is int else value  # one too large is none
        except MissingError:
            raise
        except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
            reason = " ".join(str(error).split())[:120]
            raise UsageError(
                f"expression in {where}: expected one such as mean('{next(iter(self.study.factors['arm']))}'),"
                f" found '{text[:80]}' ({reason})"
            ) from error

    def _shown(self, text: str, where: str) -> str:
        inner, _, kind = text.rpartition(":") if FORMAT.fullmatch(text.rpartition(":")[2]) else (text, "", "")
        try:
            value = self.value(inner, where)
        except MissingError:
            return "…"
        if isinstance(value, str):
            return value
        if isinstance(value, bool) or not kind:
            raise UsageError(
                f"expression in {where}: expected a number and its digits, found '{text[:80]}'."
                f" Try: {{{inner[:80]}:.1f}}"
            )
        if "," not in kind and kind.startswith("+"):
            return signed(value, int(kind[2]) if "." in kind else 0)
        return format(round(value, 9) + 0.0, kind).replace("-", "−")

    def _of(self, node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=value) if isinstance(value, str | int | float):
                return value
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return OPERATORS[type(op)](require_number(self._of(left)), require_number(self._of(right)))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -require_number(self._of(operand))
            case ast.BoolOp(op=ast.And(), values=values):
                return all(self._of(value) for value in values)
            case ast.Compare(left=left, ops=ops, comparators=others):
                values = [self._of(each) for each in (left, *others)]
                if not all(isinstance(value, str) for value in values):
                    values = [require_number(value) for value in values]
                if not all(type(each) in OPERATORS for each in ops):
                    raise ValueError("a comparison that is none of < <= > >= ==")
                pairs = zip(values, ops, values[1:], strict=False)
                return all(OPERATORS[type(each)](first, second) for first, each, second in pairs)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in self.functions:
                given = {str(keyword.arg): self._of(keyword.value) for keyword in keywords}
                return self.functions[name](*(self._of(each) for each in args), **given)
        raise ValueError(f"nothing that can be said here: {ast.unparse(node)[:60]}")

    def _verdict(self, part: int, comparison: int | None = None) -> str:
        judged = self.parts[range(1, len(self.parts) + 1).index(part)]
        if comparison is None:
            word = judged.verdict
        else:
            word = judged.contrasts[range(1, len(judged.contrasts) + 1).index(comparison)].verdict
        if word == "not measured":
            raise MissingError
        return word

    def _tuned(self, *levels: str) -> Any:
        if self.study.tune is None:
            raise ValueError("nothing is tuned")
        chosen = self.found.choices[self._cell(levels)].values
        if not chosen:
            raise MissingError
        return next(iter(chosen.values()))

    def _rows(self, cell: Cell) -> list[dict[str, str]]:
        if not self.found.rows[cell]:
            raise MissingError
        return self.found.rows[cell]

    def _first(self, levels: tuple[str, ...]) -> dict[str, str]:
        return self._rows(self._cell(levels))[0]

    def _values(self, cell: Cell, of: str | None) -> Mapping[int, float]:
        names = [outcome.name for outcome in self.study.report]
        if of is not None and of not in names:
            raise ValueError(f"outcomes are {', '.join(names)}")
        self._rows(cell)
        return self.found.values(self.study.outcome(of))[cell]

    def _mean(self, levels: tuple[str, ...], of: str | None) -> Mean:
        return mean_of([*self._values(self._cell(levels), of).values()])

    def _difference(self, levels: tuple[str, ...], of: str | None) -> Mean:
        first, second, *rest = levels
        one, other = self._cell((first, *rest)), self._cell((second, *rest))
        differences = paired(self._values(one, of), self._values(other, of))
        if not differences:
            raise MissingError
        return mean_of(differences)

    def _cell(self, levels: tuple[str, ...]) -> Cell:
        known = [level for factor in self.study.factors.values() for level in factor]
        if unknown := next((level for level in levels if level not in known), None):
            raise ValueError(
                f"no level {unknown}" + (f", but {near}" if (near := nearest(str(unknown), known)) else "")
            )
        cells = [cell for cell in self.study.cells if all(level in cell for level in levels)]
        if len(cells) != 1:
            raise ValueError(f"{len(cells)} cells have these levels")
        return cells[0]


class MissingError(Exception):
    """There are no rows yet of what is asked for."""


def require_number(value: Any) -> Any:
    """Raises ValueError for anything else."""
    if not isinstance(value, int | float):
        raise ValueError(f"expected a number, found {value!r}")
    return value
