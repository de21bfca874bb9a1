"""The pages are whole, small, and keep to the content security policy they are served with."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from makegood.web.asgi import SECURITY
from makegood.web.pages import read_pages
from makegood.web.problems import KINDS

PAGES = Path(__file__).parents[3] / "src/makegood/web/static"
FILES = sorted(PAGES.iterdir())
HTML = [file for file in FILES if file.suffix == ".html"]
SCRIPTS = [file for file in FILES if file.suffix == ".js"]
STYLES = [file for file in FILES if file.suffix == ".css"]
SERVED = ("/", "/ops", "/docs")
"""Addresses that the application serves itself."""
OPERATORS_ONLY = {"load_in_progress", "amount_exceeds_captured", "day_not_over"}
"""Refusals of calls that neither page makes."""
FORBIDDEN = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "document.cookie",
    "localStorage",
    "style:",
    "EventSource",
)
"""What would put text into markup, break the policy, or keep a token where others see it."""


class Elements(HTMLParser):
    """Collects every start tag with its attributes, and the text inside scripts and styles."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Notes text that a browser would run or apply."""
        if self.cdata_elem is not None:
            self.inline += data.strip()


def addresses(page: Path) -> Iterator[str]:
    """Every address that the page names."""
    for _, attributes in Elements(page).tags:
        for name in ("href", "src", "action", "data", "poster", "srcset", "formaction"):
            if value := attributes.get(name):
                yield value


def code_of(file: Path) -> str:
    """The file without its comments."""
    return re.sub(r"/\*.*?\*/|^\s*//.*$", "", file.read_text(), flags=re.DOTALL | re.MULTILINE)


def imports(script: Path) -> set[str]:
    """The names of the modules that a script imports."""
    return set(re.findall(r'^import .*? from "\./([^"]+)";$', script.read_text(), re.MULTILINE))


def reached(page: Path) -> set[str]:
    """The files that a page needs, directly or through its modules."""
    todo = [address.removeprefix("/static/") for address in addresses(page) if address.startswith("/static/")]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(imports(PAGES / name) if name.endswith(".js") else ())
    return found


@pytest.mark.parametrize("page", HTML, ids=lambda page: page.name)
def test_every_address_of_a_page_is_served(page: Path) -> None:
    """An address is one of the application's own, a file of the folder, or a place in the page."""
    for address in addresses(page):
        path, _, _ = address.partition("#")
        assert path in ("", *SERVED) or (PAGES / path.removeprefix("/static/")).is_file(), address


def test_every_import_exists() -> None:
    """A module imports only modules of the folder, by relative names, and only what they export."""
    for script in SCRIPTS:
        for names, module in re.findall(r'^import \{([^}]*)\} from "([^"]+)";$', script.read_text(), re.MULTILINE):
            source = (PAGES / module.removeprefix("./")).read_text()
            for name in names.split(","):
                assert re.search(rf"^export .*\b{name.strip()}\b", source, re.MULTILINE), f"{script.name}: {name}"
        assert len(re.findall(r"^import ", script.read_text(), re.MULTILINE)) == len(imports(script)), script.name


def test_nothing_is_left_over() -> None:
    """Every file of the folder is a page, or needed by one."""
    needed = set[str]().union(*(reached(page) for page in HTML))
    assert {file.name for file in FILES} == needed | {page.name for page in HTML}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_names_another_host(file: Path) -> None:
    """No address leads to another host; an SVG's own namespace is a name, and is never fetched."""
    text = code_of(file).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"(?:https?:)?//[\w\[]", text)


@pytest.mark.parametrize("page", HTML, ids=lambda page: page.name)
def test_no_inline_script_or_style(page: Path) -> None:
    """The policy allows neither inline scripts nor inline styles, so a page has none."""
    elements = Elements(page)
    assert elements.inline == ""
    for tag, attributes in elements.tags:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_make_no_markup_of_text(script: Path) -> None:
    """Scripts build elements, run no text as code, and keep nothing in cookies."""
    code = code_of(script)
    assert [word for word in FORBIDDEN if word in code] == []


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_styles_fetch_nothing(style: Path) -> None:
    """A style sheet stands alone."""
    assert "url(" not in style.read_text()
    assert "@import" not in style.read_text()


def test_policy_is_the_one_the_pages_are_made_for() -> None:
    """The pages are served with a policy that allows this host alone."""
    policy = dict(SECURITY)[b"content-security-policy"].decode()
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_files_are_small() -> None:
    """A file can be read in one sitting."""
    assert [file.name for file in FILES if len(file.read_text().splitlines()) >= 300] == []
    assert set(read_pages(PAGES)) == {file.name for file in FILES}


def test_every_refusal_has_a_sentence() -> None:
    """What a buyer or an operator can be refused is told in words."""
    told = set(re.findall(r'^  (\w+): "', (PAGES / "words.js").read_text(), re.MULTILINE))
    refusals = {code for code, kind in KINDS.items() if kind.status in (401, 403, 404, 409, 429, 503)}
    assert refusals - OPERATORS_ONLY <= told
