"""Wheels that are used as they come: not installed, for they are huge, or share their package's name with another."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

STORE = Path(__file__).resolve().parents[2] / "build" / "oracles"
SECONDS = 300.0
"""Within which they have to be there."""


def wheels(requirements: Path) -> list[Path]:
    """The wheels that a file of requirements pins by hash, kept from one run to the next."""
    folder = STORE / requirements.stem
    if not folder.exists():
        STORE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=STORE) as here:
            wanted = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(requirements), "-d", here]
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", *wanted], check=True, timeout=SECONDS)
            _keep(Path(here), folder)
    return sorted(folder.glob("*.whl"))


@contextmanager
def only(package: str, found: list[Path]) -> Generator[None]:
    """Imports the package from these wheels; what was imported under its name before is back afterwards."""
    hidden = _take_out(package)
    places = [str(wheel) for wheel in found]
    sys.path[:0] = places
    try:
        yield
    finally:
        sys.path[:] = [place for place in sys.path if place not in places]
        _take_out(package)
        sys.modules.update(hidden)


def _take_out(package: str) -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    return {name: sys.modules.pop(name) for name in names}


def _keep(here: Path, folder: Path) -> None:
    """Another test process may have been faster: its wheels are the same."""
    made = here / "whole"
    made.mkdir()
    for wheel in here.glob("*.whl"):
        wheel.rename(made / wheel.name)
    try:
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise
