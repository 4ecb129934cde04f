"""The documents: links hold, the nav names every page, settings and messages are those of the code."""

import ast
import importlib.util
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from lineage.config import Config

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
OTHERS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "classifier" / "weights" / "README.md"]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def hooks():
    """`docs/hooks.py`, which mkdocs loads by its path, too."""
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prose(text: str) -> str:
    """A page without front matter and code."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"(?<=\n\n)(?: {4}.*\n|\n)+", "\n", text)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(text: str) -> set[str]:
    """Of a page's headings, as Python-Markdown and GitHub write them."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}


def broken(page: Path, text: str) -> list[str]:
    """The links of a page that lead nowhere; addresses elsewhere are not looked at."""
    found = []
    for link in LINK.findall(prose(text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            anchor and anchor not in anchors(text if target == page else target.read_text(encoding="utf-8"))
        ):
            found.append(link)
    return found


def nav() -> list:
    """As `mkdocs.yml` holds it."""
    return yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]


def literals() -> str:
    """Every text in the code, … for what a message puts in."""
    found = [(ROOT / "Makefile").read_text(encoding="utf-8")]
    for package in ("lineage", "classifier", "pipelines"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
                elif isinstance(node, ast.JoinedStr):
                    parts = (v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
                    found.append("".join(parts))
    return "\0".join(found)


@pytest.mark.parametrize("page", [*OTHERS, *PAGES], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_anchors_hold(page):
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_a_broken_link_is_found():
    text = (
        "# One\n\n[a](no.md) [b](#two) [c](#one) [d](trust.md#the-table) ![e](no.png)\n\n    [code](no.md)\n"
    )
    assert broken(DOCS / "index.md", text) == ["no.md", "#two", "no.png"]


def test_pages_link_to_nothing_outside_the_site():
    """On the site there is nothing but `docs`."""
    for page in PAGES:
        for link in LINK.findall(prose(page.read_text(encoding="utf-8"))):
            target = (page.parent / link.partition("#")[0]).resolve()
            assert re.match(r"[a-z]+:", link) or target.is_relative_to(DOCS), f"{page.name}: {link}"


def test_the_nav_names_every_page_once():
    module = hooks()
    expanded = module.expanded(nav())
    flat = []

    def walk(entries):
        for entry in entries:
            inner = next(iter(entry.values())) if isinstance(entry, dict) else entry
            walk(inner) if isinstance(inner, list) else flat.append(inner)

    walk(expanded)
    assert sorted(flat) == [page.relative_to(DOCS).as_posix() for page in PAGES]


def test_a_pattern_in_the_nav_leaves_out_what_is_named(tmp_path):
    for name in ("a.md", "b.md", "c.md"):
        (tmp_path / name).touch()
    assert hooks().expanded([{"First": "b.md"}, {"All": ["*.md"]}], tmp_path) == [
        {"First": "b.md"},
        {"All": ["a.md", "c.md"]},
    ]


def test_every_picture_is_shown():
    text = "".join(page.read_text(encoding="utf-8") for page in [*PAGES, ROOT / "README.md"])
    pictures = [path.name for kind in ("*.png", "*.svg") for path in DOCS.rglob(kind)]
    assert [name for name in pictures if name not in text and name != "logo.svg"] == []


def test_the_page_of_settings_has_every_setting():
    module = hooks()
    assert module.SETTINGS_GO_HERE in (DOCS / "settings.md").read_text(encoding="utf-8")
    page = module.on_page_markdown(module.SETTINGS_GO_HERE)
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)[1:]
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    for name, field in Config.model_fields.items():
        fields = getattr(field.annotation, "model_fields", None)
        where = sections["Outside all sections"] if fields is None else sections[f"`[{name}]`"]
        for setting in [name] if fields is None else fields:
            assert f"| `{setting}` | " in where, f"{name}.{setting}"
    assert "| `min_area` | objects below" in page
    assert "| number, 0 or more, 0.5 or less | `0.08` |" in page


def test_a_setting_without_description_is_no_page():
    from pydantic import BaseModel

    class Bare(BaseModel):
        length: int = 3

    with pytest.raises(ValueError, match=r"setting x\.length has no description"):
        hooks()._table(Bare, ["length"], "x")


def test_messages_in_troubleshooting_are_those_of_the_code():
    text, said = (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), literals()
    messages = [
        message
        for row in re.findall(r"^\| (`.*?) \| ", text, flags=re.MULTILINE)
        for message in re.findall(r"`([^`]+)`", row)
    ]
    assert len(messages) > 40
    for message in messages:
        pattern = ".{0,120}?".join(re.escape(part) for part in message.split("…"))
        assert re.search(pattern, said), f"nothing says: {message}"


def test_what_a_page_loads_from_elsewhere_is_found():
    html = (
        '<a href="https://example.org"></a><link rel="canonical" href="https://example.org">'
        '<script src="https://example.org/a.js"></script><link rel="stylesheet" href="//example.org/b.css">'
        '<img src="figures/a.png">'
    )
    assert hooks().loaded_from_elsewhere(html) == ["https://example.org/a.js", "//example.org/b.css"]
