"""The page of settings: environment variables and the shipped setting files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

import torghut_assets
from page_writers.markdown import NOTICE, inline, table

CONFIG: Final = Path(torghut_assets.__file__).parent / "config"


class Variable(NamedTuple):
    """An environment variable that the code reads or sets."""

    name: str
    default: str
    meaning: str


ENVIRONMENT: Final = (
    Variable(
        "TORGHUT_HOME",
        "`.torghut` in the working directory",
        "The folder of all state: submitted candidates, records, trial register, reports.",
    ),
    Variable(
        "DAGSTER_HOME",
        "`dagster` in the home",
        "The Dagster instance: runs, event log, partitions.",
    ),
    Variable(
        "TORGHUT_TRIAL_ANCHOR",
        "`anchors/trials.json` in the home",
        "File that remembers the head of the trial register. Put it where those who run "
        "backtests cannot write freely; see [trials](trials.md). The anchors of the stage "
        "receipts and of the ledger lie beside it.",
    ),
    Variable(
        "TORGHUT_LEDGER_URL",
        "the SQLite file in the home",
        "Address of a team's ledger in PostgreSQL, with its credentials; never logged. See "
        "[evidence](evidence.md#in-postgresql).",
    ),
    Variable(
        "TORGHUT_STORE_URL",
        "the folder `store` in the home",
        "`s3://BUCKET/PREFIX`: artifacts on S3-compatible storage (extra `team`). Never with "
        "credentials. See [evidence](evidence.md#on-s3-compatible-storage).",
    ),
    Variable(
        "AWS_ACCESS_KEY_ID",
        "–",
        "Access key of that storage. Never stored or logged. Other variables of the AWS clients "
        "(session token, web identity) are read, too.",
    ),
    Variable("AWS_SECRET_ACCESS_KEY", "–", "Secret key of that storage. Never stored or logged."),
    Variable("AWS_ENDPOINT_URL", "AWS's own", "Address of another S3-compatible storage."),
    Variable("AWS_REGION", "`us-east-1`", "Region of the bucket."),
    Variable(
        "TORGHUT_EVENT_LOG",
        "–",
        "File to which one JSON object per event is appended, or `-` for standard error. See "
        "[observability](observability.md#structured-log).",
    ),
    Variable(
        "TORGHUT_DAGSTER_URL",
        "none",
        "Address of Dagster's own database, as SQLAlchemy reads it; only "
        "`deploy/team/dagster.yaml` names it. See [deploying](deploying.md).",
    ),
    Variable(
        "TORGHUT_BROKER_URL",
        "none",
        "Address of the Redis that hands runs to workers; only `deploy/team/dagster.yaml` names "
        "it. See [deploying](deploying.md).",
    ),
    Variable(
        "TORGHUT_KEY_PASSPHRASE",
        "–",
        "Passphrase of a person's key, for signing without a terminal; else there is a prompt. "
        "Never stored, logged or passed as an argument.",
    ),
    Variable(
        "TORGHUT_LINEAGE",
        "–",
        "Where OpenLineage events go: an http(s) URL, or `file:PATH`. See [lineage](lineage.md).",
    ),
    Variable(
        "OPENLINEAGE_API_KEY",
        "–",
        "Key of the OpenLineage collector, sent as a bearer token. Never stored or logged.",
    ),
    Variable(
        "DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME",
        "–",
        "Set by `torghut env`, read by Dagster: `dagster asset materialize` then works without "
        "`-m`.",
    ),
    Variable(
        "APCA_API_KEY_ID", "–", "Key of Alpaca's data and paper accounts. Never stored or logged."
    ),
    Variable(
        "APCA_API_SECRET_KEY",
        "–",
        "Secret of Alpaca's data and paper accounts. Never stored or logged.",
    ),
    Variable("APCA_API_DATA_URL", "Alpaca's own", "Another address of Alpaca's data service."),
    Variable("APCA_API_BASE_URL", "Alpaca's own", "Another address of Alpaca's paper trading."),
)


def settings_page() -> str:
    """Return the environment variables and every value of every shipped setting file."""
    parts = [
        NOTICE,
        "# Settings\n",
        "## Environment\n",
        table(
            ("variable", "default", "meaning"),
            ((f"`{v.name}`", v.default, v.meaning) for v in ENVIRONMENT),
        ),
        "## Files\n",
        (
            "A file of the same name in the folder `config` of the home replaces the shipped\n"
            "one as a whole. A changed setting is a changed input: what was made under the old\n"
            "one is stale, `torghut run` makes it again, and the old records stay.\n"
            "`universes.yaml` is the exception: add your own universes in the folder `universes`\n"
            "of the home ([data sources](data-sources.md)).\n"
        ),
    ]
    for path in sorted(CONFIG.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        parts.append(f"### {path.name}\n")
        parts.append(_opening_comment(path) + "\n")
        if "stages" in document:
            parts.append("Its stages, transitions and rules: [the pipeline](pipeline.md).\n")
            continue
        parts.append(_limits(document) if "gates" in document else _values(document, path))
    return "\n".join(parts)


def _opening_comment(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    opening: list[str] = []
    for line in lines:
        if not line.startswith("#"):
            break
        opening.append(line.lstrip("# "))
    return "\n".join(opening)


def _comments_above_keys(path: Path) -> dict[str, str]:
    """Return the comment right above each top-level key, without the file's opening comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    above: dict[str, str] = {}
    pending: list[str] = []
    for line in lines[len(_opening_comment(path).splitlines()) :]:
        if line.startswith("#"):
            pending.append(line.lstrip("# "))
            continue
        if pending and line[:1].isalpha():
            above[line.partition(":")[0]] = " ".join(pending)
        pending = []
    return above


def _values(document: dict[str, Any], path: Path) -> str:
    """Tabulate a file of named values, each with its source or the comment above it."""
    sources = _comments_above_keys(path) | document.get("sources", {})
    named = [(n, v) for n, v in _flat(document) if not n.startswith("sources.")]
    if not sources:
        return table(("setting", "value"), ((f"`{n}`", inline(v)) for n, v in named))
    rows, told = [], None
    for name, value in named:
        source = sources.get(name, sources.get(name.partition(".")[0]))
        why = "as above" if source is not None and source is told else inline(source)
        rows.append((f"`{name}`", inline(value), why))
        told = source
    return table(("setting", "value", "why this value"), rows)


def _limits(document: dict[str, Any]) -> str:
    """Tabulate a policy gate by gate."""
    parts = [f"Version {document['policy_version']}.\n"]
    for gate in document["gates"]:
        parts.append(f"**{gate['gate_id']}**\n")
        parts.append(
            table(
                ("limit", "kept if", "unit", "required for", "source"),
                (
                    (
                        f"`{limit['name']}`",
                        f"{'≥' if limit['bound'] == 'at_least' else '≤'} {limit['limit']}",
                        limit["unit"],
                        limit["required_for"].replace("_", " "),
                        inline(limit["source"]),
                    )
                    for limit in gate["limits"]
                ),
            )
        )
    return "\n".join(parts)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            label = item.get("name", item.get("id", value.index(item)))
            yield from _flat(item, f"{name}[{label}]")
    else:
        yield name, value
