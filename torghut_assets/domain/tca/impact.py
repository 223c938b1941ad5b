"""Market impact models: what an order of a given size is expected to cost.

Read `square_root_impact_bps` first; it is the model with one parameter. All results are
costs of either side, in basis points (or, where named `_norm`, in units of daily volatility).
"""

import math
from dataclasses import dataclass

from torghut_assets.domain.tca.errors import OutOfRangeError
from torghut_assets.domain.tca.inputs import finite, non_negative, positive
from torghut_assets.domain.tca.slippage import BPS


def square_root_impact_bps(Y: float, sigma_daily: float, quantity: float, adv: float) -> float:
    """Square-root law: `1e4 * Y * sigma_daily * sqrt(|quantity| / adv)`.

    Parameters
    ----------
    Y : float
        Dimensionless prefactor of order 1, > 0.
    sigma_daily : float
        Daily volatility as a fraction, >= 0.
    quantity : float
        Shares; the sign does not matter.
    adv : float
        Average daily volume in shares, > 0.

    Returns
    -------
    float
        Basis points of the price, >= 0.

    Raises
    ------
    OutOfRangeError, NotANumberError
        With no volume the impact is not defined, and certainly not 0.

    References
    ----------
    Toth, B. et al. (2011). Anomalous price impact and the critical nature of liquidity in
    financial markets. Physical Review X 1, 021006. Grinold, R. and Kahn, R. (2000). Active
    Portfolio Management, chapter 16.
    """
    size = abs(finite(quantity, "quantity")) / positive(adv, "adv")
    volatility = non_negative(sigma_daily, "sigma_daily")
    return BPS * positive(Y, "Y") * volatility * math.sqrt(size)


@dataclass(frozen=True, slots=True)
class AlmgrenCoefficients:
    """Universal coefficients of Almgren et al. (2005): US equities, Citigroup, 2001-2003."""

    gamma: float = 0.314
    eta: float = 0.142
    delta: float = 0.25
    beta: float = 0.6


ALMGREN_2005 = AlmgrenCoefficients()


@dataclass(frozen=True, slots=True)
class AlmgrenImpact:
    """Permanent impact I, temporary impact K and cost J = I / 2 + K."""

    I_norm: float
    I_bps: float
    K_norm: float
    K_bps: float
    J_bps: float


def almgren2005_impact(
    x_over_adv: float,
    shares_outstanding: float,
    adv: float,
    sigma_daily: float,
    T_days: float,
    *,
    coefficients: AlmgrenCoefficients = ALMGREN_2005,
) -> AlmgrenImpact:
    """Permanent and temporary impact of an order executed evenly over `T_days`.

    `I / sigma = gamma (X/V) (Theta/V)^delta`, `K / sigma = eta (X/(V T))^beta`, and the cost
    `J = I / 2 + K`, with X the order, V the daily volume, Theta the shares outstanding.

    Parameters
    ----------
    x_over_adv : float
        Order size over average daily volume; the sign (side) does not matter: the results
        are costs of either side.
    shares_outstanding, adv : float
        Shares, > 0.
    sigma_daily : float
        Daily volatility as a fraction, >= 0.
    T_days : float
        Duration of the execution in trading days, > 0.

    Returns
    -------
    AlmgrenImpact
        `_norm` in units of daily volatility, `_bps` in basis points of the price.

    Raises
    ------
    OutOfRangeError, NotANumberError

    References
    ----------
    Almgren, R., Thum, C., Hauptmann, E. and Li, H. (2005). Direct estimation of equity market
    impact. Risk 18(7), sections 4-5.
    """
    size = abs(finite(x_over_adv, "x_over_adv"))
    volume = positive(adv, "adv")
    inverse_turnover = positive(shares_outstanding, "shares_outstanding") / volume
    sigma_bps = BPS * non_negative(sigma_daily, "sigma_daily")
    rate = size / positive(T_days, "T_days")
    permanent = coefficients.gamma * size * inverse_turnover**coefficients.delta
    temporary = coefficients.eta * rate**coefficients.beta
    return AlmgrenImpact(
        I_norm=permanent,
        I_bps=permanent * sigma_bps,
        K_norm=temporary,
        K_bps=temporary * sigma_bps,
        J_bps=(permanent / 2.0 + temporary) * sigma_bps,
    )


@dataclass(frozen=True, slots=True)
class IStarParameters:
    """Parameters of the I-Star model; the defaults are those published for US large caps.

    `a1` scales the instantaneous impact (bps), `a2` and `a3` are the exponents of size and
    volatility, `a4` the exponent of the participation rate, `b1` the temporary share.
    """

    a1: float = 708.0
    a2: float = 0.55
    a3: float = 0.71
    a4: float = 0.50
    b1: float = 0.98


KISSELL_2014 = IStarParameters()


@dataclass(frozen=True, slots=True)
class IStarImpact:
    """Instantaneous impact `I_star_bps` and expected market impact cost `MI_bps`."""

    I_star_bps: float
    MI_bps: float


def istar_impact(
    size_over_adv: float,
    sigma_annual: float,
    pov: float,
    parameters: IStarParameters = KISSELL_2014,
) -> IStarImpact:
    """Kissell's I-Star model.

    `I* = a1 * size^a2 * sigma^a3` and `MI = b1 * I* * POV^a4 + (1 - b1) * I*`.

    Parameters
    ----------
    size_over_adv : float
        |shares| / average daily volume, decimal; the sign does not matter.
    sigma_annual : float
        Annual volatility as a decimal, >= 0.
    pov : float
        Percentage of volume as a decimal, in (0, 1].

    Returns
    -------
    IStarImpact
        Basis points, >= 0.

    Raises
    ------
    OutOfRangeError, NotANumberError

    References
    ----------
    Kissell, R. (2014). The Science of Algorithmic Trading and Portfolio Management.
    """
    size = abs(finite(size_over_adv, "size_over_adv"))
    volatility = non_negative(sigma_annual, "sigma_annual")
    participation = positive(pov, "pov")
    temporary_share = non_negative(parameters.b1, "b1")
    for name, value, most in (("pov", participation, 1.0), ("b1", temporary_share, 1.0)):
        if value > most:
            raise OutOfRangeError(location=name, found=value, expected="at most 1")
    instantaneous = (
        positive(parameters.a1, "a1")
        * size ** positive(parameters.a2, "a2")
        * volatility ** positive(parameters.a3, "a3")
    )
    temporary = temporary_share * instantaneous * participation ** positive(parameters.a4, "a4")
    return IStarImpact(
        I_star_bps=instantaneous, MI_bps=temporary + (1.0 - temporary_share) * instantaneous
    )
