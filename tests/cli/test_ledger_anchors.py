"""A head in a file, a git tag or a time stamp convicts a ledger that did not grow from it."""

import json
import shutil
import subprocess
import sys

import pytest
from command_line import torghut
from timestamp_authority import Authority

from torghut_assets.resources.ledger import Ledger

SECRET = {"TORGHUT_KEY_PASSPHRASE": "correct horse battery"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("authority") / "first")
    with made.serving() as made.url:
        yield made


@pytest.fixture
def begun(home, tmp_path):
    """A home whose ledger has two entries, with a copy of it as it was with one more person."""
    assert torghut("keys", "new", "--owner", "Rita Reviewer", **SECRET).returncode == 0
    return home


@pytest.fixture
def repository(tmp_path):
    path = tmp_path / "repository"
    git(tmp_path, "init", "-q", str(path))
    git(path, *("-c", "user.name=x", "-c", "user.email=x@localhost"),
        *("commit", "-q", "--allow-empty", "-m", "first"))  # fmt: skip
    return path


def git(folder, *arguments, text=None):
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True, capture_output=True, input=text, text=True,
    )  # fmt: skip
    return done.stdout


def grow(home):
    """One more entry."""
    assert torghut("keys", "new", "--role", "gate", "--owner", "gate", **SECRET).returncode == 0
    ledger = Ledger(home)
    key = json.loads(torghut("keys", "list", "--json").stdout)["waiting"][0]
    assert torghut("keys", "introduce", key, **SECRET).returncode == 0
    return ledger.checked().size


@pytest.fixture(params=["file", "git", "rfc3161"])
def anchored(request, begun, repository, authority, tmp_path):
    """Return how to name an anchor of each kind that has seen three entries."""
    before = tmp_path / "before"
    shutil.copytree(begun.root, before)
    grow(begun)
    if request.param == "file":
        made = torghut("ledger", "anchor", "file", str(tmp_path / "kept" / "head.json"), "--json")
        named = (str(tmp_path / "kept" / "head.json"),)
    elif request.param == "git":
        made = torghut("ledger", "anchor", "git", str(repository), "--json")
        named = (f"git:{repository}",)
    else:
        out = str(tmp_path / "head.tsr.json")
        made = torghut("ledger", "anchor", "rfc3161", "--tsa", authority.url, "--tsa-roots",
                       str(authority.roots), "--out", out, "--json")  # fmt: skip
        named = (out, "--tsa-roots", str(authority.roots))
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["tree_size"] == 3
    return request.param, ("--anchor", *named), before


def test_a_ledger_that_only_grew_agrees_with_every_kind_of_anchor(anchored, begun):
    kind, options, _ = anchored
    torghut("keys", "revoke", "gate", "--reason", "replaced by another machine", **SECRET)
    assert Ledger(begun).checked().size == 4
    done = torghut("ledger", "verify", *options, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["anchors"]
    assert (found["kind"], found["tree_size"]) == (kind, 3)
    assert (found["stamped_at"] is not None) == (kind == "rfc3161")
    assert "grew from the first 3 entries" in torghut("ledger", "verify", *options).stdout


def test_a_ledger_that_was_rolled_back_is_named(anchored, begun):
    """The whole home is put back as it was, its own anchor included: only the outside one knows."""
    _, options, before = anchored
    shutil.rmtree(begun.root)
    shutil.copytree(before, begun.root)
    assert torghut("ledger", "verify").returncode == 0
    done = torghut("ledger", "verify", *options)
    assert (done.returncode, "truncated" in done.stderr) == (3, True)
    assert "it has seen entry 3, the ledger ends at 2" in done.stderr


def test_a_ledger_that_was_rebuilt_is_named(anchored, begun):
    """Other entries under the same runner's key, as many as the anchor has seen, and one more."""
    _, options, _ = anchored
    begun.ledger_path.unlink()
    begun.ledger_anchor_path.unlink()
    for pattern in ("person-*", "gate-*"):
        for path in begun.keys_folder.glob(pattern):
            path.unlink()
    torghut("keys", "new", "--owner", "Mallory", **SECRET)
    grow(begun)
    torghut("keys", "revoke", "gate", "--reason", "replaced by another machine", **SECRET)
    assert torghut("ledger", "verify").returncode == 0
    done = torghut("ledger", "verify", *options)
    assert (done.returncode, "other_history" in done.stderr) == (3, True)


def test_a_pack_agrees_with_every_kind_of_anchor(anchored, begun, tmp_path):
    from pack_examples import small_contents, written

    _, options, before = anchored
    pack = written(tmp_path / "pack.zip", small_contents(begun))
    done = torghut("audit", "verify", str(pack), *options, "--json")
    assert json.loads(done.stdout)["anchors"] == [3], done.stdout
    shutil.rmtree(begun.root)
    shutil.copytree(before, begun.root)
    other = written(tmp_path / "other.zip", small_contents(begun))
    done = torghut("audit", "verify", str(other), *options, "--json")
    assert (done.returncode, json.loads(done.stdout)["fault"]) == (3, "other_history")


def test_a_tag_is_written_once_and_never_moved(begun, repository):
    assert torghut("ledger", "anchor", "git", str(repository)).returncode == 0
    assert torghut("ledger", "anchor", "git", str(repository)).returncode == 0
    name = "torghut-ledger-0000000002"
    assert git(repository, "cat-file", "-t", name).strip() == "tag"
    assert git(repository, "cat-file", "tag", name).count('"payload"') == 1
    git(repository, "tag", "-d", name)
    git(repository, "tag", name)
    light = torghut("ledger", "verify", "--anchor", f"git:{repository}")
    assert (light.returncode, "not annotated" in light.stderr) == (3, True)
    assert torghut("ledger", "anchor", "git", str(repository)).returncode == 3


def test_hostile_repositories_and_tags_are_refused(begun, repository, tmp_path):
    for anchor, status in (
        ("git:", 4),
        (f"git:{tmp_path / 'nowhere'}", 4),
        (f"git:{repository}", 4),
        (f"git:{repository}#--exec=touch", 4),
        (f"git:{repository}#../../x", 4),
        (f"git:{repository}#no-such-tag", 4),
        (str(tmp_path / "nothing"), 4),
        (str(tmp_path), 4),
    ):
        done = torghut("ledger", "verify", "--anchor", anchor)
        assert done.returncode == status, (anchor, done.stderr)
    assert torghut("ledger", "anchor", "git", str(tmp_path)).returncode == 4
    identity = ("-c", "user.name=x", "-c", "user.email=x@localhost")
    for message in ("no head", "torghut ledger head: 2 entries\n\n{}\n"):
        git(repository, *identity, "tag", "-f", "-a", "torghut-ledger-0000000002", "-F", "-",
            text=message)  # fmt: skip
        done = torghut("ledger", "verify", "--anchor", f"git:{repository}")
        assert done.returncode == 3, done.stderr
    signed = Ledger(begun).head()[1].decode()
    for name, title in (("torghut-ledger-0000000002", 7), ("torghut-ledger-0000000007", 2)):
        git(repository, *identity, "tag", "-f", "-a", name, "-F", "-", "--cleanup=verbatim",
            text=f"torghut ledger head: {title} entries\n\n{signed}\n")  # fmt: skip
        done = torghut("ledger", "verify", "--anchor", f"git:{repository}#{name}")
        assert (done.returncode, "anchor_malformed" in done.stderr) == (3, True)


def test_a_stamp_counts_only_for_its_bytes_and_the_users_certificates(begun, authority, tmp_path):
    out = tmp_path / "head.tsr.json"
    made = ("ledger", "anchor", "rfc3161", "--tsa", authority.url, "--tsa-roots")
    other = Authority(tmp_path / "second")
    done = torghut(*made, str(other.roots), "--out", str(out))
    assert (done.returncode, "timestamp_invalid" in done.stderr) == (3, True)
    assert not out.exists()
    assert torghut(*made, str(authority.roots), "--out", str(out)).returncode == 0
    assert torghut(*made, str(authority.roots), "--out", str(out)).returncode == 4
    verify = ("ledger", "verify", "--anchor", str(out))
    assert torghut(*verify).returncode == 4, "no certificates were given"
    assert torghut(*verify, "--tsa-roots", str(other.roots)).returncode == 3
    assert torghut(*verify, "--tsa-roots", str(out)).returncode == 4
    assert torghut(*verify, "--tsa-roots", str(authority.roots)).returncode == 0
    document = json.loads(out.read_bytes())
    grow(begun)
    newer = json.loads(Ledger(begun).head()[1])
    for edit in (
        {"head": newer},
        {"response": document["record"]["response"][:-8] + "AAAAAAAA"},
        {"response": "AAAA"},
        {"response": "not base64"},
    ):
        changed = {**document, "record": {**document["record"], **edit}}
        text = json.dumps(changed, sort_keys=True, separators=(",", ":"))
        out.write_text(text, encoding="utf-8")
        done = torghut(*verify, "--tsa-roots", str(authority.roots))
        assert done.returncode == 3, (edit, done.stderr)
    out.write_text('{"kind":"timestamped-head",' + " " * 10, encoding="utf-8")
    assert torghut(*verify, "--tsa-roots", str(authority.roots)).returncode == 3
    out.write_bytes(b'{"kind":"timestamped-head",' + b"x" * 300_000)
    assert torghut(*verify, "--tsa-roots", str(authority.roots)).returncode == 4


def test_an_authority_that_answers_otherwise_leaves_nothing(begun, authority, tmp_path):
    out = tmp_path / "head.tsr.json"
    made = ("ledger", "anchor", "rfc3161", "--tsa-roots", str(authority.roots), "--out", str(out))
    reply = "application/timestamp-reply"
    try:
        for answer, status in (
            ((500, "text/plain", b"no"), 4),
            ((200, "text/html", b"<p>hello"), 4),
            ((200, reply, b"x" * 70_000), 4),
            ((200, reply, b"x" * 70), 3),
        ):
            authority.answer = answer
            done = torghut(*made, "--tsa", authority.url)
            assert done.returncode == status, (answer[:2], done.stderr)
    finally:
        authority.answer = None
    for url in ("file:///etc/passwd", "http://127.0.0.1:9/", "x"):
        assert torghut(*made, "--tsa", url).returncode == 4
    assert not out.exists()


def test_without_the_extra_one_line_names_it(begun, authority, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    done = torghut("ledger", "anchor", "rfc3161", "--tsa", authority.url, "--tsa-roots",
                   str(authority.roots), "--out", str(tmp_path / "x"))  # fmt: skip
    assert (done.returncode, "extra `anchors`" in done.stderr) == (4, True)
    assert torghut("ledger", "anchor", "file", str(tmp_path / "kept.json")).returncode == 0
    assert torghut("ledger", "verify", "--anchor", str(tmp_path / "kept.json")).returncode == 0


def test_an_empty_ledger_has_nothing_to_anchor(home, repository, tmp_path):
    assert torghut("ledger", "anchor", "file", str(tmp_path / "x")).returncode == 4
    assert torghut("ledger", "anchor", "git", str(repository)).returncode == 4
