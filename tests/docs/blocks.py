"""The blocks of code in the pages that people read, each with its language, its place, and what it says it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
OTHER_TEXTS = [
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    ROOT / ".pre-commit-config.yaml",
    *sorted((ROOT / ".github").rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.yml")),
]

_FENCE = re.compile(r"(`{3,})\s*(\w*)\s*")
_NEEDS = re.compile(r"<!-- needs: (.+?) -->")
_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code. `needs`: what the comment before it says that it needs, such as `maxes/`."""

    page: Path
    line: int
    language: str
    text: str
    needs: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fenced_blocks(page: Path) -> list[Block]:
    """The blocks between fences of backticks."""
    blocks: list[Block] = []
    lines = page.read_text("utf-8").splitlines()
    at = 0
    while at < len(lines):
        opened = _FENCE.fullmatch(lines[at])
        if opened is None:
            at += 1
            continue
        end = next((n for n in range(at + 1, len(lines)) if lines[n].strip() == opened[1]), None)
        assert end is not None, f"{page.name}:{at + 1}: the fence is never closed"
        needs = _NEEDS.fullmatch(lines[at - 1].strip()) if at else None
        wanted = tuple(part.strip() for part in needs[1].split(",")) if needs else ()
        blocks.append(Block(page, at + 1, opened[2], "\n".join(lines[at + 1 : end]) + "\n", wanted))
        at = end + 1
    return blocks


def indented_blocks(page: Path) -> list[Block]:
    """The blocks that are indented by four spaces, outside fences."""
    lines = _without_fences(page).splitlines()
    blocks: list[Block] = []
    for at, line in enumerate(lines):
        begins = line.startswith("    ") and (at == 0 or not lines[at - 1].strip())
        if begins:
            end = next((n for n in range(at, len(lines)) if not lines[n].startswith("    ")), len(lines))
            text = "\n".join(each[4:] for each in lines[at:end]) + "\n"
            blocks.append(Block(page, at + 1, "", text))
    return blocks


def code_spans(page: Path) -> list[tuple[str, str]]:
    """(place, text) of each piece of code inside a sentence; line breaks count as spaces."""
    text = _without_fences(page)
    return [
        (f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}", " ".join(found[2].split()))
        for paragraph in re.finditer(r"(?:.+\n?)+", text)
        for found in _SPAN.finditer(text, paragraph.start(), paragraph.end())
    ]


def _without_fences(page: Path) -> str:
    """The page with its fenced blocks emptied, so that lines keep their numbers."""
    lines = page.read_text("utf-8").splitlines()
    for block in fenced_blocks(page):
        for at in range(block.line - 1, block.line + block.text.count("\n") + 1):
            lines[at] = ""
    return "\n".join(lines) + "\n"
