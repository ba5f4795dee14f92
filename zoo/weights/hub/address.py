"""`hf://USER/REPO[@REVISION]`: a repository on the Hugging Face Hub, and which state of it."""

import re
from typing import NamedTuple

from zoo.errors import UsageError, shorten

REPOSITORY = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}"
FORM = re.compile(rf"hf:/{{1,2}}({REPOSITORY})(?:@([A-Za-z0-9_][A-Za-z0-9_./-]{{0,199}}))?")
OTHER_KINDS = ("datasets", "spaces", "models", "kernels", "buckets")  # what else an address of the Hub may begin with


class Address(NamedTuple):
    """A repository on the Hub, and which state of it."""

    repository: str
    revision: str | None

    def __str__(self) -> str:
        return f"hf://{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_address(where: object) -> bool:
    """Whether this is meant as an address of the Hub; a Path has lost one of its slashes."""
    return str(where).startswith("hf:/")


def address_of(text: object) -> Address:
    """The repository that an address names; raises UsageError for another form."""
    match = FORM.fullmatch(str(text))
    if not match or match[1].split("/")[0] in OTHER_KINDS or ".." in str(text):
        raise UsageError(
            f"address in weights: expected hf://USER/REPO or hf://USER/REPO@REVISION, found {shorten(text, 80)!r}."
            " Try: hf://USER/REPO"
        )
    return Address(match[1], match[2])
