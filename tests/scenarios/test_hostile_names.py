"""Hostile names at every edge that takes an id: refused by one error, and no path is touched."""

import os
import sys
from pathlib import Path

import dagster as dg
import pytest
from hostile_names import HOSTILE_NAMES

from torghut_assets import definitions
from torghut_assets.cli import main as command
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain import identifiers
from torghut_assets.domain.digests import is_digest
from torghut_assets.domain.errors import BadInputError, TorghutError
from torghut_assets.resources.artifact_files import FileStore
from torghut_assets.resources.candidate_files import keep_candidate, read_candidate

C, S, U, D = "tsmom-megacaps-v1", "us-megacaps@2021-12-31", "us-megacaps", "2024-01-02"
OPENED: list[str] = []
WATCHED = {"open", "os.listdir", "os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink",
           "os.truncate", "os.rmdir", "os.scandir", "shutil.rmtree", "shutil.copyfile",
           "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"}  # fmt: skip


def _watch(event, arguments):
    if event in WATCHED:
        OPENED.extend(a for a in map(_text, arguments) if a)


def _text(argument):
    if isinstance(argument, bytes):
        return os.fsdecode(argument)
    if isinstance(argument, str | os.PathLike):
        return os.fspath(argument)
    return ""


sys.addaudithook(_watch)

COMMANDS = {
    "candidate": [
        ["advise", "{}", "--snapshot", S],
        ["audit", "export", "{}", "--snapshot", S, "--out", "out.zip"],
        ["audit", "replay", "{}", "--snapshot", S],
        ["audit", "show", "{}"],
        ["candidate", "show", "{}"],
        ["drill", "rollback", "{}"],
        ["ramp", "advance", "{}", "--session", D],
        ["ramp", "manifest", "{}", "--session", D, "--out", "out.json"],
        ["ramp", "request", "{}", "--session", D],
        ["ramp", "status", "{}"],
        ["report", "{}", "--snapshot", S],
        ["run", "{}", "--snapshot", S],
        ["session", "deploy", "{}"],
        ["session", "roll-back", "{}", "--session", D],
        ["session", "run", "{}", "--session", D],
        ["stage", "history", "{}"],
        ["stage", "status", "{}"],
        ["stage", "validate", "research_intake", "--candidate={}"],
        ["tca", "propose", "{}"],
        ["tca", "report", "{}"],
        ["trials", "count", "{}"],
        ["kill", "--candidate={}", "--reason", "a test of names"],
    ],
    "snapshot": [
        ["advise", C, "--snapshot={}"],
        ["audit", "export", C, "--snapshot={}", "--out", "out.zip"],
        ["audit", "replay", C, "--snapshot={}"],
        ["audit", "show", C, "--snapshot={}"],
        ["report", C, "--snapshot={}"],
        ["run", C, "--snapshot={}"],
        ["stage", "validate", "gate_policy_evaluation", "--candidate", C, "--snapshot={}"],
    ],
    "universe": [["snapshot", "take", "{}", "--as-of", "2021-12-31"]],
    "date": [
        ["snapshot", "take", U, "--as-of={}"],
        ["advise", C, "--session={}"],
        ["audit", "export", C, "--session={}", "--out", "out.zip"],
        ["audit", "show", C, "--session={}"],
        ["audit", "show", C, "--as-of={}"],
        ["ramp", "request", C, "--session={}"],
        ["ramp", "advance", C, "--session={}"],
        ["session", "roll-back", C, "--session={}"],
        ["session", "run", C, "--session={}"],
        ["session", "run", C, "--session", D, "--until={}"],
        ["stage", "validate", "continuous_monitoring", "--candidate", C, "--session={}"],
        ["tca", "report", C, "--from={}"],
        ["tca", "report", C, "--to={}"],
    ],
    "digest": [
        ["audit", "impact", "{}"],
        ["audit", "diff", "{}", f"{C}|{S}"],
        ["audit", "diff", f"{C}|{S}", "{}"],
        ["ramp", "approve", C, "--session", D, "--request={}"],
        ["approve", "paper_deployment", C, "--report={}"],
    ],
    "name": [
        ["keys", "introduce", "{}"],
        ["keys", "revoke", "{}", "--reason", "a test of names"],
        ["run", C, "--through={}"],
        ["stage", "validate", "{}", "--candidate", C],
    ],
}
FORMS = [(kind, form) for kind, forms in COMMANDS.items() for form in forms]


def with_name(form, name):
    """Put a name in; one that begins like an option comes after `--`."""
    (*words,) = (part.replace("{}", name) for part in form)
    if "{}" in form and name.startswith("-"):
        words = [*(w for w, part in zip(words, form, strict=True) if part != "{}"), "--", name]
    return words


def everything_below(folder):
    return {p.relative_to(folder): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def place(tmp_path, monkeypatch, home):
    """A working folder with canaries where a traversal would find them."""
    for folder in (tmp_path, home.root, home.root / "keys", tmp_path / "work"):
        folder.mkdir(exist_ok=True)
        (folder / "canary").write_text("canary")
        (folder / "canary.yaml").write_text("canary: true")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PASSPHRASE_FOR_NOBODY", "x")
    return tmp_path


def test_there_are_at_least_two_hundred_and_each_is_hostile():
    assert sum(not is_like_an_id(name) for name in HOSTILE_NAMES) >= 200
    for name in HOSTILE_NAMES:
        for parse in (
            identifiers.parse_snapshot_id,
            identifiers.parse_evaluation_key,
            identifiers.parse_session_key,
        ):
            with pytest.raises(BadInputError) as refused:
                parse(name)
            assert "\n" not in str(refused.value)
            assert str(refused.value).isascii()
        assert not is_digest(name)


def is_like_an_id(name):
    """`null` and the like are ids by the grammar, and harmless ones."""
    return identifiers._NAME.fullmatch(name) is not None


def test_no_command_goes_where_a_name_points(place, monkeypatch, capsys):
    """Each name at some command, each command with some names; `make test-heavy` tries all."""
    for number, (kind, form) in enumerate(FORMS):
        names = [n for i, n in enumerate(HOSTILE_NAMES) if (i + number) % len(FORMS) == 0]
        try_names(kind, form, names, place, monkeypatch, capsys)


@pytest.mark.heavy
@pytest.mark.parametrize(("kind", "form"), FORMS, ids=[" ".join(f) for _, f in FORMS])
def test_no_command_goes_where_any_name_points(kind, form, place, monkeypatch, capsys):
    try_names(kind, form, HOSTILE_NAMES, place, monkeypatch, capsys)


def try_names(kind, form, names, place, monkeypatch, capsys):
    before = everything_below(place)
    for name in names:
        if is_like_an_id(name) and kind in ("candidate", "universe", "name"):
            continue
        OPENED.clear()
        monkeypatch.setattr("sys.argv", ["torghut", *with_name(form, name)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            command.main()
        touched = [p for p in OPENED if "canary" in p or (len(name) > 3 and name in p)]
        shown = capsys.readouterr()
        assert ended.value.code in (1, 2, 3, 4), (name, shown)
        assert not touched, (name, touched)
        said = [line for line in shown.err.splitlines() if line.strip()]
        assert len(said) == 1 or said[0].startswith("Usage:"), (name, shown.err)
        assert "\x1b" not in shown.err
        assert "Traceback" not in shown.err
    after = everything_below(place)
    new = {str(p) for p in after.keys() - before.keys()}
    assert not {p for p in new if "canary" in p or not p.startswith("home")}
    assert all(after[p] == before[p] for p in before if "canary" in str(p))


def test_no_file_is_read_or_kept_under_a_hostile_name(home, place):
    store = FileStore(home.root / "store")
    for name in HOSTILE_NAMES:
        if is_like_an_id(name):
            continue
        for edge in (
            lambda n: read_candidate(home, n),
            lambda n: keep_candidate(home, n, b"payload"),
            store.get,
            store.verified_path,
            store.path_of,
        ):
            OPENED.clear()
            with pytest.raises(TorghutError):
                edge(name)
            assert not [p for p in OPENED if "canary" in p], (name, OPENED)
    assert not list((home.root / "candidates").iterdir())


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("job", "dimensions"),
    [
        ("build_candidate", ["candidate"]),
        ("take_snapshot", ["snapshot"]),
        ("evaluate_candidate", ["candidate", "snapshot"]),
    ],
)
def test_no_run_goes_where_a_partition_key_points(job, dimensions, home, place):
    """Dagster itself takes any text as a dynamic partition key."""
    good = {"candidate": C, "snapshot": S}
    before = everything_below(place)
    with instance_of(home) as instance:
        for name in HOSTILE_NAMES[::4]:
            if is_like_an_id(name) or not name:
                continue
            for dimension in dimensions:
                keys = good | {dimension: name}
                for held in dimensions:
                    instance.add_dynamic_partitions(held, [keys[held]])
                key = (
                    dg.MultiPartitionKey({d: keys[d] for d in dimensions})
                    if len(dimensions) > 1
                    else name
                )
                OPENED.clear()
                try:
                    run = definitions.defs.resolve_job_def(job).execute_in_process(
                        partition_key=key, instance=instance, raise_on_error=False
                    )
                except dg.DagsterError:
                    continue  # Dagster refused the key
                assert not run.success, name
                assert not [p for p in OPENED if "canary" in Path(p).name], (name, OPENED)
    new = everything_below(place).keys() - before.keys()
    assert not {p for p in map(str, new) if "canary" in p or not p.startswith("home")}
    assert not list((home.root / "candidates").iterdir())
