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

_BACKTEST: Final = "torghut_assets.domain.backtest"
_ADAPTERS: Final = "torghut_assets.reference_adapters"
_N: Final = MappingProxyType({"n": "n_obs"})
_SAME: Final[Mapping[str, str]] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class ReferenceFunction:
    """A statistic that is imported when it is called.

    `renamed` maps the reference file's names of inputs to those of the library.
    """

    module: str
    attribute: str
    renamed: Mapping[str, str]

    def __call__(self, **inputs: Any) -> Any:
        """Call the statistic with a case's inputs; return plain Python values."""
        function = getattr(importlib.import_module(self.module), self.attribute)
        arguments = {self.renamed.get(name, name): decode(v) for name, v in inputs.items()}
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


def _of(module: str, *names: str, renamed: Mapping[str, str] = _SAME) -> dict[str, Any]:
    """Functions of one module that bear the reference file's names."""
    return {name: ReferenceFunction(module, name, renamed) for name in names}


FUNCTIONS: Final[Mapping[str, ReferenceFunction]] = MappingProxyType(
    {
        **_of(
            f"{_BACKTEST}.sharpe",
            "probabilistic_sharpe_ratio",
            "probabilistic_sharpe_ratio_null_variance",
            "sharpe_ratio",
            "sharpe_standard_error",
            renamed=_N,
        ),
        **_of(
            f"{_BACKTEST}.track_record",
            "lo_annualization_factor",
            "lo_annualization_factor_ar1",
            "minimum_track_record_length",
            "minimum_track_record_length_null_variance",
        ),
        **_of(
            f"{_BACKTEST}.deflation",
            "deflated_sharpe_ratio",
            "minimum_backtest_length",
            renamed=_N,
        ),
        **_of(
            f"{_BACKTEST}.multiple_testing",
            "adjust_p_values",
            "binomial_hit_rate_test",
        ),
        **_of(f"{_BACKTEST}.multiple_testing", "haircut_sharpe", renamed=_N),
        **_of(
            f"{_BACKTEST}.performance",
            "calmar_ratio",
            "drawdown_depths",
            "historical_var_cvar",
            "hit_rate_profit_factor",
            "max_drawdown",
            "omega_ratio",
            "sortino_ratio",
        ),
        **_of(
            f"{_BACKTEST}.sizing",
            "concentration",
            "kelly_binary",
            "kelly_continuous",
            "rolling_volatility",
            "turnover",
            "vol_target_leverage",
        ),
        **_of(f"{_BACKTEST}.overfit", "pbo_cscv"),
        **_of(f"{_BACKTEST}.superior_ability", "reality_check_spa"),
        **_of(f"{_BACKTEST}.walk_forward", "time_series_splits", "walk_forward_splits"),
        **_of(f"{_BACKTEST}.cross_validation", "cpcv_path_ids", "cpcv_splits"),
        **_of(
            _ADAPTERS,
            "cpcv_counts",
            "deflated_sharpe_ratio_from_trials",
            "expected_max_sharpe",
            "live_vs_backtest_sharpe",
            "optimal_block_length",
            "pbo_n_combinations",
            "psr_from_returns",
            "purged_kfold_splits",
            "volatility_terciles",
        ),
    }
)


def __getattr__(name: str) -> ReferenceFunction:
    """Give every function of the table as an attribute of the module."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
