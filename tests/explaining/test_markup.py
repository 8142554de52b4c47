"""Nothing that is not markup becomes any."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from gmssl.explaining.markup import Html, escaped, join, paragraph, table, tag

TEXTS = st.one_of(st.text(), st.sampled_from(["<script>", "</p>", "a\"b'c", "&amp;", "<!--", "\x00", "]]>"]))


class Seen(HTMLParser):
    """Elements, attributes and text of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[str | None] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [value for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXTS, TEXTS)
def test_text_stays_text(text: str, attribute: str) -> None:
    seen = Seen(paragraph(text, tag("code", text, title=attribute)))
    assert seen.tags == ["p", "code"]
    assert len(seen.attributes) == 1
    plain = "".join(character for character in text if character.isprintable())
    assert (
        "".join(character for character in seen.text if character.isprintable())
        .replace("\ufffd", "")
        .endswith(plain.replace("\ufffd", ""))
    )


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=4))
def test_cells_stay_cells(rows: list[tuple[str, str]]) -> None:
    seen = Seen(table(("a", "b"), rows, "numbers"))
    assert seen.tags.count("td") == 2 * len(rows)
    assert set(seen.tags) <= {"div", "table", "caption", "thead", "tbody", "tr", "th", "td"}


def test_markup_is_not_escaped_twice() -> None:
    once = escaped("<&>")
    assert once == "&lt;&amp;&gt;"
    assert escaped(once) is once
    assert join(("<", Html("<br>"))) == "&lt;<br>"
    assert tag("img", alt='"', aria_label="x") == '<img alt="&quot;" aria-label="x">'
