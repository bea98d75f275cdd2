import pytest
from pydantic import ValidationError

from assay.policy.builtin import BuiltIn
from assay.policy.contract import Contract


def test_every_check_is_on_unless_the_policy_says_otherwise():
    names = [name for name in BuiltIn.model_fields if name != "confidence"]
    assert all(getattr(Contract(), name) is not None for name in names)
    assert len(names) == 13
    off = Contract.model_validate({"pii": None})
    assert off.pii is None
    assert off.shift is not None


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"volume": {"min_ratio": 2.0, "max_ratio": 1.0}}, "min_ratio 2 is above max_ratio 1"),
        ({"label_leakage": {"max_auc": 0.4}}, "greater than 0.5"),
        ({"shift": {"max_psy": 1.0}}, "Extra inputs"),
        ({"association_shift": {"min_ratio": 1.0}}, "less than 1"),
        ({"label_shift": {"undecided": "block"}}, "'critical', 'warning' or 'info'"),
        ({"freshness": {"max_age_days": 0}}, "greater than 0"),
        ({"pii": {"max_share": 1.5}}, "less than or equal to 1"),
        ({"pii": {"allow": ["a", "a"]}}, "named twice: a"),
    ],
)
def test_what_no_data_could_mean_is_refused(part, said):
    with pytest.raises(ValidationError, match=said):
        Contract.model_validate(part)
