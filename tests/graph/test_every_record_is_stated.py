"""Every asset's record has a kind of statement, and the gate's decisions are the gate's word."""

import pytest

from torghut_assets.definitions import HELD
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.record_kinds import KIND_OF_RECORD, kind_of_record, signer_of
from torghut_assets.domain.evidence.statement import MAY_SIGN


def test_every_asset_of_the_graph_holds_a_record_that_is_stated():
    for name, made in HELD.items():
        assert kind_of_record(made.record_type.record_kind) in MAY_SIGN, name


def test_a_machine_may_sign_every_kind_and_only_decisions_of_gates_are_the_gates():
    for record_kind, kind in KIND_OF_RECORD.items():
        assert signer_of(kind) in MAY_SIGN[kind], record_kind
    assert {k for k in KIND_OF_RECORD.values() if signer_of(k) == "gate"} == {"gate-report"}


def test_a_record_that_nobody_gave_a_kind_is_refused():
    with pytest.raises(BadInputError, match="no-such-record"):
        kind_of_record("no-such-record")
