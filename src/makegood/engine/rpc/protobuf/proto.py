"""`.proto` files as `makegood contracts` writes them: a model, its text, and the text read again.

https://protobuf.dev/programming-guides/proto3/. It reads what it writes, not the whole language.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from textwrap import wrap

PACKAGE = "makegood"
"""Of every file, and of the Java classes: Dubbo wants the two to be equal."""
FILES = Path(str(resources.files("makegood"))) / "proto" / PACKAGE
"""Where the files are: inside the package, so that whoever installs it has them."""
COMMON = "common"
"""The file of what several services say."""
HEAD = "// Written by `makegood contracts`: change the code, then run it. The numbers are kept from here."
WIDTH = 110


@dataclass(frozen=True)
class Field:
    """`label` is optional, repeated or empty; `number` 0 while it has none."""

    name: str
    type: str
    label: str = ""
    number: int = 0


@dataclass(frozen=True)
class Message:
    """A message; what is reserved was a field's once."""

    name: str
    fields: tuple[Field, ...]
    doc: str = ""
    reserved_numbers: tuple[int, ...] = ()
    reserved_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method:
    """An operation: the names of its messages."""

    name: str
    request: str
    answer: str
    doc: str = ""


@dataclass(frozen=True)
class File:
    """One service with the messages that only it uses; the common file has no service."""

    name: str
    messages: tuple[Message, ...]
    service: str = ""
    methods: tuple[Method, ...] = ()


def texts_of(files: Sequence[File]) -> dict[str, str]:
    """The text of each file, by its name: for the same files always the same."""
    common = {message.name for file in files if file.name == COMMON for message in file.messages}
    return {file.name: _text(file, common) for file in files}


def read_all(directory: Path) -> tuple[File, ...]:
    """Every file of a folder, by name. Raises ValueError for what this program did not write."""
    return tuple(parse(path.stem, path.read_text("utf-8")) for path in sorted(directory.glob("*.proto")))


def parse(name: str, text: str) -> File:
    """A file from its text, without what the comments say. Raises ValueError for what this program did not write."""
    service, methods = "", list[Method]()
    messages: list[Message] = []
    for keyword, title, body in re.findall(r"^(service|message) (\w+) \{\n(.*?)^\}$", text, re.MULTILINE | re.DOTALL):
        lines = [line.strip() for line in body.splitlines() if line.strip() and not line.strip().startswith("//")]
        if keyword == "service":
            service, methods = title, [_read_method(name, line) for line in lines]
        else:
            messages.append(_read_message(name, title, lines))
    return File(name, tuple(messages), service, tuple(methods))


def _text(file: File, common: Collection[str]) -> str:
    used = {name for message in file.messages for field in message.fields for name in re.findall(r"\w+", field.type)}
    used |= {name for method in file.methods for name in (method.request, method.answer)}
    lines = [HEAD, 'syntax = "proto3";', "", f"package {PACKAGE};", ""]
    if file.name != COMMON and used & set(common):
        lines += [f'import "{PACKAGE}/{COMMON}.proto";', ""]
    lines += [
        f'option java_package = "{PACKAGE}";',
        "option java_multiple_files = true;",
        f'option java_outer_classname = "{file.name.title().replace("_", "")}Proto";',
    ]
    if file.service:
        lines += ["", f"service {file.service} {{", *_methods(file.methods), "}"]
    for message in file.messages:
        lines += ["", *_comment(message.doc), f"message {message.name} {{", *_inside(message), "}"]
    return "\n".join(lines) + "\n"


def _methods(methods: Sequence[Method]) -> list[str]:
    names = {method.name for method in methods}
    lines: list[str] = []
    for method in methods:
        # Inside a service, protobuf takes the name of a method for that method, so its message is named in full.
        request, answer = (f".{PACKAGE}.{one}" if one in names else one for one in (method.request, method.answer))
        lines += [*_comment(method.doc, "  "), f"  rpc {method.name}({request}) returns ({answer});"]
    return lines


def _inside(message: Message) -> list[str]:
    lines: list[str] = []
    if message.reserved_numbers:
        lines.append(f"  reserved {', '.join(map(str, message.reserved_numbers))};")
    if message.reserved_names:
        quoted = [f'"{name}"' for name in message.reserved_names]
        lines.append(f"  reserved {', '.join(quoted)};")
    for field in message.fields:
        lines.append(f"  {field.label} {field.type} {field.name} = {field.number};".replace("   ", "  "))
    return lines


def _comment(doc: str, indent: str = "") -> list[str]:
    paragraphs = [" ".join(part.split()) for part in doc.split("\n\n") if part.strip()]
    wrapped = [wrap(part, WIDTH, break_long_words=False, break_on_hyphens=False) for part in paragraphs]
    joined = [line for part in wrapped for line in (*part, "")][:-1]
    return [f"{indent}// {line}".rstrip() for line in joined]


FIELD = re.compile(r"(?:(optional|repeated) )?(\w+|map<\w+, \w+>) (\w+) = (\d+);")
METHOD = re.compile(rf"rpc (\w+)\((?:\.{PACKAGE}\.)?(\w+)\) returns \((?:\.{PACKAGE}\.)?(\w+)\);")
RESERVED_NUMBERS = re.compile(r"reserved (\d+(?:, \d+)*);")
RESERVED_NAMES = re.compile(r'reserved ("\w+"(?:, "\w+")*);')


def _read_method(file: str, line: str) -> Method:
    found = METHOD.fullmatch(line)
    if found is None:
        raise _not_ours(file, line)
    return Method(*found.groups())


def _read_message(file: str, title: str, lines: Sequence[str]) -> Message:
    fields: list[Field] = []
    numbers: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    for line in lines:
        if found := FIELD.fullmatch(line):
            fields.append(Field(found[3], found[2], found[1] or "", int(found[4])))
        elif found := RESERVED_NUMBERS.fullmatch(line):
            numbers = tuple(map(int, found[1].split(", ")))
        elif found := RESERVED_NAMES.fullmatch(line):
            names = tuple(re.findall(r"\w+", found[1]))
        else:
            raise _not_ours(file, line)
    return Message(title, tuple(fields), "", numbers, names)


def _not_ours(file: str, line: str) -> ValueError:
    return ValueError(f"{file}.proto has a line that `makegood contracts` did not write: {line!r}; restore the file")
