"""No place of the pipeline file can be weakened without somebody noticing."""

import pytest
import yaml
from contract import differences
from mutate_pipeline import FILE, run, who_catches

from torghut_assets.cli.dag import graph_shape
from torghut_assets.domain.stages.loader import load_pipeline


def test_the_shipped_file_is_the_specification():
    assert list(differences(load_pipeline(FILE.read_bytes()))) == []


@pytest.mark.law
@pytest.mark.heavy
def test_every_mutation_of_the_pipeline_is_caught(home):
    caught, survived = run(home)
    assert survived == []
    assert caught.total() >= 1_041
    assert set(caught) == {"loader", "proof", "contract"}


def test_a_file_that_only_looks_different_is_no_mutation(home):
    data = yaml.safe_load(FILE.read_bytes())
    data["checkpoints"]["promotion_gate"]["purpose"] = "said in other words, with the same sense"
    assert who_catches(data, graph_shape(home)) is None
