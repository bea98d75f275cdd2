"""A page as a browser would read it."""

from html.parser import HTMLParser

MODEL = "toy"
CARD = b"<!doctype html><style>p {color: red}</style><p>The card</p><script>alert(1)</script>"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.tags, self.pieces, self.text = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("href", "src", "action", "data", "srcset") if name in found]

    def handle_data(self, data):
        if self.tags[-1:] and self.tags[-1][0] in ("style", "script"):
            return
        self.text += data
        self.pieces.append(data)

    @property
    def said(self):
        """What is written, cells and lines kept apart by one space."""
        return " ".join(" ".join(self.pieces).split())


def reader():
    return lambda model: model != "secret"
