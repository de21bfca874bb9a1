"""What a mutation is, and how it gets into a private copy of the shop's source."""

import shutil
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[3] / "src" / "makegood"
SEEDS = 60
"""Worlds in which a mutation must be found, unless it says otherwise."""
ORDERS = 50
"""Orders of each of these worlds, unless the mutation says otherwise."""

RARE = 200
"""Worlds for a mistake that shows only when several faults meet."""
MANY = 3.0
"""What the rates of all faults are multiplied by where more of them show a mistake sooner."""


class Rotten(Exception):
    """A mutation no longer fits the source: look at what became of the code it breaks, and write it anew."""


class Patch(NamedTuple):
    """In this file (under `src/makegood`) the old text, which occurs exactly once, becomes the new one."""

    file: str
    old: str
    new: str

    def apply(self, source: Path) -> None:
        """Changes the file in a copy of the source. Raises Rotten when the old text is not there exactly once."""
        text = self.fitting(source)
        (source / self.file).write_text(text.replace(self.old, self.new))

    def fitting(self, source: Path = SOURCE) -> str:
        """The file's text. Raises Rotten when the old text is not there exactly once."""
        path = source / self.file
        text = path.read_text() if path.exists() else ""
        if (count := text.count(self.old)) != 1:
            raise Rotten(f"{self.file} has {count} times, not once:\n{self.old}")
        return text


class Mutation(NamedTuple):
    """One mistake: what it `breaks` in a sentence, and in which worlds it is looked for.

    `first` is the first seed, `seeds` how many there are at most; `scale` multiplies the rates of all faults.
    `survives` says why no world finds it; it is empty when one does.
    """

    name: str
    breaks: str
    patches: tuple[Patch, ...]
    first: int = 1
    seeds: int = SEEDS
    orders: int = ORDERS
    scale: float = 1.0
    survives: str = ""


def copy_source(folder: Path) -> Path:
    """A copy of the shop's source in this folder: where its package is."""
    package = folder / "makegood"
    shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package
