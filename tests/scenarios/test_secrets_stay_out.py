"""Seeded secrets in every variable that may hold one: found in no file, database or output."""

import base64
import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest
from evaluated_examples import PASSING, SNAPSHOT

from torghut_assets.resources.home import Home

VARIABLES = (
    "TORGHUT_KEY_PASSPHRASE",
    "TORGHUT_ADVISORY_API_KEY",
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "APCA_API_KEY_ID",
    "APCA_API_SECRET_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "PGPASSWORD",
    "DAGSTER_POSTGRES_PASSWORD",
    "OPENLINEAGE_API_KEY",
    "SOMETHING_ELSES_TOKEN",
)
SECRETS = {name: f"seeded-{n:02d}/{name[::-1].lower()}+4711" for n, name in enumerate(VARIABLES)}
SESSION = "2022-01-03"
COMMANDS = (
    ["candidate", "add", str(Path(__file__).parents[2] / "candidates" / f"{PASSING}.yaml")],
    ["snapshot", "take", "us-megacaps", "--as-of", "2021-12-31"],
    ["run", PASSING, "--snapshot", SNAPSHOT],
    ["keys", "new", "--owner", "alice"],
    ["keys", "list"],
    ["audit", "show", PASSING, "--snapshot", SNAPSHOT, "--json"],
    ["audit", "export", PASSING, "--snapshot", SNAPSHOT, "--out", "pack.zip"],
    ["report", PASSING, "--snapshot", SNAPSHOT],
    ["session", "run", PASSING, "--session", SESSION],
    ["advise", PASSING, "--snapshot", SNAPSHOT],
    ["kill", "--candidate", PASSING, "--reason", "a test of secrets"],
    ["ledger", "verify"],
    ["env"],
    ["candidate", "show", "no-such-candidate"],
)


def spellings(secret):
    raw = secret.encode()
    return {raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode(), quote(secret, "").encode()}


def stored_in(path):
    """Yield the bytes of a file; of a database and an archive also what lies compressed in it."""
    yield path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    with (
        contextlib.suppress(sqlite3.DatabaseError),
        contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db,
    ):
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            for row in db.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    if isinstance(value, bytes):
                        yield value
                        with contextlib.suppress(zlib.error):
                            yield zlib.decompress(value)


def leaks(folder, outputs):
    """Return which secret stands where."""
    found = []
    places = [(str(p), chunk) for p in folder.rglob("*") if p.is_file() for chunk in stored_in(p)]
    for place, chunk in [*places, *outputs]:
        for name, secret in SECRETS.items():
            if any(spelling in chunk for spelling in spellings(secret)):
                found.append((name, place))
    return found


def test_the_search_finds_what_is_there(tmp_path):
    secret = SECRETS["PGPASSWORD"]
    (tmp_path / "plain").write_text(f"x{secret}x")
    (tmp_path / "base64").write_bytes(base64.b64encode(secret.encode()))
    with contextlib.closing(sqlite3.connect(tmp_path / "db")) as db:
        db.execute("CREATE TABLE t (x BLOB)")
        db.execute("INSERT INTO t VALUES (?)", (zlib.compress(secret.encode() * 3),))
        db.commit()
    with zipfile.ZipFile(tmp_path / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", secret * 3)
    places = {Path(place).name for _, place in leaks(tmp_path, [])}
    assert places == {"plain", "base64", "db", "zip"}


@pytest.mark.heavy
def test_no_secret_is_in_a_record_a_log_or_an_output(tmp_path):
    environment = {**os.environ, **SECRETS, "TORGHUT_HOME": str(tmp_path / "home")}
    outputs = []
    statuses = {}
    for words in COMMANDS:
        run = subprocess.run(
            [sys.executable, "-m", "torghut_assets.cli.main", *words],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=1_800,
            check=False,
        )
        outputs.append((" ".join(words), run.stdout + run.stderr))
        statuses[" ".join(words)] = run.returncode
    assert statuses[f"run {PASSING} --snapshot {SNAPSHOT}"] == 0, outputs
    assert 70 not in statuses.values(), statuses
    assert statuses["keys new --owner alice"] == 0, statuses
    home = Home.at(tmp_path / "home")
    assert (tmp_path / "pack.zip").is_file(), statuses
    assert list(home.dagster_home.rglob("*.db"))
    assert leaks(tmp_path, outputs) == []
    pems = list(home.keys_folder.glob("*.pem"))
    assert any(path.name.startswith("person-") for path in pems)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in pems)
    assert stat.S_IMODE(home.keys_folder.stat().st_mode) == 0o700
    person = next(path for path in pems if path.name.startswith("person-"))
    assert b"ENCRYPTED PRIVATE KEY" in person.read_bytes()
