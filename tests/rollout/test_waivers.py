"""Waivers come back as they were signed, each once, with every signature once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from assay.core import UserError
from assay.rollout import Waivers


@pytest.fixture
def waivers(rollouts):
    return Waivers(rollouts.engine)


def test_documents_come_back_byte_for_byte_in_the_order_in_which_they_came(waivers):
    odd = '{"reason": "Ümläut\\n ",  "a":1}'
    waivers.add("w2", "income", odd)
    waivers.add("w1", "income", "{}")
    waivers.add("w3", "churn", "{}")
    waivers.sign("w1", '"b"')
    waivers.sign("w1", '"a"')
    waivers.sign("w3", '"c"')
    assert waivers.of("income") == [(odd, []), ("{}", ['"b"', '"a"'])]
    assert waivers.of("churn") == [("{}", ['"c"'])]
    assert waivers.of("unknown") == []


def test_the_same_again_changes_nothing_and_another_is_refused(waivers):
    for _ in range(2):
        waivers.add("w", "income", "{}")
        waivers.sign("w", "1")
    with pytest.raises(UserError, match="another waiver's id"):
        waivers.add("w", "income", "{ }")
    with pytest.raises(UserError, match="none: no such waiver"):
        waivers.sign("none", "1")
    assert waivers.of("income") == [("{}", ["1"])]


def test_those_who_write_at_once_write_once(waivers):
    def write(n):
        waivers.add("w", "income", "{}")
        waivers.sign("w", str(n % 2))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    ((document, signatures),) = waivers.of("income")
    assert (document, sorted(signatures)) == ("{}", ["0", "1"])
