"""W4: transaction costs of 1 M fills and 20,000 orders against 10 M quotes and minute bars.

All programs get the same columns in memory, sorted as the workload says, and return per fill
the midpoint in force and the effective spread, per order the arrival midpoint, Perold's
shortfall with opportunity cost and fees, VWAP slippage, participation and effective spread.
Peers are polars, pandas and DuckDB with their own as-of joins. Making the inputs, which for
ours includes checking every row, is timed apart; so is compiling.
"""

import time

import numpy as np
import runner

from torghut_assets.domain.tca.tape import (
    BarTape,
    FillTape,
    OrderTape,
    QuoteTape,
    analyse_tape,
)

SECOND = 1_000_000
MINUTE = 60 * SECOND
MINUTES = 390
SESSION = MINUTES * MINUTE
FILLS_PER_ORDER = 50
SEED = 4
TOLERANCE = {
    "mid": 0.0,
    "spread_bps": 1e-9,
    "arrival_mid": 0.0,
    "total": 1e-6,
    "total_bps": 1e-9,
    "vwap_slippage_bps": 1e-6,
    "participation": 1e-12,
    "order_spread_bps": 1e-8,
}


def make_market(n_symbols, n_quotes, n_orders):
    """Columns of quotes, bars, orders and fills as plain arrays, by table and name."""
    draw = np.random.default_rng(SEED)
    starts = np.arange(n_symbols + 1, dtype=np.int64) * n_quotes
    times = np.sort(draw.integers(0, SESSION, (n_symbols, n_quotes)), axis=1).ravel()
    steps = draw.normal(0.0, 0.005, (n_symbols, n_quotes))
    mid = np.round(100.0 + np.cumsum(steps, axis=1), 2).ravel()
    half = 0.01 * draw.integers(1, 4, mid.size)
    bars = {
        "symbol": np.repeat(np.arange(n_symbols), MINUTES),
        "time": np.tile(np.arange(MINUTES, dtype=np.int64) * MINUTE, n_symbols),
        "close": np.round(100.0 + draw.normal(0, 1, n_symbols * MINUTES), 2),
        "volume": draw.integers(50_000, 500_000, n_symbols * MINUTES).astype(float),
    }
    bars["high"] = bars["close"] + 0.02
    bars["low"] = bars["close"] - 0.03
    begin = draw.integers(MINUTE, SESSION // 2, n_orders)
    orders = {
        "order": np.arange(n_orders),
        "symbol": draw.integers(0, n_symbols, n_orders),
        "sign": draw.choice([-1.0, 1.0], n_orders),
        "decision": np.round(100.0 + draw.normal(0, 0.5, n_orders), 2),
        "begin": begin,
        "end": begin + draw.integers(30, 150, n_orders) * MINUTE,
    }
    owner = np.repeat(np.arange(n_orders), FILLS_PER_ORDER)
    share = draw.random(owner.size)
    when = (begin[owner] + share * (orders["end"] - begin)[owner]).astype(np.int64)
    size = 10.0 * draw.integers(1, 20, owner.size)
    orders["quantity"] = 1.1 * np.bincount(owner, size)
    tape = np.argsort(when, kind="stable")
    fills = {
        "order": owner[tape],
        "time": when[tape],
        "quantity": size[tape],
        "price": np.round(100.0 + draw.normal(0, 0.5, owner.size), 2),
        "fee": np.round(draw.random(owner.size), 2),
    }
    quotes = {
        "symbol": np.repeat(np.arange(n_symbols), n_quotes),
        "time": times,
        "bid": mid - half,
        "ask": mid + half,
    }
    return {"quotes": quotes, "bars": bars, "orders": orders, "fills": fills, "starts": starts}


def tapes(market):
    """Make our inputs, which checks every row."""
    q, b, o, f = (market[name] for name in ("quotes", "bars", "orders", "fills"))
    n_symbols = market["starts"].size - 1
    bar_starts = np.arange(n_symbols + 1, dtype=np.int64) * MINUTES
    return (
        QuoteTape(market["starts"], q["time"], q["bid"], q["ask"]),
        OrderTape(o["symbol"], o["sign"], o["quantity"], o["decision"], o["begin"], o["end"]),
        FillTape(f["order"], f["time"], f["quantity"], f["price"], f["fee"]),
        BarTape(bar_starts, b["time"], b["high"], b["low"], b["close"], b["volume"]),
    )


def ours(inputs):
    found = analyse_tape(*inputs)
    return {
        "mid": found.fills.mid,
        "spread_bps": found.fills.effective_spread_bps,
        "arrival_mid": found.orders.arrival_mid,
        "total": found.orders.total,
        "total_bps": found.orders.total_bps,
        "vwap_slippage_bps": found.orders.vwap_slippage_bps,
        "participation": found.orders.participation,
        "order_spread_bps": found.orders.effective_spread_bps,
    }


def import_polars(market):
    """Polars, lazily planned, its own as-of join; the fills stay in tape order, unsorted."""
    import polars as pl

    quotes, bars, orders, fills = (
        pl.DataFrame(market[name]) for name in ("quotes", "bars", "orders", "fills")
    )
    orders = orders.with_columns(pl.col("symbol").cast(pl.Int64))

    def call():
        book, mid = quotes.lazy(), (pl.col("bid") + pl.col("ask")) / 2.0
        arrival = (
            orders.lazy()
            .select("order", "symbol", "begin")
            .sort("begin")
            .join_asof(book, left_on="begin", right_on="time", by="symbol", check_sortedness=False)
            .select("order", arrival_mid=mid)
        )
        measured = (
            fills.lazy()
            .join(
                orders.lazy().select("order", "symbol", "sign", "decision"),
                on="order",
                maintain_order="left",
            )
            .join_asof(book, on="time", by="symbol", check_sortedness=False)
            .with_columns(mid=mid)
            .with_columns(
                spread_bps=2e4 * pl.col("sign") * (pl.col("price") - pl.col("mid")) / pl.col("mid")
            )
        )
        per_fill = measured.select(
            "order", "mid", "spread_bps", "quantity", "price", "fee", "sign", "decision"
        ).collect()
        sums = (
            per_fill.lazy()
            .group_by("order")
            .agg(
                filled=pl.col("quantity").sum(),
                paid=(pl.col("quantity") * pl.col("price")).sum(),
                execution=(
                    pl.col("sign") * pl.col("quantity") * (pl.col("price") - pl.col("decision"))
                ).sum(),
                fees=pl.col("fee").sum(),
                spread=(pl.col("quantity") * pl.col("spread_bps")).sum(),
            )
        )
        inside = (
            orders.lazy()
            .select("order", "symbol", "begin", "end")
            .join(bars.lazy(), on="symbol")
            .filter((pl.col("time") >= pl.col("begin")) & (pl.col("time") < pl.col("end")))
            .group_by("order")
            .agg(
                traded=pl.col("volume").sum(),
                bought=(
                    (pl.col("high") + pl.col("low") + pl.col("close")) / 3.0 * pl.col("volume")
                ).sum(),
                last=pl.col("close").sort_by("time").last(),
            )
        )
        wide = (
            orders.lazy()
            .join(arrival, on="order", how="left")
            .join(sums, on="order", how="left")
            .join(inside, on="order", how="left")
            .sort("order")
            .with_columns(
                total=pl.col("execution")
                + pl.col("sign")
                * (pl.col("quantity") - pl.col("filled"))
                * (pl.col("last") - pl.col("decision"))
                + pl.col("fees"),
                vwap=pl.col("bought") / pl.col("traded"),
            )
            .select(
                "arrival_mid",
                "total",
                total_bps=1e4 * pl.col("total") / (pl.col("quantity") * pl.col("decision")),
                vwap_slippage_bps=1e4
                * pl.col("sign")
                * (pl.col("paid") / pl.col("filled") - pl.col("vwap"))
                / pl.col("vwap"),
                participation=pl.col("filled") / pl.col("traded"),
                order_spread_bps=pl.col("spread") / pl.col("filled"),
            )
            .collect()
        )
        found = {name: per_fill[name].to_numpy() for name in ("mid", "spread_bps")}
        return found | {name: wide[name].to_numpy() for name in wide.columns}

    return call


def import_pandas(market):
    """Pandas, its own as-of merge; both sides must be sorted by time over all symbols."""
    import pandas as pd

    quotes, bars, orders, fills = (
        pd.DataFrame(market[name]) for name in ("quotes", "bars", "orders", "fills")
    )

    def call():
        mids = pd.DataFrame(
            {
                "symbol": quotes["symbol"],
                "time": quotes["time"],
                "mid": (quotes["bid"] + quotes["ask"]) / 2.0,
            }
        ).sort_values("time", kind="stable")
        arrival = pd.merge_asof(
            orders.sort_values("begin"), mids, left_on="begin", right_on="time", by="symbol"
        ).set_index("order")["mid"]
        known = orders.set_index("order")[["symbol", "sign", "decision"]]
        fill = fills.join(known, on="order")
        fill = pd.merge_asof(fill, mids, on="time", by="symbol")
        fill["spread_bps"] = 2e4 * fill["sign"] * (fill["price"] - fill["mid"]) / fill["mid"]
        fill["paid"] = fill["quantity"] * fill["price"]
        fill["execution"] = fill["sign"] * fill["quantity"] * (fill["price"] - fill["decision"])
        fill["spread"] = fill["quantity"] * fill["spread_bps"]
        columns = ["quantity", "paid", "execution", "fee", "spread"]
        sums = fill.groupby("order", sort=True)[columns].sum()
        pairs = orders[["order", "symbol", "begin", "end"]].merge(bars, on="symbol")
        pairs = pairs[(pairs["time"] >= pairs["begin"]) & (pairs["time"] < pairs["end"])]
        pairs = pairs.sort_values(["order", "time"])
        pairs["bought"] = (pairs["high"] + pairs["low"] + pairs["close"]) / 3.0 * pairs["volume"]
        inside = pairs.groupby("order").agg(
            traded=("volume", "sum"), bought=("bought", "sum"), last=("close", "last")
        )
        wide = orders.set_index("order").join(sums.rename(columns={"quantity": "filled"}))
        wide = wide.join(inside)
        missed = (
            wide["sign"] * (wide["quantity"] - wide["filled"]) * (wide["last"] - wide["decision"])
        )
        total = wide["execution"] + missed + wide["fee"]
        vwap = wide["bought"] / wide["traded"]
        return {
            "mid": fill["mid"].to_numpy(),
            "spread_bps": fill["spread_bps"].to_numpy(),
            "arrival_mid": arrival.reindex(wide.index).to_numpy(),
            "total": total.to_numpy(),
            "total_bps": (1e4 * total / (wide["quantity"] * wide["decision"])).to_numpy(),
            "vwap_slippage_bps": (
                1e4 * wide["sign"] * (wide["paid"] / wide["filled"] - vwap) / vwap
            ).to_numpy(),
            "participation": (wide["filled"] / wide["traded"]).to_numpy(),
            "order_spread_bps": (wide["spread"] / wide["filled"]).to_numpy(),
        }

    return call


_SQL_FILLS = """
create or replace temp table measured as
select f.row, f."order", q.mid, f.quantity, f.price, f.fee, f.sign, f.decision,
       2e4 * f.sign * (f.price - q.mid) / q.mid as spread_bps
from (select f.*, o.symbol, o.sign, o.decision from fills f join orders o using ("order")) f
asof left join (select symbol, time, (bid + ask) / 2.0 as mid from quotes) q
  on f.symbol = q.symbol and f.time >= q.time
"""
_SQL_ORDERS = """
with sums as (
  select "order", sum(quantity) filled, sum(quantity * price) paid, sum(fee) fees,
         sum(sign * quantity * (price - decision)) execution, sum(quantity * spread_bps) spread
  from measured group by "order"),
inside as (
  select o."order", sum(b.volume) traded, arg_max(b.close, b.time) last_close,
         sum((b.high + b.low + b.close) / 3.0 * b.volume) bought
  from orders o join bars b
    on o.symbol = b.symbol and b.time >= o.begin and b.time < o."end"
  group by o."order"),
arrival as (
  select o."order", q.mid as arrival_mid from orders o
  asof left join (select symbol, time, (bid + ask) / 2.0 as mid from quotes) q
    on o.symbol = q.symbol and o.begin >= q.time)
select arrival_mid,
       execution + sign * (quantity - filled) * (last_close - decision) + fees as total,
       1e4 * (execution + sign * (quantity - filled) * (last_close - decision) + fees)
         / (quantity * decision) as total_bps,
       1e4 * sign * (paid / filled - bought / traded) / (bought / traded) as vwap_slippage_bps,
       filled / traded as participation, spread / filled as order_spread_bps
from orders join sums using ("order") join inside using ("order") join arrival using ("order")
order by "order"
"""


def import_duckdb(market):
    """DuckDB with its ASOF join, tables already loaded."""
    import duckdb
    import pyarrow as pa

    base = duckdb.connect()
    for name in ("quotes", "bars", "orders", "fills"):
        columns = dict(market[name])
        if name == "fills":
            columns["row"] = np.arange(columns["time"].size)
        arrow = pa.table(columns)
        base.register("arriving", arrow)
        base.execute(f"create table {name} as select * from arriving")
        base.unregister("arriving")

    def call():
        base.execute(_SQL_FILLS)
        fills = base.execute("select mid, spread_bps from measured order by row").fetchnumpy()
        orders = base.execute(_SQL_ORDERS).fetchnumpy()
        return {name: np.asarray(column) for name, column in (fills | orders).items()}

    return call


def growth():
    """Time per fill while the tape grows tenfold in steps."""
    lines = ["| quotes | fills | orders | CPU | per fill |", "| ---: | ---: | ---: | ---: | ---: |"]
    for n_quotes, n_orders in ((5_000, 2_000), (15_000, 6_000), (50_000, 20_000)):
        inputs = tapes(make_market(200, n_quotes, n_orders))
        seconds = runner.median_seconds(lambda inputs=inputs: ours(inputs))
        fills = n_orders * FILLS_PER_ORDER
        lines.append(
            f"| {200 * n_quotes:,} | {fills:,} | {n_orders:,} | {1e3 * seconds:.1f} ms "
            f"| {1e9 * seconds / fills:.0f} ns |"
        )
    return "\n".join(["### W4 growth", "", *lines, ""])


def main():
    chosen = runner.options(__doc__)
    market = make_market(200, 50_000, 20_000)
    tapes(market)  # compiles the checks
    before = time.perf_counter()
    inputs = tapes(market)
    checked = time.perf_counter() - before
    agrees = runner.largest_difference(TOLERANCE)
    peers = (
        ("polars", import_polars, chosen.rounds),
        ("pandas", import_pandas, chosen.slow_rounds),
        ("DuckDB", import_duckdb, chosen.slow_rounds),
    )
    contenders = [runner.Contender("torghut, 1 thread", lambda: ours(inputs))]
    contenders += [
        runner.Contender(name, make(market), agrees, rounds) for name, make, rounds in peers
    ]
    results = runner.compare(contenders, chosen.rounds)
    notes = [
        "10 M quotes, 1 M fills, 20,000 orders, 78,000 minute bars; peers use all cores.",
        f"Checking every row when ours are made, not in the table: {1e3 * checked:.0f} ms.",
        f"{runner.machine()}.",
    ]
    runner.publish(runner.markdown("W4 transaction costs", results, notes), chosen.output)
    if chosen.growth:
        runner.publish(growth(), chosen.output)


if __name__ == "__main__":
    main()
