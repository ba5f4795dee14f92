"""Text of a study as text: Markdown and HTML in it are shown, not obeyed; links lead to http(s) or beside the report.

A study is untrusted, and its report is read in a browser. So every bracket of Markdown is taken for text
unless it is a whole link of the plain form `[words](address)` with such an address: what is not seen to be harmless is
shown as it was typed, whatever its address is made of.
"""

import re
from typing import Any
from urllib.parse import quote

ADDRESS = r"(?i:https?)://[A-Za-z0-9][\w.:/?#&=%~+,;-]*|(?:\.\./)*[A-Za-z0-9_][\w./#%-]*"  # no blank, quote or bracket
LINK = re.compile(rf"(?<![\\!\]])\[([^\[\]\\`\n]+)\]\(({ADDRESS})\)", re.ASCII)


def markdown(value: Any) -> Any:
    """Text that Markdown and its HTML would take for their own, made harmless; other values as they are."""
    if not isinstance(value, str):
        return value
    parts: list[str] = []
    end = 0
    for match in LINK.finditer(value):
        parts += [escaped(value[end : match.start()]), f"[{escaped(match[1])}]({escaped(match[2])})"]
        end = match.end()
    return "".join([*parts, escaped(value[end:])])


def escaped(text: str) -> str:
    """Text in which nothing is a link, an image, HTML or the end of a cell; an @ would make an address of mail."""
    text = re.sub(r"([\\\[\]])", r"\\\1", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;").replace("|", "\\|")


def link(name: str) -> str:
    """The name of a file as an address beside the page."""
    return quote(name)
