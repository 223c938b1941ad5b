"""Write the pages that are derived from the code: commands, settings, assets, the picture.

`make docs` runs it; `tests/docs/test_generated_pages.py` fails when a page is behind the code.
Nothing here reads the environment, so every machine writes the same bytes.
"""

from pathlib import Path
from typing import Final

from page_writers.assets import assets_page, picture
from page_writers.commands import cli_page
from page_writers.completions import completion_table
from page_writers.observability import events_table, metrics_table
from page_writers.settings import settings_page
from page_writers.warehouse import graph_file

from torghut_assets.domain.evidence.schemas import published_schemas
from torghut_assets.domain.stages.diagram import mermaid
from torghut_assets.domain.stages.loader import load_pipeline

ROOT: Final = Path(__file__).resolve().parent.parent
_GRAPH_START: Final = "<!-- graph: written by docs/generate.py -->\n"
_GRAPH_END: Final = "<!-- end of graph -->"


def readme() -> str:
    """Return the README with the picture of the graph as it is now."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(_GRAPH_START)
    _, _, after = rest.partition(_GRAPH_END)
    return before + _GRAPH_START + picture() + _GRAPH_END + after


_PIPELINE_START: Final = "<!-- pipeline: written by docs/generate.py -->\n"
_PIPELINE_END: Final = "<!-- end of pipeline -->"


def pipeline_page() -> str:
    """Return the page of the pipeline with the picture of the stages as the file says it."""
    text = (ROOT / "docs/pipeline.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(_PIPELINE_START)
    _, _, after = rest.partition(_PIPELINE_END)
    file = ROOT / "torghut_assets/config/pipeline.yaml"
    drawn = f"```mermaid\n{mermaid(load_pipeline(file.read_bytes()))}```\n"
    return before + _PIPELINE_START + drawn + _PIPELINE_END + after


def observability_page() -> str:
    """Return the page of metrics and events with the tables as the code has them."""
    text = (ROOT / "docs/observability.md").read_text(encoding="utf-8")
    for name, written in (("metrics", metrics_table()), ("events", events_table())):
        start, end = f"<!-- {name}: written by docs/generate.py -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(start)
        text = before + start + written + end + rest.partition(end)[2]
    return text


PAGES: Final = {
    "dbt/graph.json": graph_file,  # before what is written from the graph
    "docs/pipeline.md": pipeline_page,
    "docs/cli.md": cli_page,
    "docs/observability.md": observability_page,
    "docs/settings.md": settings_page,
    "docs/assets.md": assets_page,
    "README.md": readme,
    "torghut_assets/cli/commands.json": completion_table,
}
"""Path below the root, and what writes it."""


def main() -> None:
    """Write every page and published schema that changed."""
    texts = {path: write() for path, write in PAGES.items()}
    texts |= {f"torghut_assets/schemas/{n}": text for n, text in published_schemas().items()}
    for path, text in texts.items():
        target = ROOT / path
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
