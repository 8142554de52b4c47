"""The templates print any contents, know no name that there is not, and nothing that is not markup becomes any."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError, nodes
from jinja2.meta import find_undeclared_variables

from gmssl.explaining.counting import Blame
from gmssl.explaining.page.contents import Contents
from gmssl.explaining.page.matches import Accuracy
from gmssl.explaining.page.rendering import environment, to_html
from gmssl.explaining.pictures import Picture
from gmssl.system.pages import one_line

NAMELESS = "not named"
HOSTILE = ("<script>", "</p>", "</title></style>", "a\"b'c", "&amp;", "<!--", "\x00", "]]>", "{{ title }}", "{% raw %}")
TEXTS = st.one_of(st.text(), st.sampled_from(HOSTILE))
PICTURE = Picture("any", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 8, 4), b"dark")
ALWAYS, SOMETIMES = ("accuracy", "terms", "edges"), ("curves", "matched", "groups", "scatter", "solver")
PLAIN: dict[type, st.SearchStrategy[Any]] = {
    str: TEXTS,
    bool: st.booleans(),
    int: st.integers(1, 10_000),
    float: st.floats(-2, 2) | st.just(float("nan")),
    NoneType: st.none(),
    Picture: st.just(PICTURE),
}
SPECIAL: dict[tuple[type, str], st.SearchStrategy[Any]] = {
    (Blame, "wrong"): st.integers(0, 9),
    (Accuracy, "nameless"): st.just(NAMELESS),
    (Contents, "pictures"): st.sets(st.sampled_from(SOMETIMES)).map(
        lambda some: dict.fromkeys((*ALWAYS, *some), PICTURE)
    ),
}


def anything(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that contents are made of."""
    inner = get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        parts = {name: SPECIAL[kind, name] if (kind, name) in SPECIAL else anything(hints[name]) for name in hints}
        return st.builds(kind, **parts)
    if get_origin(kind) in (Union, UnionType):
        return st.one_of(*map(anything, inner))
    if get_origin(kind) is tuple:
        return st.lists(anything(inner[0]), max_size=2).map(tuple)
    assert get_origin(kind) is Mapping, f"contents hold no {kind}"
    return st.dictionaries(anything(inner[0]), anything(inner[1]), max_size=2)


CONTENTS = anything(Contents)


def harmless(value: Any) -> Any:
    """The same contents with "x" for every text."""
    if isinstance(value, str):
        return value if value in ("", NAMELESS) else "x"
    if is_dataclass(value) and not isinstance(value, Picture | type):
        return replace(
            value, **{f.name: harmless(getattr(value, f.name)) for f in fields(value) if f.name != "pictures"}
        )
    if isinstance(value, tuple):
        return tuple(map(harmless, value))
    if isinstance(value, Mapping):
        return {f"x{place}": harmless(inner) for place, inner in enumerate(value.values())}
    return value


class Seen(HTMLParser):
    """Elements, open and closed, with the names of their attributes; texts by element, and values of attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.skeleton: list[tuple[str, ...]] = []
        self.texts: dict[str, list[str]] = {}
        self.values: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.skeleton.append((tag, *(name for name, _ in attrs)))
        self.values += [value or "" for _, value in attrs]
        if tag not in ("meta", "source", "img"):
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.skeleton.append((f"/{tag}",))

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("templates write no comments into the page")


def legal(text: str) -> str:
    """What HTML can hold of a text."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text)


@settings(phases=[Phase.generate])  # a page is large: making a failing one small would take minutes
@given(CONTENTS)
def test_any_contents_make_a_page_whose_texts_stay_texts(contents: Contents) -> None:
    html = to_html(contents)
    seen = Seen(html)
    assert seen.skeleton == Seen(to_html(harmless(contents))).skeleton
    assert legal(html) == html
    assert seen.texts["title"] == [f"{legal(contents.title)} – gmssl explain"]
    assert seen.texts["h1"] == [legal(contents.title)]
    assert seen.texts["code"][0] == legal(contents.run.folder)
    assert seen.texts["code"][-1] == legal(contents.command)
    if contents.pairs.shown and contents.method.partners_known:
        pair = contents.pairs.shown[0]
        assert legal(pair.image) in seen.texts["code"]
        alt = f"Views of {pair.image} ({pair.group}) and of {pair.partner} ({pair.partner_group}), its wrong partner"
        assert re.sub("[ \t\n]+", " ", legal(alt)) in seen.values


@given(TEXTS)
def test_attributes_are_one_line(text: str) -> None:
    line = one_line(text)
    assert not re.search("[\t\n]|  |^ | $", line)
    assert re.sub("[ \t\n]", "", line.unescape()) == re.sub("[ \t\n]", "", text)
    assert not set(line) & set("<>\"'")
    assert one_line(line) == line, "what is escaped stays as it is"


def test_templates_know_only_names_that_there_are() -> None:
    """Read from the source, so that branches which no run takes count, too."""
    made = environment()
    hints = get_type_hints(Contents)
    names = made.list_templates(extensions=["jinja"])
    assert {"page.html.jinja", "parts.html.jinja", "solver.html.jinja"} <= set(names)
    for name in names:
        assert made.loader is not None
        tree = made.parse(made.loader.get_source(made, name)[0])
        own = {found.name for found in tree.find_all(nodes.Name) if found.ctx == "store"}
        assert find_undeclared_variables(tree) <= hints.keys() | own | {"style"}, name
        for found in tree.find_all(nodes.Filter):
            assert found.name in made.filters, f"{name}:{found.lineno}: there is no filter {found.name}"
        for asked in tree.find_all(nodes.Getattr):
            kind = hints.get(asked.node.name) if isinstance(asked.node, nodes.Name) else None
            if is_dataclass(kind):
                assert asked.attr in {f.name for f in fields(kind)}, f"{name}:{asked.lineno}: no {asked.attr}"


def test_a_name_that_there_is_not_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="titel"):
        environment().from_string("<h1>{{ titel }}</h1>").render(title="x")
