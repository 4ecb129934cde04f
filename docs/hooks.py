"""What mkdocs is told to do as well: patterns in the nav, the page of settings, nothing from elsewhere.

It needs nothing of mkdocs, so that `tests/test_docs.py` can use the same functions.
"""

from __future__ import annotations

import re
import types
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from lineage.config import Config

DOCS = Path(__file__).parent
SETTINGS_GO_HERE = (
    "<!-- The tables of all settings are put here by docs/hooks.py, from lineage/config.py. -->"
)
SHIM = "style/iframe-worker.js"
SHIM_ELSEWHERE = "https://unpkg.com/iframe-worker/shim"  # as the theme's plugin `offline` writes it
FOUND_FIRST = {"glossary.md": 3.0, "troubleshooting.md": 2.0, "results.md": 2.0}  # by the search
_WORDS = {"Path": "path", "str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
_BOUNDS = {"ge": "{} or more", "gt": "above {}", "le": "{} or less", "lt": "below {}"}


def named(nav: list[Any]) -> set[str]:
    """Every page that a nav names, at whatever depth; patterns as they stand."""
    found: set[str] = set()
    for entry in nav:
        inner = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found |= named(inner) if isinstance(inner, list) else {inner}
    return found


def expanded(nav: list[Any], docs: Path = DOCS) -> list[Any]:
    """The nav with each pattern replaced by the pages that it fits and that no other line names.

    Args:
        nav: as `mkdocs.yml` holds it.
        docs: the folder of the pages.
    """
    taken = named(nav)

    def of(entries: list[Any]) -> list[Any]:
        result: list[Any] = []
        for entry in entries:
            if isinstance(entry, dict):
                ((title, inner),) = entry.items()
                result.append({title: of(inner) if isinstance(inner, list) else inner})
            elif "*" in entry:
                fitting = sorted(path.relative_to(docs).as_posix() for path in docs.glob(entry))
                result += [page for page in fitting if page not in taken]
            else:
                result.append(entry)
        return result

    return of(nav)


def settings_tables() -> str:
    """A table for each section of a settings file: name, what it is, values, default."""
    fields = Config.model_fields
    sections = {name: field.annotation for name, field in fields.items() if _is_section(field.annotation)}
    outer = [name for name in fields if name not in sections]
    parts = ["## Outside all sections", _table(Config, outer, "")]
    for name, model in sections.items():
        parts += [
            f"## `[{name}]`",
            (model.__doc__ or "").strip(),
            _table(model, list(model.model_fields), name),
        ]
    return "\n\n".join(parts)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _table(model: type[BaseModel], names: list[str], section: str) -> str:
    lines = ["| setting | what it is | value | if left out |", "|---|---|---|---|"]
    for name in names:
        field = model.model_fields[name]
        if not field.description:
            raise ValueError(f"setting {section}.{name} has no description in lineage/config.py: write one")
        bounds = [
            words.format(getattr(bound, key))
            for bound in field.metadata
            for key, words in _BOUNDS.items()
            if hasattr(bound, key)
        ]
        value = ", ".join([_value(field.annotation), *bounds])
        default = "" if field.default is None else f"`{_toml(field.default)}`"
        lines.append(f"| `{name}` | {field.description} | {value} | {default} |")
    return "\n".join(lines)


def _value(annotation: Any) -> str:
    """A type in words: `int | None` is a whole number."""
    if get_origin(annotation) is tuple:
        inner = [word for word in get_args(annotation) if word is not Ellipsis]
        return f"{'a pair' if len(inner) == 2 else 'a list'}, each {_value(inner[0])}"
    if isinstance(annotation, types.UnionType):
        return " or ".join(_value(one) for one in get_args(annotation) if one is not type(None))
    return _WORDS[annotation.__name__]


def _toml(value: object) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f'"{value}"'
        if isinstance(value, str)
        else f"{value}"
    )


class _Loaded(HTMLParser):
    """What a page has the browser load, and from where: links to be clicked load nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed"):
            self.addresses.append(given.get("src") or "")
        elif tag == "link" and given.get("rel") not in ("canonical", "prev", "next", "alternate"):
            self.addresses.append(given.get("href") or "")


def loaded_from_elsewhere(html: str) -> list[str]:
    """Addresses on other hosts that a browser loads with this page."""
    page = _Loaded()
    page.feed(html)
    return [address for address in page.addresses if re.match(r"(https?:)?//", address)]


def on_config(config: Any) -> Any:
    """Called by mkdocs: the nav without patterns."""
    config.nav = expanded(config.nav, Path(config.docs_dir))
    return config


def on_page_markdown(markdown: str, page: Any = None, **_: Any) -> str:
    """Called by mkdocs for each page: the settings are put into theirs; the search finds the diary last."""
    if page is not None:
        path = page.file.src_uri
        page.meta["search"] = {"boost": 0.2 if path.startswith("lab/") else FOUND_FIRST.get(path, 1.0)}
    return markdown.replace(SETTINGS_GO_HERE, settings_tables())


def on_post_build(config: Any) -> None:
    """Called by mkdocs at the end: a page that loads anything from another host ends the build."""
    site = Path(config.site_dir)
    for page in sorted(site.rglob("*.html")):
        html = page.read_text(encoding="utf-8")
        up = "../" * (len(page.relative_to(site).parts) - 1)
        html = html.replace(SHIM_ELSEWHERE, f"{up}{SHIM}")
        if found := loaded_from_elsewhere(html):
            raise SystemExit(f"{page} would load from elsewhere: {', '.join(found)}")
        page.write_text(html, encoding="utf-8")
    for sheet in sorted(site.rglob("*.css")):
        if found := re.findall(r"url\(['\"]?((?:https?:)?//[^)'\"]+)", sheet.read_text(encoding="utf-8")):
            raise SystemExit(f"{sheet} would load from elsewhere: {', '.join(found)}")
