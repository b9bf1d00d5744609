"""Reads a page as a browser under a strict policy would: what it loads, and what it would run."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "input", "img", "hr"}
_ADDRESSES = ("href", "src", "action", "data-poll", "formaction", "poster", "srcset")


class Page(HTMLParser):
    """One page, parsed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.links: dict[str, list[str]] = {}
        """Addresses by the text of the link, without space at its ends."""
        self.unclosed: list[str] = []
        self._link: str | None = None
        self._text = ""
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag not in _VOID:
            self.unclosed.append(tag)
        if tag == "a":
            self._link, self._text = given.get("href", ""), ""

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed, f"</{tag}> closes nothing"
        assert self.unclosed[-1] == tag, f"</{tag}> closes <{self.unclosed[-1]}>"
        self.unclosed.pop()
        if tag == "a" and self._link is not None:
            self.links.setdefault(" ".join(self._text.split()), []).append(self._link)
            self._link = None

    def handle_data(self, data: str) -> None:
        self._text += data
        self.text += data

    def addresses(self) -> list[str]:
        """Give every address in it."""
        return [given[name] for _, given in self.tags for name in _ADDRESSES if name in given]

    def forbidden(self) -> list[str]:
        """Name what a strict policy forbids."""
        found = []
        for tag, given in self.tags:
            if tag == "style" or (tag == "script" and "src" not in given):
                found.append(f"inline <{tag}>")
            found += [f"{name} of <{tag}>" for name in given if name.startswith("on")]
            found += [f"style of <{tag}>" for name in given if name == "style"]
        found += [
            one for one in self.addresses() if re.match(r"(?:[a-z]+:)?//|javascript:|data:", one)
        ]
        return found

    def ids(self) -> list[str]:
        """Give every id in it."""
        return [given["id"] for _, given in self.tags if "id" in given]
