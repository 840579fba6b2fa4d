"""A short share of the campaigns, and that they notice faults."""

import random

import pytest

from nasjax.errors import UserError
from tests.fuzz import configs, damage, verdicts

pytestmark = pytest.mark.long
SEED = 0


def test_changed_configs_are_accepted_or_refused_in_one_line(tmp_path):
    found = list(configs.run(SEED, 60, tmp_path))
    assert not verdicts.faults(found)
    assert {verdict.outcome for verdict in found} == {"accepted", "refused"}


def test_damaged_files_never_give_another_number(tmp_path):
    found = list(damage.run(SEED, 60, tmp_path))
    assert not verdicts.faults(found)
    assert {verdict.outcome for verdict in found} == {"same", "refused", "accepted"}
    assert len({verdict.campaign for verdict in found}) == 10


def raises(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (lambda: "same", "same"),
        (raises(UserError("one line")), "refused"),
        (raises(UserError("two\nlines")), "traceback"),
        (raises(KeyError("counts")), "traceback"),
        (raises(verdicts.Wrong("other numbers")), "wrong"),
    ],
)
def test_an_outcome_is_named(run, outcome):
    assert verdicts.judge("a campaign", "a case", run).outcome == outcome


def test_what_does_not_end_is_a_hang(monkeypatch):
    monkeypatch.setattr(verdicts, "SECONDS", 1)

    def run():
        while True:
            pass

    verdict = verdicts.judge("a campaign", "a case", run)
    assert verdict.outcome == "hang" and "a case" in verdicts.faults([verdict])


def test_damage_changes_the_content():
    random_of = random.Random(0)
    content = bytes(range(256)) * 4
    changed = [damage.damaged(content, random_of) for _ in range(200)]
    assert sum(new != content for new, _ in changed) >= 195  # zeros may meet a zero
    assert len({how.split(" at ")[0] for _, how in changed}) == 8
