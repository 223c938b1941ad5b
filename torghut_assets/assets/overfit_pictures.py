"""Pictures of the overfitting statistics: logits, parameter sensitivity, bootstrap fan."""

from typing import TYPE_CHECKING

import dagster as dg

from torghut_assets.assets.pictures import as_markdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from torghut_assets.domain.backtest.overfit_evidence import OverfitMeasurement
    from torghut_assets.domain.backtest.overfit_sample import GridSample
    from torghut_assets.domain.candidates.strategy import Floats

_INK = "#1f3a5f"
_LOSS = "#b3362b"


def logit_histogram(logits: "Floats", pbo: float | None, title: str) -> dg.MarkdownMetadataValue:
    """Draw where the best in sample ranks out of sample: left of zero is the lower half."""
    from matplotlib.figure import Figure

    if pbo is None:
        return dg.MetadataValue.md("not measured")
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.hist(logits[logits <= 0], bins=40, range=(-6, 6), color=_LOSS, label="lower half")
    axes.hist(logits[logits > 0], bins=40, range=(-6, 6), color=_INK, label="upper half")
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_xlabel("logit of the rank out of sample")
    axes.set_ylabel("splits")
    axes.legend(frameon=False)
    heading = f"{title}: probability of backtest overfitting {pbo:.3f}"
    return _finished(axes, heading)


def sensitivity(sample: "GridSample", title: str) -> dg.MarkdownMetadataValue:
    """Draw Sharpe ratios over the two parameters with most values; bars if only one varies."""
    import numpy as np
    from matplotlib.figure import Figure

    from torghut_assets.domain.backtest.parameter_surface import parameter_surface

    surface = parameter_surface(sample)
    if surface is None:
        return dg.MetadataValue.md("the grid has one point: there is nothing to compare")
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    across, down = surface.across, surface.down
    axes.set_xticks(np.arange(len(across.values)), [str(value) for value in across.values])
    axes.set_xlabel(across.name)
    if down is None:
        axes.bar(np.arange(len(across.values)), surface.sharpe_per_bar[0], color=_INK)
        axes.set_ylabel("Sharpe ratio per bar")
    else:
        shown = axes.imshow(surface.sharpe_per_bar, aspect="auto", cmap="viridis")
        axes.set_yticks(np.arange(len(down.values)), [str(value) for value in down.values])
        axes.set_ylabel(down.name)
        figure.colorbar(shown, ax=axes, label="Sharpe ratio per bar (mean over the rest)")
        axes.plot(*surface.declared, marker="o", color="white", markeredgecolor="black")
    return _finished(axes, f"{title}: sensitivity to parameters", grid=False)


def bootstrap_fan(measured: "OverfitMeasurement", title: str) -> dg.MarkdownMetadataValue:
    """Draw percentiles of equity over resamples of the out-of-sample path."""
    import numpy as np
    from matplotlib.figure import Figure

    if not len(measured.fan):
        return dg.MetadataValue.md("not measured")
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    bars, fan = measured.fan_bars, measured.fan
    axes.fill_between(bars, fan[:, 0], fan[:, 4], color=_INK, alpha=0.15, label="95 % of resamples")
    axes.fill_between(bars, fan[:, 1], fan[:, 3], color=_INK, alpha=0.3, label="half of them")
    axes.plot(bars, fan[:, 2], color=_INK, linewidth=1.0, linestyle="--", label="median")
    equity = np.cumprod(1.0 + measured.sample.path)
    axes.plot(np.arange(1, len(equity) + 1), equity, color=_LOSS, linewidth=1.0, label="observed")
    axes.axhline(1.0, color="black", linewidth=0.6)
    axes.set_yscale("log")
    axes.set_xlabel("bars out of sample")
    axes.set_ylabel("equity (start = 1)")
    axes.legend(frameon=False, fontsize=8)
    return _finished(axes, f"{title}: stationary bootstrap")


def _finished(axes: "Axes", heading: str, *, grid: bool = True) -> dg.MarkdownMetadataValue:
    from matplotlib.figure import Figure

    axes.set_title(heading, loc="left", fontsize=10)
    if grid:
        axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure = axes.figure
    if not isinstance(figure, Figure):
        raise TypeError(f"the axes lie in a {type(figure).__name__}, not in a figure")
    return as_markdown(figure, heading)
