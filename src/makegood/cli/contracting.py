"""`makegood contracts`."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from makegood.cli.failure import CommandFailed
from makegood.engine.rpc.protobuf.naming import Said, files_of
from makegood.engine.rpc.protobuf.numbering import breaks, numbers_of, renewed
from makegood.engine.rpc.protobuf.proto import FILES, File, read_all, texts_of
from makegood.engine.service import AsyncOperationSpec, OperationSpec, Service
from makegood.shop.assembly import CLASSES


class Changes(NamedTuple):
    """How the code differs from the files: those to write or (None) delete, and what others would not understand."""

    texts: dict[Path, str | None]
    breaks: list[str]


def renew(directory: Path = FILES, *, accept_breaks: bool, as_json: bool) -> None:
    """Writes the files anew from the code. Raises CommandFailed for a break that is not accepted."""
    changes = _changes(directory, directory)
    if changes.breaks and not accept_breaks:
        raise CommandFailed(f"{'; '.join(changes.breaks)}: undo that, or accept it with --accept-breaks")
    try:
        _write(directory, changes)
    except OSError as error:
        raise CommandFailed(f"{error.filename} cannot be written: {error.strerror}") from error
    _show(changes, as_json=as_json)


def check(directory: Path = FILES, against: Path | None = None, *, as_json: bool) -> None:
    """Raises CommandFailed when the files are not what the code says, or break what stood in the folder `against`."""
    changes = _changes(directory, against or directory)
    if as_json:
        _show(changes, as_json=True)
    if changes.breaks:
        raise CommandFailed(f"{'; '.join(changes.breaks)}: undo that, or accept it with --accept-breaks")
    if changes.texts:
        raise CommandFailed(f"{_names(changes)} differ from the code: run `makegood contracts`")


def export(directory: Path) -> None:
    """Copies the files, for other languages, into `directory/makegood`."""
    try:
        shutil.copytree(FILES, directory / FILES.name, dirs_exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"{directory} cannot be written: {error}; give another folder") from error
    print(f"the contracts are in {directory / FILES.name}")


def said_by(classes: Sequence[type[Service]]) -> list[Said]:
    """What other processes can ask these services."""
    specs = [spec for kind in (OperationSpec, AsyncOperationSpec) for one in classes for spec in one.specs(kind)]
    return [Said(spec.contract, spec.function.__doc__ or "") for spec in specs if not spec.contract.private]


def _changes(directory: Path, base: Path) -> Changes:
    old = _read(directory)
    try:
        new = renewed(files_of(said_by(CLASSES)), old)
    except ValueError as error:
        raise CommandFailed(str(error)) from error
    texts: dict[Path, str | None] = {
        directory / f"{name}.proto": text
        for name, text in texts_of(new).items()
        if not _is_already(directory / f"{name}.proto", text)
    }
    gone = {file.name for file in old} - {file.name for file in new}
    texts |= dict.fromkeys([directory / f"{name}.proto" for name in sorted(gone)])
    return Changes(texts, breaks(old if base == directory else _before(base), new))


def _before(directory: Path) -> tuple[File, ...]:
    files = _read(directory)
    if not files:
        raise CommandFailed(f"there are no .proto files in {directory} to compare with: give the folder they are in")
    return files


def _read(directory: Path) -> tuple[File, ...]:
    try:
        files = read_all(directory)
        numbers_of(files)
    except (OSError, ValueError) as error:
        raise CommandFailed(str(error)) from error
    return files


def _is_already(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


def _write(directory: Path, changes: Changes) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for path, text in changes.texts.items():
        if text is None:
            path.unlink()
        else:
            path.write_text(text, "utf-8")


def _names(changes: Changes) -> str:
    return ", ".join(path.name for path in changes.texts)


def _show(changes: Changes, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"changed": [path.name for path in changes.texts], "breaks": changes.breaks}, indent=2))
    else:
        print(f"written: {_names(changes)}" if changes.texts else "the files are what the code says")
