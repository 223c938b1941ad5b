"""The README of a pack: what is in it, and how to check it without any program of ours."""

_TEXT = """\
# Audit pack of {candidate}

This file holds one decision with everything that it rests on. It is a plain ZIP file; nothing
in it is compressed, encrypted or executable.

## Check that no byte was changed

    unzip pack.zip -d pack && cd pack
    sha256sum --check --quiet SHA256SUMS

No output means that every file is as it was. The name of a record or table is its own SHA-256.
That proves that the pack agrees with itself. Whether it is the pack that was made is proved by
the signature in `proof/export.json`, and by a tree head that was kept somewhere else:

    torghut audit verify pack.zip --anchor head.json

That needs no network and no installation of the project that made the pack: it checks every
signature, role and proof, and decides every gate again from the records.

## What is where

| name | content |
| --- | --- |
| `report.html` | the decision on one page, for a browser; it loads nothing |
| `pack.json` | every file with its digest, and which records the pack begins with |
| `records/` | records and policies in canonical JSON, each named by its SHA-256 |
| `tables/` | Parquet tables, each named by its SHA-256{tables} |
| `ledger/` | signed statements about them: in-toto Statements in DSSE envelopes |
| `proof/` | the signed statement about `pack.json`, leaf hashes and head of the ledger |
| `trials/`, `receipts/` | the whole trial register and all stage receipts, chained by digest |
| `salts/` | salts of the fields that may be taken out with `torghut audit redact` |
| `schemas/` | JSON Schemas of all that is signed |

The form of every file is specified in `docs/evidence.md` of the project.
"""


def readme_text(candidate: str, *, with_data: bool) -> str:
    """Return the README of a candidate's pack."""
    tables = "" if with_data else "; left out of this pack, their digests are in `pack.json`"
    return _TEXT.format(candidate=candidate, tables=tables)
