"""Every statistic by the name that a reference file uses, as a plain function.

``FUNCTIONS[name](**inputs)`` takes the inputs of a case as keywords and returns plain
Python values: numbers, text, lists, and dictionaries of named outputs. Anyone can verify
the library against such a file with one loop::

    for case in json.load(file)["cases"]:
        print(case["id"], FUNCTIONS[case["function"]](**case["inputs"]), case["expected"])

Each function is also an attribute of this module. Importing the module imports none of
them: that happens at the first call.
"""

import dataclasses
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from torghut_assets.domain.statistics_verification import decode


@dataclasses.dataclass(frozen=True)
class ReferenceFunction:
    """A statistic that is imported when it is called.

    Attributes
    ----------
    module, attribute : str
        Where it is, below `torghut_assets`.
    renamed : mapping
        From the reference file's names of inputs to the library's.
    record : str
        If given, the class in `module` that holds all inputs as the single argument.
    """

    module: str
    attribute: str
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    record: str = ""

    def __call__(self, **inputs: Any) -> Any:
        """Call the statistic with a case's inputs; return plain Python values."""
        module = importlib.import_module(f"torghut_assets.{self.module}")
        function = getattr(module, self.attribute)
        arguments = {self.renamed.get(name, name): decode(v) for name, v in inputs.items()}
        if self.record:
            return plain(function(getattr(module, self.record)(**arguments)))
        return plain(function(**arguments))


def plain(value: Any) -> Any:
    """Turn arrays, NumPy scalars, tuples and dataclasses into plain Python values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


_BACKTEST: Final = "domain.backtest"
_TCA: Final = "domain.tca"
_DRIFT: Final = "domain.drift"
_ADAPTED: Final = "reference_adapters"
_N: Final = MappingProxyType({"n": "n_obs"})

_MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"{_BACKTEST}.cross_validation": "cpcv_path_ids cpcv_splits",
        f"{_BACKTEST}.deflation": "minimum_backtest_length",
        f"{_BACKTEST}.multiple_testing": "adjust_p_values binomial_hit_rate_test",
        f"{_BACKTEST}.overfit": "pbo_cscv",
        f"{_BACKTEST}.performance": "calmar_ratio drawdown_depths historical_var_cvar "
        "hit_rate_profit_factor max_drawdown omega_ratio sortino_ratio",
        f"{_BACKTEST}.sharpe": "sharpe_ratio",
        f"{_BACKTEST}.sizing": "concentration kelly_binary kelly_continuous "
        "rolling_volatility turnover vol_target_leverage",
        f"{_BACKTEST}.superior_ability": "reality_check_spa",
        f"{_BACKTEST}.track_record": "lo_annualization_factor lo_annualization_factor_ar1 "
        "minimum_track_record_length minimum_track_record_length_null_variance",
        f"{_BACKTEST}.walk_forward": "time_series_splits walk_forward_splits",
        f"{_TCA}.impact": "almgren2005_impact square_root_impact_bps",
        f"{_TCA}.participation": "participation_capped_fills",
        f"{_TCA}.shortfall": "expected_vs_realised_shortfall",
        f"{_TCA}.slippage": "benchmark_slippage_bps markout_bps",
        f"{_TCA}.spread_estimators": "edge_spread ohlc_spread_estimators",
        f"{_DRIFT}.coverage": "coverage_check interval_coverage kupiec_pof",
        f"{_DRIFT}.distributions": "jensen_shannon_distance psi_from_samples "
        "psi_from_shares psi_from_shares_floored wasserstein_1d",
        f"{_DRIFT}.sequential": "cusum_tabular",
        f"{_DRIFT}.two_sample": "ks_two_sample mmd2_rbf",
        f"{_ADAPTED}.backtest": "cpcv_counts deflated_sharpe_ratio_from_trials "
        "expected_max_sharpe live_vs_backtest_sharpe optimal_block_length "
        "pbo_n_combinations psr_from_returns purged_kfold_splits volatility_terciles",
        f"{_ADAPTED}.execution": "asof_join effective_realized_spread istar_impact "
        "tca_from_minute_bars",
        f"{_ADAPTED}.drift": "adwin page_hinkley",
        f"{_ADAPTED}.look_ahead": "truncation_invariance",
        f"{_ADAPTED}.market_data": "calendar_gaps daily_bar_outliers lean_daily_adjusted "
        "lean_minute_bars survivorship_bias",
    }
)
"""Functions that take a case's inputs as they are."""

_COUNTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "deflated_sharpe_ratio": f"{_BACKTEST}.deflation",
        "haircut_sharpe": f"{_BACKTEST}.multiple_testing",
        "probabilistic_sharpe_ratio": f"{_BACKTEST}.sharpe",
        "probabilistic_sharpe_ratio_null_variance": f"{_BACKTEST}.sharpe",
        "sharpe_standard_error": f"{_BACKTEST}.sharpe",
    }
)
"""Functions that call a number of observations `n_obs` where a case says `n`."""

_RECORDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "almgren_chriss_schedule": (f"{_TCA}.schedule", "ExecutionProblem"),
        "capacity": (f"{_TCA}.costs", "CapacityProblem"),
        "implementation_shortfall": (f"{_TCA}.shortfall", "OrderOutcome"),
        "transaction_cost": (f"{_TCA}.costs", "PricedTrade"),
    }
)
"""Functions whose single argument is a record of the case's inputs."""

FUNCTIONS: Final[Mapping[str, ReferenceFunction]] = MappingProxyType(
    {
        **{
            name: ReferenceFunction(module, name)
            for module, names in _MODULES.items()
            for name in names.split()
        },
        **{name: ReferenceFunction(module, name, renamed=_N) for name, module in _COUNTS.items()},
        **{
            name: ReferenceFunction(module, name, record=record)
            for name, (module, record) in _RECORDS.items()
        },
    }
)


def __getattr__(name: str) -> ReferenceFunction:
    """Give every function of the table as an attribute of the module."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
