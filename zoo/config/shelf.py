"""Which models stand on the shelf? Every file of `zoo/` holds one, but for the few named here.

zoo/maxout.py with `class Maxout(Classifier)`  ->  {"Maxout": "zoo.maxout"}

Files are read as text: a name is found, and may be written in a configuration, without importing torch or the file.
"""

import re
from functools import cache
from pathlib import Path

OTHERS = ("__init__", "classifier", "errors", "files", "optimizers", "prepare", "schedules")  # files that hold no model
CLASS = re.compile(r"^class ([A-Za-z]\w*)[(:]", re.MULTILINE)


@cache
def shelf() -> dict[str, str]:
    """The public classes in the files of models, each with its module; not all of them need be models."""
    files = sorted(path for path in Path(__file__).parents[1].glob("*.py") if path.stem not in OTHERS)
    return {name: f"zoo.{path.stem}" for path in files for name in CLASS.findall(path.read_text(encoding="utf-8"))}
