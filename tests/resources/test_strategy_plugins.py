"""Finding and loading plugins: shipped ones, foreign ones, broken ones; what the digest covers."""

import importlib
import importlib.metadata
import subprocess
import sys
import textwrap

import pytest

from torghut_assets.domain.digests import is_digest
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources import plugin_sources
from torghut_assets.resources.strategy_plugins import GROUP, find_strategies, load_strategy

PLUGIN = """
from pydantic import Field
from torghut_assets.domain.candidates.strategy import StrategyParameters
{imports}

class Parameters(StrategyParameters):
    bars: int = Field(default=5, ge=1, le=9, description="Bars.")

class Plugin:
    name = "{name}"
    version = "{version}"
    parameters_type = Parameters
    required_features = ("close",)
    max_gross = 1.0

    def warm_up_bars(self, parameters):
        return parameters.bars

    def target_weights(self, bars, parameters):
        return bars.close * 0.0

STRATEGY = Plugin()
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install modules and entry points as a foreign distribution would."""
    monkeypatch.syspath_prepend(str(tmp_path))
    modules_before = set(sys.modules)

    def make(modules, points, distribution="acme-alpha"):
        for name, source in modules.items():
            path = tmp_path / (name.replace(".", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source), encoding="utf-8")
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8"
        )
        lines = "".join(f"{name} = {target}\n" for name, target in points.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}", encoding="utf-8")
        importlib.invalidate_caches()
        plugin_sources.plugin_code.cache_clear()

    yield make
    for name in set(sys.modules) - modules_before:
        if name.split(".", 1)[0].startswith("acme"):
            del sys.modules[name]
    plugin_sources.plugin_code.cache_clear()


def plugin(name="acme-alpha", version="1.0.0", imports=""):
    return PLUGIN.format(name=name, version=version, imports=imports)


def digest_after(install, modules, forget=True):
    for name in [m for m in sys.modules if m.split(".", 1)[0].startswith("acme")]:
        if forget:
            del sys.modules[name]
    install(modules, {"acme-alpha": "acme.alpha:STRATEGY"})
    return load_strategy("acme-alpha", "1.0.0").code_digest


def test_the_four_shipped_strategies_are_found_and_load():
    shipped = {entry.type: entry for entry in find_strategies()}
    assert set(shipped) >= {
        "time-series-momentum",
        "mean-reversion",
        "moving-average-trend",
        "calendar-pattern",
    }
    digests = set()
    for name in ("time-series-momentum", "mean-reversion", "calendar-pattern"):
        loaded = load_strategy(name, "1.0.0")
        assert loaded.strategy.name == name
        assert loaded.module == shipped[name].module
        assert is_digest(loaded.code_digest)
        digests.add(loaded.code_digest)
    assert len(digests) == 3


def test_finding_imports_no_plugin():
    code = (
        "import sys; from torghut_assets.resources.strategy_plugins import find_strategies;"
        "assert len(find_strategies()) >= 4;"
        "bad = [m for m in sys.modules if m.startswith('torghut_assets.strategies.')];"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_digest_is_the_same_in_another_process():
    code = (
        "from torghut_assets.resources.strategy_plugins import load_strategy;"
        "print(load_strategy('mean-reversion', '1.0.0').code_digest)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.strip() == load_strategy("mean-reversion", "1.0.0").code_digest


def test_an_unknown_type_lists_what_exists():
    with pytest.raises(
        BadInputError, match=r"found 'holy-grail', expected one of .*mean-reversion"
    ):
        load_strategy("holy-grail", "1.0.0")


@pytest.mark.parametrize("hostile", ["../x", "os:system", "", "a\n", "mean-reversion.2"])
def test_a_type_is_only_ever_compared(hostile):
    with pytest.raises(BadInputError, match="strategy type"):
        load_strategy(hostile, "1.0.0")


def test_an_unknown_version_lists_what_exists():
    with pytest.raises(BadInputError, match=r"'9.9.9', which 0 plugins.*installed: 1\.0\.0"):
        load_strategy("mean-reversion", "9.9.9")


def test_a_foreign_plugin_loads_next_to_the_shipped_ones(install):
    install({"acme.alpha": plugin()}, {"acme-alpha": "acme.alpha:STRATEGY"})
    loaded = load_strategy("acme-alpha", "1.0.0")
    assert (loaded.strategy.name, loaded.module) == ("acme-alpha", "acme.alpha")
    assert load_strategy("mean-reversion", "1.0.0").module.startswith("torghut_assets.")


def test_the_code_of_a_foreign_plugin_never_runs_in_this_process(install, tmp_path):
    mark = tmp_path / "ran"
    touch = f"\ntry:\n    open({str(mark)!r}, 'w')\nexcept OSError:\n    pass\n"
    modules = {"acme.__init__": touch, "acme.alpha": plugin() + touch}
    install(modules, {"acme-alpha": "acme.alpha:STRATEGY"})
    assert load_strategy("acme-alpha", "1.0.0").strategy.parameters_type.model_validate({})
    assert not mark.exists()
    assert not [name for name in sys.modules if name.split(".")[0] == "acme"]


def test_two_major_versions_live_side_by_side(install):
    install(
        {"acme.one": plugin(version="1.2.0"), "acme.two": plugin(version="2.0.0")},
        {"acme-alpha": "acme.one:STRATEGY", "acme-alpha.2": "acme.two:STRATEGY"},
    )
    assert load_strategy("acme-alpha", "1.2.0").module == "acme.one"
    assert load_strategy("acme-alpha", "2.0.0").module == "acme.two"


def test_one_version_claimed_twice_is_refused(install):
    install({"acme.one": plugin()}, {"acme-alpha": "acme.one:STRATEGY"})
    install({"acmetwo": plugin()}, {"acme-alpha": "acmetwo:STRATEGY"}, distribution="acme-copy")
    with pytest.raises(BadInputError, match=r"2 plugins provide.*acme-alpha.*acme-copy"):
        load_strategy("acme-alpha", "1.0.0")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise RuntimeError('no licence\\nfound')", "RuntimeError: no licence found"),
        ("import no_such_library", "ModuleNotFoundError"),
        ("def broken(:", "SyntaxError"),
        ("x = 1", "AttributeError"),
        ("STRATEGY = 3", "no text in name"),
        (plugin(name="other-name"), "the name 'other-name'"),
        (plugin().replace('version = "1.0.0"', "version = 1"), "no text in version"),
        (plugin().replace("parameters_type = Parameters", "parameters_type = dict"), "subclass"),
        (plugin().replace('("close",)', '("sentiment",)'), "required_features"),
        (plugin().replace("def target_weights", "def weights"), "no method target_weights"),
        (plugin().replace("    max_gross = 1.0\n", ""), "no max_gross"),
    ],
)
def test_a_broken_plugin_is_one_clear_error_that_names_it(install, source, words):
    install({"acme.alpha": source}, {"acme-alpha": "acme.alpha:STRATEGY"})
    with pytest.raises(BadInputError) as refused:
        load_strategy("acme-alpha", "1.0.0")
    message = str(refused.value)
    assert message.startswith("strategy acme-alpha (acme.alpha of acme-alpha): found")
    assert words in message
    assert "\n" not in message


def test_a_broken_plugin_does_not_stop_the_others(install):
    install({"acme.alpha": "raise RuntimeError"}, {"acme-alpha": "acme.alpha:STRATEGY"})
    assert load_strategy("mean-reversion", "1.0.0").strategy.version == "1.0.0"


def test_the_digest_changes_with_the_plugin_and_with_what_it_imports_of_its_own(install):
    own = plugin(
        imports="import acme.lib.windows\nfrom .lib import tables\n"
        "try:\n    import acmeother\nexcept ImportError: pass"  # not of the installation
    )
    modules = {
        "acme.__init__": "",
        "acme.alpha": own,
        "acme.lib.__init__": "",
        "acme.lib.windows": "from acme.lib.deep import X",
        "acme.lib.deep": "X = 1\nimport acme.lib.windows",  # a circle
        "acme.lib.tables": "T = 1",
        "acme.unused": "U = 1",
        "acmeother": "O = 1",
    }
    first = digest_after(install, modules)
    assert digest_after(install, modules) == first
    for name, changed in {
        "acme.alpha": own + "\n# a comment\n",
        "acme.lib.deep": "X = 2\nimport acme.lib.windows",
        "acme.lib.tables": "T = 2",
        "acme.__init__": "A = 1",  # runs before the plugin does
        "acme.lib.__init__": "L = 1",
    }.items():
        assert digest_after(install, {**modules, name: changed}) != first, name
    for name, changed in {"acme.unused": "U = 2", "acmeother": "O = 2"}.items():
        assert digest_after(install, {**modules, name: changed}) == first, name


def test_the_digest_covers_the_contract_and_the_building_blocks(monkeypatch):
    plugin_sources.plugin_code.cache_clear()
    before = load_strategy("mean-reversion", "1.0.0").code_digest
    real = plugin_sources.source
    for module in (
        "torghut_assets.domain.candidates.strategy",
        "torghut_assets.strategies.building_blocks",
        "torghut_assets.strategies.mean_reversion_v1",
    ):
        plugin_sources.plugin_code.cache_clear()
        monkeypatch.setattr(
            plugin_sources,
            "source",
            lambda name, module=module: real(name) + (b"#" if name == module else b""),
        )
        assert load_strategy("mean-reversion", "1.0.0").code_digest != before
    plugin_sources.plugin_code.cache_clear()
    monkeypatch.undo()
    assert load_strategy("mean-reversion", "1.0.0").code_digest == before


def test_the_digest_is_of_the_code_that_runs_not_of_a_later_edit(install, tmp_path):
    install({"acme.alpha": plugin()}, {"acme-alpha": "acme.alpha:STRATEGY"})
    before = load_strategy("acme-alpha", "1.0.0").code_digest
    (tmp_path / "acme" / "alpha.py").write_text(plugin() + "# edited", encoding="utf-8")
    assert load_strategy("acme-alpha", "1.0.0").code_digest == before


def test_code_without_source_cannot_be_evidence():
    with pytest.raises(BadInputError, match="module sys: found no source file"):
        plugin_sources.source("sys")
    with pytest.raises(BadInputError, match="no_such_module"):
        plugin_sources.source("no_such_module")
