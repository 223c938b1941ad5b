"""The assets paper_tca and paper_gate_report on real bars, with made-up orders above them."""

from typing import NamedTuple

import dagster as dg
import pytest
import session_examples as paper
import tca_examples as examples
from click.testing import CliRunner

from torghut_assets.assets import paper_gates, tca
from torghut_assets.assets.keys import ASSETS
from torghut_assets.assets.partitions import CANDIDATE_SESSIONS, CANDIDATES
from torghut_assets.assets.policies import policy_assets
from torghut_assets.checks import paper_gates as gate_checks
from torghut_assets.checks import tca as tca_checks
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.tca import tca as command
from torghut_assets.definitions import stage_desk
from torghut_assets.domain.errors import EvidenceError, TooFewObservationsError
from torghut_assets.domain.gates.paper_policy import parse_paper_gate_policy
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record
from torghut_assets.resources.paper_gate_desk import PaperGateDesk
from torghut_assets.resources.record_io import RecordIO
from torghut_assets.resources.session_bars import SessionBars
from torghut_assets.resources.tca_desk import TcaDesk

POLICIES = ["cost_model", "evaluation_settings", "paper_gate_policy"]
DAYS = paper.sessions(3)


def _upstream(name, partitions, make):
    @dg.asset(name=name, partitions_def=partitions, io_manager_key="record_io")
    def made(context: dg.AssetExecutionContext):
        record = make(str(context.partition_key).rpartition("|")[2])
        return dg.MaterializeResult(value=record, data_version=dg.DataVersion(record.digest))

    return made


def _intents(day):
    return paper.intents(session=day)


def _orders(day):
    return paper.orders(session=day, intents_digest=_intents(day).digest)


def _fills(day):
    fills = tuple(
        paper.fill(f"{day}-{n}", price_usd=price, filled_at=f"{day}T14:30:00Z")
        for n, price in enumerate((181.0, 182.0))
    )
    order = paper.order(submitted_at=f"{day}T14:25:00Z")
    return paper.fills(
        session=day,
        intents_digest=_intents(day).digest,
        orders_digest=_orders(day).digest,
        orders=(order,),
        fills=fills,
    )


class World(NamedTuple):
    """A home with three sessions, the reports before and after the second one was made up for."""

    home: Home
    instance: dg.DagsterInstance
    with_a_gap: PaperGateReport
    whole: PaperGateReport
    checks: dict[str, bool]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Run sessions one and three, then two and three."""
    home = Home.at(tmp_path_factory.mktemp("tca") / "home")
    home.prepare()
    assets = [
        *policy_assets(home),
        _upstream("paper_deployment", CANDIDATES, lambda _: paper.deployment()),
        _upstream("order_intents", CANDIDATE_SESSIONS, _intents),
        _upstream("paper_orders", CANDIDATE_SESSIONS, _orders),
        _upstream("paper_fills", CANDIDATE_SESSIONS, _fills),
        tca.paper_tca,
        paper_gates.paper_gate_report,
        tca_checks.shortfall_ties,
        gate_checks.gate3,
    ]
    resources = {
        "home": home,
        "tca_desk": TcaDesk(SessionBars(home)),
        "paper_gate_desk": PaperGateDesk(home),
        "record_io": RecordIO(
            home.store,
            {name: made.record_type for name, made in ASSETS.items()},
            {name: made.command for name, made in ASSETS.items()},
            lambda *_: None,
            stage_desk(home).statements,
        ),
    }
    with instance_of(home) as instance:
        instance.add_dynamic_partitions("candidate", [paper.CANDIDATE])
        instance.add_dynamic_partitions("session", DAYS)

        def run(selection, partition=None):
            return dg.materialize(
                assets,
                instance=instance,
                resources=resources,
                selection=dg.AssetSelection.assets(*selection),
                partition_key=partition,
            )

        def session(day):
            key = dg.MultiPartitionKey({"candidate": paper.CANDIDATE, "session": day})
            names = ["order_intents", "paper_orders", "paper_fills"]
            return run([*names, "paper_tca", "paper_gate_report"], key)

        run(POLICIES)
        run(["paper_deployment"], paper.CANDIDATE)
        session(DAYS[0])
        session(DAYS[2])
        gap = _held(home, instance, PaperGateReport, "paper_gate_report", DAYS[2])
        session(DAYS[1])
        result = session(DAYS[2])
        whole = _held(home, instance, PaperGateReport, "paper_gate_report", DAYS[2])
        checks = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
        yield World(home, instance, gap, whole, checks)


def _held(home, instance, model, name, day):
    key = dg.AssetKey(name)
    return current_record(instance, home.store, model, key, f"{paper.CANDIDATE}|{day}")


@pytest.fixture(autouse=True)
def _commands_use_this_home(world, monkeypatch):
    monkeypatch.setenv("TORGHUT_HOME", str(world.home.root))


def test_sessions_are_measured_on_real_bars(world):
    analysis = _held(world.home, world.instance, PaperTca, "paper_tca", DAYS[0])
    assert analysis.conditions.volatility_regime in {"calm", "normal", "turbulent"}
    assert 0.003 < analysis.conditions.symbols[0].volatility_fraction < 0.05
    assert 1.3 < analysis.orders[0].expected_cost_bps < 20
    assert world.whole.window[0].tca_digest == analysis.digest


def test_a_short_window_extends_itself_and_its_check_shows_it(world):
    assert world.checks == {"shortfall_ties": True, "gate3": False}
    assert [ref.session for ref in world.whole.window] == DAYS
    assert world.whole.verdict is Verdict.INCONCLUSIVE
    assert world.whole.next_action == "extend_window"


def test_a_session_that_was_left_out_fails_the_gate(world):
    assert world.with_a_gap.verdict is Verdict.FAIL
    assert world.with_a_gap.window[1].tca_digest is None


def test_an_altered_session_is_a_missing_one(world):
    home, instance = world.home, world.instance
    digest = _held(home, instance, PaperTca, "paper_tca", DAYS[1]).digest
    path = home.store.verified_path(digest)
    sound = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(sound.replace(b'"cancels":0', b'"cancels":9'))
    desk = PaperGateDesk(home)
    policy = parse_paper_gate_policy(home.config_path("paper_gate_policy").read_bytes())
    current = examples.tca(DAYS[2])
    evidence = desk.evidence(instance, paper.deployment(), current, policy)
    with pytest.raises(EvidenceError):
        desk.window(instance, paper.CANDIDATE, DAYS[0], DAYS[1])
    path.write_bytes(sound)
    assert evidence.expected_sessions == tuple(DAYS)
    assert DAYS[1] in evidence.absent[0]


def test_the_report_command_shows_the_window_as_text_and_as_json():
    arguments = ["report", paper.CANDIDATE, "--from", DAYS[0], "--to", DAYS[1]]
    text = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert text.exit_code == 0
    assert "2 orders in 2 sessions" in text.output
    assert "shortfall_bps" in text.output
    as_json = CliRunner().invoke(command, [*arguments, "--json", "--by", "symbol"])
    assert '"group": "AAPL"' in as_json.output


def test_a_window_without_a_session_is_missing_evidence():
    arguments = ["report", paper.CANDIDATE, "--from", "2022-06-01"]
    with pytest.raises(EvidenceError, match="has not been materialized"):
        CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_a_proposal_from_three_orders_is_refused_and_writes_nothing(world):
    before = sorted(world.home.root.rglob("proposals/*"))
    with pytest.raises(TooFewObservationsError):
        CliRunner().invoke(command, ["propose", paper.CANDIDATE], catch_exceptions=False)
    assert sorted(world.home.root.rglob("proposals/*")) == before


def test_a_proposal_is_written_beside_the_model_in_force(world, monkeypatch):
    home = world.home
    monkeypatch.setattr(PaperGateDesk, "window", lambda *_: tuple(examples.window()))
    before = home.config_path("cost_model").read_bytes()
    result = CliRunner().invoke(command, ["propose", paper.CANDIDATE], catch_exceptions=False)
    assert result.exit_code == 0
    (written,) = (home.root / "proposals").iterdir()
    assert "model_version" in written.read_text()
    assert home.config_path("cost_model").read_bytes() == before
