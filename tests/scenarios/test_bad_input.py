"""Bad input of every kind, end to end: one line, its exit status, and nothing left behind."""

import shutil
from importlib.resources import files

import pyarrow.parquet as pq
import pytest
from evaluated_examples import PASSING, SNAPSHOT, example

from torghut_assets.assets.keys import STRATEGY_BUILD, TARGET_WEIGHTS
from torghut_assets.cli import main as command
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.candidates.records import StrategyBuild
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.lineage import current_record, newest

AS_OF = "2021-12-31"
DISTRIBUTION = {
    "METADATA": "Metadata-Version: 2.1\nName: odd-plugins\nVersion: 1.0\n",
    "entry_points.txt": (
        "[torghut_assets.strategies]\n"
        "peeking = odd_plugins.peeking\n"
        "raising = odd_plugins.raising\n"
        "raising-late = odd_plugins.raising_late\n"
        "not-importable = odd_plugins.not_importable\n"
    ),
}
PLUGIN = """
import numpy as np
from pydantic import Field
from torghut_assets.domain.candidates.strategy import StrategyParameters
from torghut_assets.strategies.building_blocks import finished_weights, forward_filled


class Parameters(StrategyParameters):
    lookback_bars: int = Field(default=20, ge=2, le=200, description="Bars.")


class Plugin:
    name = "{name}"
    version = "1.0.0"
    parameters_type = Parameters
    required_features = ("close", "adjusted_close")
    max_gross = 1.0

    def warm_up_bars(self, parameters):
        return parameters.lookback_bars

    def target_weights(self, bars, parameters):
        price = forward_filled(bars.adjusted_close)
        rose = np.zeros(price.shape)
        rose[1:] = np.where(price[1:] > price[:-1], 0.1, 0.0)
        {line}
        return finished_weights(
            rose, bars, warm_up_bars=parameters.lookback_bars, max_gross=self.max_gross
        )


STRATEGY = Plugin()
"""
LINES = {
    "peeking": "rose[:-1] = rose[1:].copy()",
    "raising": "raise RuntimeError('market closed')",
    "raising-late": "assert bars.symbols[0] != 'AAPL', 'real bars'",
}


@pytest.fixture
def torghut(capsys, monkeypatch):
    """Run the command in this process; return exit status, output and standard error."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["torghut", *arguments])
        capsys.readouterr()
        try:
            command.main()
        except SystemExit as ended:
            status = ended.code or 0
        else:
            status = 0
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


@pytest.fixture
def odd_plugins(tmp_path, monkeypatch):
    """Install a distribution with misbehaving plugins; return a function of candidate files."""
    site = tmp_path / "site"
    package, metadata = site / "odd_plugins", site / "odd_plugins-1.0.dist-info"
    package.mkdir(parents=True)
    metadata.mkdir()
    (package / "__init__.py").touch()
    for name, text in DISTRIBUTION.items():
        (metadata / name).write_text(text)
    for name, line in LINES.items():
        code = PLUGIN.format(name=name, line=line)
        (package / f"{name.replace('-', '_')}.py").write_text(code)
    (package / "not_importable.py").write_text("import a_module_that_is_nowhere\n")
    monkeypatch.syspath_prepend(site)

    def candidate_of(strategy_type):
        head = example(PASSING).decode().partition("strategy:\n")[0]
        path = tmp_path / f"{strategy_type}.yaml"
        path.write_text(
            head.replace(PASSING, f"{strategy_type}-v1")
            + f"strategy: {{type: {strategy_type}, version: 1.0.0}}\n"
            "parameters: {lookback_bars: 20}\nparameter_grid: {lookback_bars: [20, 40]}\n"
            "prior_run_evidence: []\ndeclared_outside_trials: 0\n"
        )
        return str(path)

    return candidate_of


def changed(old, new):
    return lambda text: text.replace(old, new, 1)


def appended(line):
    return lambda text: text + line


def replaced(payload):
    return lambda _: payload


def bomb():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 9):
        again = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} [{again}]")
    return "\n".join(lines).encode()


HOSTILE = {
    "nothing": (replaced(b""), "NoneType"),
    "ten megabytes": (replaced(b"a" * 10_000_000), "at most 65536 bytes"),
    "zero bytes": (replaced(b"\0" * 100), "control character"),
    "another encoding": (replaced(b"\xff\xfea"), "UTF-8"),
    "an alias bomb": (replaced(bomb()), "anchor"),
    "deep nesting": (replaced(b"a: " + b"[" * 20_000), "nesting"),
    "a tag that runs code": (changed(b"title: ", b"title: !!python/name:os.system #"), "tag"),
    "a merge key": (appended(b"\n<<: {x: 1}\n"), "merge key"),
    "a key twice": (appended(b"\ntitle: again and again\n"), "twice"),
    "a second document": (appended(b"\n---\na: 1\n"), "second document"),
    "an unknown key": (appended(b"\nsurprise: 1\n"), "surprise"),
    "a list": (replaced(b"- a\n- b\n"), "list"),
    "not YAML": (replaced(b"a: [1, 2\nb: }"), "YAML"),
    "a path in the id": (changed(PASSING.encode(), b"../../etc/cron-v1"), "candidate_id"),
    "a line break in the id": (changed(PASSING.encode(), b'"a\\nbcd-v1"'), "candidate_id"),
    "a Cyrillic id": (changed(PASSING.encode(), "tsmоm-v1".encode()), "candidate_id"),
    "a long id": (changed(PASSING.encode(), b"a" * 5_000), "candidate_id"),
    "an escaped bell": (changed(b"title: ", b'title: "\\u0007 a title" #'), "\\x07"),
    "reversed text": (changed(b"title: ", "title: \u202e".encode()), "u202e"),
    "half a surrogate": (changed(b"title: ", b'title: "\\ud800 a title" #'), "ud800"),
    "infinity": (appended(b"\nx: .inf\n"), "finite"),
    "a strategy nobody has": (changed(b"time-series-momentum", b"crystal-ball"), "crystal-ball"),
    "a version nobody has": (changed(b"version: 1.0.0", b"version: 9.9.9"), "9.9.9"),
    "a parameter out of bounds": (changed(b"lookback_bars: 252", b"lookback_bars: -1"), "lookback"),
    "no thesis": (changed(b"thesis: >-", b"thesis_: >-"), "thesis"),
    "negative trials": (changed(b"trials: 132", b"trials: -1"), "-1"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_candidate_file_is_refused_in_one_line(kind, torghut, home, tmp_path):
    change, reason = HOSTILE[kind]
    path = tmp_path / "candidate.yaml"
    path.write_bytes(change(example(PASSING)))
    assert path.read_bytes() != example(PASSING)
    status, out, err = torghut("candidate", "add", str(path))
    assert (status, out) == (4, "")
    assert err.startswith("torghut: ")
    assert err.count("\n") == 1
    assert reason in err
    assert len(err) < 1_000
    assert list(home.candidates_folder.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["nothing.yaml", "", ".", "a\nb\x1b[31m", "/dev/zero", "a" * 5_000]
)
def test_a_name_of_no_file_is_one_plain_line(name, torghut, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = torghut("candidate", "add", name)
    assert status == 4
    assert err.count("\n") == 1
    assert "\x1b" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "../../etc", "--snapshot", SNAPSHOT),
        ("run", PASSING, "--snapshot", "us-megacaps"),
        ("run", PASSING, "--snapshot", "us-megacaps@2021-02-30"),
        ("run", PASSING, "--snapshot", "us-megacaps@2021-12-31/.."),
        ("report", "a\tbcd", "--snapshot", SNAPSHOT),
        ("candidate", "show", "../x"),
        ("trials", "count", "../x"),
    ],
)
def test_an_id_with_anything_else_in_it_is_status_4(arguments, torghut):
    status, _, err = torghut(*arguments)
    assert status == 4
    assert err.count("\n") == 1


def universe(home, name, *, symbols="[AAPL, AMZN]", folder="bars", title="Two names of mine"):
    (home.universes_folder / f"{name}.yaml").write_text(
        f'universes:\n  - name: {name}\n    title: "{title}"\n    symbols: {symbols}\n'
        "    frequency: 1d\n    calendar: XNYS\n    start: 2020-01-02\n"
        f'    source: {{kind: folder, path: "{folder}", title: my bars, licence: my own}}\n'
        "    caveats: [Two names of one sector and country.]\n"
    )


@pytest.fixture
def own_bars(home):
    """Real bars of two symbols, as a frame that a test may spoil and a way to write it."""
    path = files("torghut_assets") / "data" / "us-megacaps" / "bars.parquet"
    frame = pq.read_table(path).to_pandas()
    frame["symbol"] = frame["symbol"].astype(str)
    frame["time"] = frame["time"].dt.tz_localize(None)
    wanted = frame["symbol"].isin(["AAPL", "AMZN"]) & frame["time"].between("2020-01-02", AS_OF)
    frame = frame[wanted].reset_index(drop=True)

    def write(spoilt):
        folder = home.universes_folder / "bars"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        spoilt.to_csv(folder / "bars.csv", index=False)

    return frame, write


def cell(column, value):
    def spoil(frame):
        frame.loc[100, column] = value
        return frame

    return spoil


SPOILT = {
    "NaN close": (cell("close", float("nan")), "no_nulls"),
    "infinite high": (cell("high", float("inf")), "finite_values"),
    "negative close": (cell("close", -5.0), "positive_prices"),
    "zero low": (cell("low", 0.0), "positive_prices"),
    "negative adjusted close": (cell("adjusted_close", -1.0), "positive_prices"),
    "negative volume": (cell("volume", -1.0), "volume_sign"),
    "high below low": (cell("high", 1e-3), "price_order"),
    "one row": (lambda frame: frame.head(1), "enough_rows"),
    "no row": (lambda frame: frame.head(0), "not_empty"),
    "no column high": (lambda frame: frame.drop(columns="high"), "no column high"),
    "the same rows twice": (lambda f: f.loc[f.index.repeat(2)], "no_duplicates"),
    "rows out of order": (lambda frame: frame.iloc[::-1], "time_order"),
    "old rows only": (lambda f: f[f["time"] < "2020-06-01"], "staleness"),
    "constant prices": (
        lambda f: f.assign(open=10.0, high=10.0, low=10.0, close=10.0, adjusted_close=10.0),
        "constant_prices",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_bars_of_a_folder_are_no_snapshot(kind, torghut, home, own_bars):
    spoil, check = SPOILT[kind]
    frame, write = own_bars
    universe(home, "my-names")
    write(spoil(frame))
    status, _, err = torghut("snapshot", "take", "my-names", "--as-of", AS_OF)
    assert status == 4
    assert err.count("\n") == 1
    assert check in err
    assert torghut("snapshot", "list")[1] == ""


def test_a_changed_source_is_status_3_with_the_difference(torghut, home, own_bars):
    frame, write = own_bars
    universe(home, "my-names")
    write(frame)
    taken = torghut("snapshot", "take", "my-names", "--as-of", AS_OF)
    assert taken[0] == 0
    write(cell("volume", 5.0)(frame.copy()))
    status, _, err = torghut("snapshot", "take", "my-names", "--as-of", AS_OF)
    assert status == 3
    assert err.count("\n") == 1
    assert "first difference: stored AAPL" in err
    assert "volume 5.0" in err
    write(frame)
    assert torghut("snapshot", "take", "my-names", "--as-of", AS_OF) == taken


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"symbols": "[]"}, "symbols"),
        ({"symbols": "[AAPL, AAPL]"}, "twice"),
        ({"symbols": '["../../etc/passwd"]'}, "symbols"),
        ({"symbols": "[AAPL, NOSUCH]"}, "no bar of NOSUCH"),
        ({"folder": "nowhere"}, "no *.parquet or *.csv file"),
        ({"folder": "a\\0b"}, "path"),
        ({"title": "\\e[31mred"}, "title"),
    ],
)
def test_a_bad_universe_is_status_4(settings, reason, torghut, home, own_bars):
    frame, write = own_bars
    write(frame)
    universe(home, "my-names", **settings)
    status, _, err = torghut("snapshot", "take", "my-names", "--as-of", AS_OF)
    assert status == 4
    assert err.count("\n") == 1
    assert reason in err


def test_a_refused_date_leaves_no_partition(torghut, home):
    for date in ("1999-01-01", "2013-01-02", "2030-01-01", "9999-12-31"):
        assert torghut("snapshot", "take", "us-megacaps", "--as-of", date)[0] == 4
    assert torghut("snapshot", "list")[1] == ""


def test_a_plugin_that_peeks_one_bar_ahead_is_refused(torghut, home, odd_plugins):
    assert torghut("candidate", "add", odd_plugins("peeking"))[0] == 0
    assert torghut("snapshot", "take", "us-megacaps", "--as-of", AS_OF)[0] == 0
    first = torghut("run", "peeking-v1", "--snapshot", SNAPSHOT)
    again = torghut("run", "peeking-v1", "--snapshot", SNAPSHOT)
    for status, _, err in (first, again):
        assert status == 1
        assert "truncation_invariance" in err
        assert "Traceback" not in err
    assert torghut("run", "peeking-v1", "--through", "strategy_build")[0] == 1
    with instance_of(home) as instance:
        build = current_record(instance, home.store, StrategyBuild, STRATEGY_BUILD, "peeking-v1")
        assert newest(instance, TARGET_WEIGHTS, f"peeking-v1|{SNAPSHOT}") is None
    assert build.verdict is Verdict.FAIL
    failed = {result.test for result in build.results if result.verdict is not Verdict.PASS}
    assert failed == {
        "truncation_invariance",
        "changed_future_changes_nothing",
        "other_points_keep_the_contract",
    }


def test_a_plugin_that_raises_is_refused_with_what_it_raised(torghut, home, odd_plugins):
    assert torghut("candidate", "add", odd_plugins("raising"))[0] == 0
    status, _, err = torghut("run", "raising-v1", "--through", "strategy_build")
    assert status == 1
    assert "RuntimeError: market closed" in err
    assert "Traceback" not in err


def test_a_plugin_that_raises_only_on_real_bars_is_one_line(torghut, home, odd_plugins):
    assert torghut("candidate", "add", odd_plugins("raising-late"))[0] == 0
    assert torghut("snapshot", "take", "us-megacaps", "--as-of", AS_OF)[0] == 0
    status, _, err = torghut("run", "raising-late-v1", "--snapshot", SNAPSHOT)
    assert status == 4
    assert err.splitlines()[-1] == (
        f"torghut: strategy raising-late on {SNAPSHOT}: found AssertionError: real bars, "
        "expected no error."
    )
    assert torghut("trials", "verify")[0] == 0
    assert "abandoned" in torghut("trials", "list")[1]


def test_a_plugin_that_cannot_be_imported_is_named(torghut, home, odd_plugins):
    status, _, err = torghut("candidate", "add", odd_plugins("not-importable"))
    assert status == 4
    assert "a_module_that_is_nowhere" in err
    assert err.count("\n") == 1
