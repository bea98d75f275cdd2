"""What waivers let go on, in a dossier and from the table where they are kept."""

from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evidence.waiving import TODAY, check, doubts, keys_of_two, proposal, verdict

from assay.core import Outcome, canonical_json
from assay.evidence.waivers import cover, stored_waivers, waived, waiver_event
from assay.policy import TIERS
from assay.registry.dossier import EvidenceError
from assay.registry.keys import Keyring
from assay.rollout import Waivers, create_tables, open_database

outcomes = st.sampled_from(list(Outcome))
severities = st.sampled_from(["critical", "warning"])
checks = st.lists(
    st.builds(
        check, name=st.sampled_from("ab"), attribute=st.sampled_from(["x", "y"]), outcome=outcomes, severity=severities
    ),
    min_size=1, max_size=6, unique_by=lambda each: (each.name, each.attribute),
)  # fmt: skip
addresses = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "x", "y"])), max_size=4)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory):
    return Keyring.open(keys_of_two(tmp_path_factory.mktemp("keys")))


@pytest.fixture
def engine(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'operations.db'}")
    create_tables(engine)
    yield engine
    engine.dispose()


@given(checks, addresses)
def test_a_verdict_goes_on_when_every_failing_critical_check_is_waived_and_none_is_an_error(found, named):
    judged = verdict(*found)
    waivers = [replace(proposal(), check=name, attribute=attribute) for name, attribute in named]
    failing = [each for each in found if each.severity == "critical" and each.outcome is not Outcome.PASS]
    excused = all(
        each.outcome is not Outcome.ERROR and any(n == each.name and a in (None, each.attribute) for n, a in named)
        for each in failing
    )
    wanted = judged.outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE) and bool(failing) and excused
    pairs = cover(judged, waivers)
    assert (pairs is not None) == wanted
    assert [each for each, _ in pairs or ()] == (failing if wanted else [])


def test_a_waiver_of_another_gate_s_check_covers_nothing():
    judged = verdict(check())
    assert cover(judged, [replace(proposal(), gate="robustness")]) is None


class TestInADossier:
    def events(self, keyring, judged, **given):
        waiver = proposal(**given).signed(keyring, "ann")
        return waiver, waiver_event(judged, judged.checks[0], waiver, by="run")

    def test_it_lets_its_verdict_go_on_until_it_expires(self, keyring):
        judged = verdict(check())
        waiver, event = self.events(keyring, judged)
        assert waived([judged, event], keyring, TIERS["low"], today=TODAY) == ({judged.digest}, [])
        later = TODAY + timedelta(days=11)
        digests, reasons = waived([judged, event], keyring, TIERS["low"], today=later)
        assert digests == set()
        assert reasons == [
            f"fairness: the waiver {waiver.id} of fairness/tpr_difference/sex expired on {waiver.expires}"
        ]

    def test_it_does_not_carry_over_to_a_later_verdict(self, keyring):
        judged = verdict(check())
        _, event = self.events(keyring, judged)
        again = judged.numbered(attempt=2, previous=event.digest)
        assert waived([judged, event, again], keyring, TIERS["low"], today=TODAY)[0] == {judged.digest}

    def test_one_of_two_is_not_enough(self, keyring):
        judged = verdict(check(), check(attribute="race"))
        _, event = self.events(keyring, judged)
        assert waived([judged, event], keyring, TIERS["low"], today=TODAY) == (set(), [])

    def test_the_operation_is_the_same_for_the_same_check_of_the_same_verdict(self, keyring):
        judged = verdict(check(), check(attribute="race"))
        waiver = proposal(check="fairness/tpr_difference").signed(keyring, "ann")
        made = [waiver_event(judged, each, waiver, by="run").operation for each in (*judged.checks, judged.checks[0])]
        assert made[0] == made[2] != made[1]


class TestInTheTable:
    def add(self, engine, waiver, model="toy"):
        table = Waivers(engine)
        table.add(waiver.id, model, canonical_json(waiver.document()).decode())
        for each in waiver.signatures:
            table.sign(waiver.id, canonical_json(asdict(each)).decode())

    def test_it_comes_back_as_it_was_signed(self, engine, keyring):
        waivers = [proposal(days=days).signed(keyring, "ann") for days in (3, 5)]
        for each in waivers:
            self.add(engine, each)
        assert stored_waivers(engine, "toy") == waivers
        assert stored_waivers(engine, "other") == []
        assert doubts(stored_waivers(engine, "toy")[0], keyring) == []

    def test_one_that_was_put_under_another_model_is_not_used(self, engine, keyring):
        """Its signatures are true: nothing but the model's name tells."""
        self.add(engine, proposal().signed(keyring, "ann"), model="other")
        with pytest.raises(EvidenceError, match="not what was signed"):
            stored_waivers(engine, "other")

    @pytest.mark.parametrize("document", ["{", "[]", "{}", '{"model": "toy"}'])
    def test_what_is_no_waiver_is_an_error_that_says_so(self, engine, document):
        Waivers(engine).add("id", "toy", document)
        with pytest.raises(EvidenceError, match="not what was signed"):
            stored_waivers(engine, "toy")
