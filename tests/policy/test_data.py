import pytest
from pydantic import ValidationError

from assay.core import UserError
from assay.policy import Data, DeltaSource, Pseudonymize, Split, SqlSource, parse_policy
from assay.policy.data import masked

PLAIN = {"source": "x.csv", "key": "id", "label": "y", "positive": 1, "features": ["a"], "sensitive": ["s"]}


def data(**more):
    return Data.model_validate(PLAIN | more)


def problems(text):
    with pytest.raises(UserError) as caught:
        parse_policy(text.encode(), "policy.yaml")
    return {each.path: str(each) for each in caught.value.problems if each.path.startswith("data")}


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("data/*.parquet", "data/*.parquet"),
        ("s3://lake/people?region=eu", "s3://lake/people?region=eu"),
        ({"delta": "t", "version": 3}, DeltaSource(delta="t", version=3)),
        ({"delta": "t"}, DeltaSource(delta="t")),
        ({"sql": "SELECT 1", "url_env": "DB"}, SqlSource(sql="SELECT 1", url_env="DB")),
    ],
)
def test_a_source_has_a_form_for_each_kind(source, meant):
    assert data(source=source).source == meant


@pytest.mark.parametrize(
    "address",
    ["s3://key:secret@lake/x", "postgresql://ann@db/shop", "https://x.org/a.csv?sig=abc", "abfs://x/y?a=1&token=2"],
)
def test_credentials_in_a_policy_are_refused(address):
    for source in (address, {"delta": address}):
        with pytest.raises(ValidationError, match="holds credentials"):
            data(source=source)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{sql: SELECT 1}", {"data.source.url_env": "is missing"}),
        ("{sqll: SELECT 1, url_env: DB}", {"data.source.sql": "is missing", "data.source.sqll": 'did you mean "sql"'}),
        ("{delta: t, version: '3'}", {"data.source.version": "must be a valid integer"}),
        ("{delta: t, versoin: 3}", {"data.source.versoin": 'did you mean "version"'}),
        ("{sql: SELECT 1, url_env: 'db://ann:hush-hush@db'}", {"data.source.url_env": "must be the name of an env"}),
        ("[a.csv]", {"data.source": "must be a path, a URL"}),
    ],
)
def test_what_is_no_source_is_told_with_its_place(source, told):
    rest = "key: id, label: y, positive: 1, features: [a], sensitive: [s]"
    found = problems(f"data: {{source: {source}, {rest}}}")
    assert set(found) == set(told)
    assert all(message in found[path] for path, message in told.items())
    assert "hush-hush" not in str(found)


def test_a_list_of_pseudonyms_is_short_for_the_usual_key():
    assert data(pseudonymize=["m"]).pseudonymize == Pseudonymize(columns=["m"], key_env="ASSAY_PSEUDONYM_KEY")
    assert data(pseudonymize={"columns": ["m"], "key_env": "K"}).pseudonymize.key_env == "K"
    assert data().pseudonymize.columns == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"drop": ["a", "id", "z"]}, "drop names columns that the policy needs: a, id"),
        ({"drop": ["z"], "pseudonymize": ["z"]}, "drop and pseudonymize both name z"),
        ({"pseudonymize": ["a", "id", "y"]}, "read for what they say: a, y"),
        ({"time": "at", "pseudonymize": ["at"]}, "read for what they say: at"),
        ({"time": "at", "drop": ["at"]}, "drop names columns that the policy needs: at"),
        ({"split": {"by": "time"}}, "split by time needs data.time or split.column"),
        ({"split": {"by": "group"}}, "needs column"),
        ({"split": {"by": "random", "column": "a"}}, "goes by the key"),
        ({"split": {"validation": 0.5, "test": 0.5}}, "leaves nothing to train on"),
        ({"keep_days": 0}, "greater than or equal to 1"),
    ],
)
def test_what_contradicts_itself_is_refused(more, message):
    with pytest.raises(ValidationError, match=message):
        data(**more)


def test_the_columns_that_are_needed_include_those_of_time_and_split():
    needed = data(time="at", split=Split(by="group", column="house")).columns
    assert needed == ["id", "y", "a", "s", "at", "house"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://ann:secret@db:5432/shop?password=x", "postgresql://db:5432/shop"),
        ("s3://lake/x?secret=y#z", "s3://lake/x"),
        ("data/x.csv", "data/x.csv"),
    ],
)
def test_an_address_is_shown_without_secrets(address, shown):
    assert masked(address) == shown
