"""A Markdown page on a terminal, with tables that fold what does not fit instead of cutting it."""

from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, MarkdownElement, TableElement
from rich.table import Table


class _FoldedTable(TableElement):
    """Rich would cut a long word in a narrow column; a fact must not go that way."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._folded(super().__rich_console__(console, options))

    def _folded(self, made: RenderResult) -> RenderResult:
        for item in made:
            if isinstance(item, Table):
                for column in item.columns:
                    column.overflow = "fold"
            yield item


class Page(Markdown):
    """A page as Rich shows it, no word of a table cut."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "table_open": _FoldedTable,
    }
