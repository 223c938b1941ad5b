"""An order that a rollback sent leads back through the rollback's receipt and plan."""

import pytest
from order_examples import request

from torghut_assets.domain.audit.order_chains import ChainResolver, is_closing
from torghut_assets.domain.errors import EvidenceError, EvidenceMissingError
from torghut_assets.domain.orders.journal import OrderState
from torghut_assets.domain.rollback.records import (
    Holding,
    OrderEnd,
    RollbackPlan,
    RollbackReceipt,
    Trigger,
)

A, B = "a" * 64, "b" * 64
ORDER = OrderState(request=request(purpose="flatten", deployment_digest=A), status="cancelled")
ASKED = ORDER.request


def plan(**changes):
    fields = {
        "candidate_id": ASKED.candidate_id,
        "session": "2022-01-03",
        "deployment_digest": A,
        "policy_digest": B,
        "mode": "flat",
        "broker": "replay",
        "restores": None,
        "triggers": (
            Trigger(circumstance="data_drift", record=None, digest=None, detail="it drifted"),
        ),
        "known_holdings": (),
        "targets": (Holding(symbol=ASKED.symbol, quantity=0),),
        "cancels": (),
        "fills_digest": None,
        "journal_head": B,
    }
    return RollbackPlan(**(fields | changes))


def receipt(of, **changes):
    end = {
        "key": ASKED.key,
        "symbol": ASKED.symbol,
        "side": ASKED.side,
        "quantity": ASKED.quantity,
        "filled": 0,
        "status": "cancelled",
        "purpose": "flatten",
    }
    return RollbackReceipt(
        candidate_id=ASKED.candidate_id,
        session="2022-01-03",
        plan_digest=of.digest,
        mode="flat",
        broker="replay",
        restores=None,
        in_force_digest=None,
        targets=of.targets,
        orders=(OrderEnd(**(end | changes)),),
        read_back=None,
        problems=(),
        journal_head=B,
    )


class Kept:
    """Records that are stated and intact, but for `altered`; no deployment among them."""

    def __init__(self, *records, altered=()):
        self.records = {record.digest: record for record in records}
        self.altered = altered

    def record(self, model, digest):
        if not isinstance(self.records.get(digest), model):
            raise EvidenceMissingError(location="kept", digest=digest)
        return self.records[digest]

    def stated(self, asset, candidate_id):
        assert (asset, candidate_id) == ("rollback_receipt", ASKED.candidate_id)
        return tuple(d for d, r in self.records.items() if isinstance(r, RollbackReceipt))

    def removal(self, _digest):
        return None

    def statement_files(self, digest):
        return {} if digest in self.records else None

    def is_intact(self, digest):
        return digest in self.records and digest not in self.altered


def walked(*records, **named):
    return ChainResolver(Kept(*records, **named)).links_of(ORDER)


def test_it_resolves_to_the_receipt_the_plan_and_then_the_deployment():
    links = walked(plan(), receipt(plan()))
    assert is_closing(ORDER)
    assert [(link.name, link.resolves) for link in links] == [
        ("order", True),
        ("fill", True),
        ("rollback", True),
        ("deployment", False),
    ]
    assert links[0].detail == receipt(plan()).digest


@pytest.mark.parametrize(
    ("records", "named", "link", "said"),
    [
        ((plan(),), {}, "order", "no rollback's receipt names it"),
        ((plan(), receipt(plan(), key=B)), {}, "order", "no rollback's receipt names it"),
        ((plan(), receipt(plan(), status="filled")), {}, "fill", "status filled"),
        ((plan(), receipt(plan(), filled=1)), {}, "fill", "filled shares 1, expected 0"),
        ((receipt(plan()),), {}, "rollback", plan().digest),
        (
            (plan(deployment_digest=B), receipt(plan(deployment_digest=B))),
            {},
            "rollback",
            f"deployment {B}",
        ),
        ((plan(), receipt(plan())), {"altered": (plan().digest,)}, "rollback", "altered"),
    ],
)
def test_the_first_link_that_does_not_resolve_is_named(records, named, link, said):
    last = walked(*records, **named)[-1]
    assert (last.name, last.resolves) == (link, False)
    assert said in last.detail
    assert issubclass(EvidenceMissingError, EvidenceError)
