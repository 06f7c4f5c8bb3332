"""Changes of text files by lines, words and numbers."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from tests.fuzz.mutations.plain_bytes import Mutation

HUGE = ("2147483647", "-2147483648", "4294967295", "9223372036854775807", "1e39", "1e309", "inf", "nan", "9" * 6000)
NUMBERS = ("0", "-1", "1", "2", "7", "0.5", "-1e-39", "255", "65536", *HUGE)
LINES = (
    *("", " ", "\t", "#", "\x00", "a\x00b", "\ufeff", "\u2028", "x" * 5000, "../..", "/dev/zero", "~nobody", '"', "''"),
    *(
        "a b c 5",
        "a.png -1",
        "a.png 1e5",
        "a.png\t7",
        "a.png 99999999999999999999",
        "::",
        "a.zip::b.png",
        "\x0c",
        "\x85",
    ),
)


def lines_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """Lines dropped, doubled, swapped, or put in."""
    lines = content.split(b"\n")
    a, b = dice.randrange(len(lines)), dice.randrange(len(lines))
    how = dice.randrange(5)
    if how == 0:
        del lines[a]
    elif how == 1:
        lines.insert(b, lines[a])
    elif how == 2:
        lines[a], lines[b] = lines[b], lines[a]
    elif how == 3:
        lines.insert(a, dice.choice(LINES).encode())
    else:
        lines.insert(a, dice.choice(dice.choice(list(donors) or [content]).split(b"\n")))
    return b"\n".join(lines)


def numbers_changed(content: bytes, dice: random.Random, _donors: Sequence[bytes]) -> bytes:
    """Another number in the place of one."""
    return _replaced(content, rb"-?\d[\d.e-]*", dice.choice(NUMBERS).encode(), dice)


def words_changed(content: bytes, dice: random.Random, _donors: Sequence[bytes]) -> bytes:
    """A word in the place of another one."""
    words = re.findall(rb"\w+", content) or [b""]
    return _replaced(content, rb"\w+", dice.choice(words), dice)


def recoded(content: bytes, dice: random.Random, _donors: Sequence[bytes]) -> bytes:
    """The same text in another encoding, or with other ends of lines."""
    text = content.decode("utf-8", "replace")
    how = dice.choice(["utf-16", "utf-8-sig", "utf-32", "latin-1", "\r\n", "\r", "\x0c", "\u2028", "\n\n"])
    if how[0] in "ul":
        return text.encode(how, "replace")
    return text.replace("\n", how).encode()


def _replaced(content: bytes, pattern: bytes, replacement: bytes, dice: random.Random) -> bytes:
    found = list(re.finditer(pattern, content))
    if not found:
        return content
    match = dice.choice(found)
    return content[: match.start()] + replacement + content[match.end() :]


TEXT: tuple[Mutation, ...] = (lines_changed, lines_changed, numbers_changed, numbers_changed, words_changed, recoded)
