"""A model that decides by group, behind the gateway."""

import json

import pytest
from sqlalchemy import select
from tests.serving.support import LIMITS, onnx_model, person, standing

from assay.rollout.database import reading
from assay.rollout.tables import PREDICTION
from assay.training.group_thresholds import GroupThresholds

OWN = GroupThresholds(attributes=("sex",), by_group={("f",): 0.7, ("m",): 0.8})
BY_GROUP = onnx_model(thresholds_by_group=OWN.to_json())  # a person's score is 0.73


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    with standing(tmp_path_factory.mktemp("by_group")) as made:
        made.crown(1, BY_GROUP)
        made.serve()
        yield made


def test_the_same_score_is_decided_by_the_group_s_own_threshold(stand):
    sexes = ["f", "m", None, "never seen"]
    answer = stand.score(*(person(place, sex=sex) for place, sex in enumerate(sexes)), request_id="four").json()
    assert len({each["score"] for each in answer["predictions"]}) == 1
    # the last two by the plain threshold of 0.5
    assert [each["label"] for each in answer["predictions"]] == [">50K", "<=50K", ">50K", ">50K"]
    with reading(stand.engine) as connection:
        rows = connection.execute(select(PREDICTION.c.features).order_by(PREDICTION.c.id)).scalars()
        assert [json.loads(row)["sex"] for row in rows] == sexes  # the log holds what the decision was made from


def test_a_request_without_the_attribute_is_refused_as_for_any_feature(stand):
    refused = stand.score(person(1))
    assert refused.status_code == 400
    assert "sex: the rows lack this feature" in refused.text
    refused = stand.score(person(1, sex="f"), person(2))
    assert refused.status_code == 400
    assert "sex, row 1: the row lacks this feature" in refused.text


def test_a_canary_decides_its_rows_by_its_own_rule(stand):
    row = stand.rollouts.begin(ref=stand.ref(2, onnx_model()), run_key="two", policy=LIMITS)
    while not row.last_stage:
        row = stand.rollouts.advance(row.id, row.epoch)
    stand.wait_for_epoch()
    answer = stand.score(person(1, sex="m"), request_id="canary").json()
    assert answer["assay"]["rows"] == [{"version": 2, "arm": "canary"}]
    assert answer["predictions"][0]["label"] == ">50K"  # 0.73 is below the champion's 0.8 and above the canary's 0.5
