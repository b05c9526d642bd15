"""What a log line's text may hold, and what becomes of its colours.

Of terminal codes only SGR (colours, bold, underline) is kept. Programs get text without it, pages get spans with classes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

MOST_MESSAGE = 16_000
"""Characters; what is longer is cut, and says by how much."""
SLACK = 4_096
MOST_LOOKED_AT = 4 * MOST_MESSAGE
"""Characters of a text that is cut; what is beyond them is counted, codes and all."""
NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
PALETTE = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
)  # fmt: skip
"""The 16 colours as terminals show them, the bright ones last."""

_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CODES = re.compile(
    r"(\x1b\[[0-9;:]*m)"  # SGR, which stays
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # any other CSI
    # OSC and the like, where they end before another begins: so no text is looked at again and again.
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"  # what else begins so
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)


def clean(text: str) -> str:
    """Without control characters but newline, tab and SGR codes; a lone carriage return ends a line."""
    if _ODD.search(text) is None:
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CODES.sub(lambda found: found[1] or "", text)


def kept(text: str, redact: Callable[[str], str]) -> str:
    """As it is stored: cleaned, redacted, and at most MOST_MESSAGE characters, then how many more there were."""
    beyond = max(0, len(text) - MOST_LOOKED_AT)
    text = clean(text[:MOST_LOOKED_AT])
    cut = max(0, len(text) - MOST_MESSAGE) + beyond
    if not cut:
        return redact(text)
    # What may be cut in two is redacted first, and what is far beyond the cut not looked at.
    return f"{redact(text[: MOST_MESSAGE + SLACK])[:MOST_MESSAGE]}… [{cut:,} more characters were cut]"


def plain(text: str) -> str:
    """Without SGR codes."""
    return _SGR.sub("", text) if "\x1b" in text else text


@dataclass(frozen=True, slots=True)
class Span:
    """Text of one look. `classes` are such as `ansi-red ansi-on-bright-blue ansi-bold`, empty for the usual look."""

    text: str
    classes: str = ""


@dataclass
class _Look:
    front: str = ""
    back: str = ""
    bold: bool = False
    underline: bool = False

    def classes(self) -> str:
        found = [f"ansi-{self.front}"] if self.front else []
        if self.back:
            found.append(f"ansi-on-{self.back}")
        if self.bold:
            found.append("ansi-bold")
        if self.underline:
            found.append("ansi-underline")
        return " ".join(found)


def spans(text: str) -> list[Span]:
    """A line's text cut where its look changes."""
    if "\x1b" not in text:
        return [Span(text)] if text else []
    look, found, at = _Look(), list[Span](), 0
    for code in _SGR.finditer(text):
        if code.start() > at:
            found.append(Span(text[at : code.start()], look.classes()))
        _apply(look, code[1])
        at = code.end()
    if at < len(text):
        found.append(Span(text[at:], look.classes()))
    return found


def _apply(look: _Look, codes: str) -> None:
    numbers = [int(code) if len(code) < 4 and code else 0 for code in codes.replace(":", ";").split(";")]
    at = 0
    while at < len(numbers):
        number = numbers[at]
        at += 1
        if number in (38, 48):
            colour, used = _extended(numbers[at:])
            at += used
            if number == 38:
                look.front = colour
            else:
                look.back = colour
        elif number == 0:
            look.front, look.back, look.bold, look.underline = "", "", False, False
        elif number in (1, 22):
            look.bold = number == 1
        elif number in (4, 21, 24):
            look.underline = number != 24
        elif 30 <= number <= 37 or 90 <= number <= 97:
            look.front = _name(number % 10 + (8 if number >= 90 else 0))
        elif 40 <= number <= 47 or 100 <= number <= 107:
            look.back = _name(number % 10 + (8 if number >= 100 else 0))
        elif number == 39:
            look.front = ""
        elif number == 49:
            look.back = ""


def _extended(numbers: list[int]) -> tuple[str, int]:
    """The colour of `5;N` or `2;R;G;B`, and how many numbers that took."""
    if numbers[:1] == [5] and len(numbers) >= 2:
        return _name(_of_256(min(numbers[1], 255))), 2
    if numbers[:1] == [2] and len(numbers) >= 4:
        return _name(_nearest(numbers[1], numbers[2], numbers[3])), 4
    return "", len(numbers)


def _of_256(number: int) -> int:
    if number < 16:
        return number
    if number >= 232:
        grey = 8 + 10 * (number - 232)
        return _nearest(grey, grey, grey)
    number -= 16
    red, green, blue = (0 if step == 0 else 55 + 40 * step for step in (number // 36, number // 6 % 6, number % 6))
    return _nearest(red, green, blue)


def _nearest(red: int, green: int, blue: int) -> int:
    def distance(colour: tuple[int, int, int]) -> int:
        return (colour[0] - red) ** 2 + (colour[1] - green) ** 2 + (colour[2] - blue) ** 2

    return min(range(16), key=lambda at: distance(PALETTE[at]))


def _name(colour: int) -> str:
    return f"bright-{NAMES[colour - 8]}" if colour >= 8 else NAMES[colour]
