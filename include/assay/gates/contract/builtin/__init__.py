"""The checks that come with the contract gate, beside the suite: what no expectation on a column can see.

Each is a module of one shape: ``measure(look) -> evidence``, None where it does not apply, and a pure
``judge(evidence, policy, confidence) -> checks``.
"""

from assay.gates.contract.builtin.gate import CHECKS, BuiltInEvidence, judge, measure
from assay.gates.contract.builtin.look import Past, Roles, Split

__all__ = ["CHECKS", "BuiltInEvidence", "Past", "Roles", "Split", "judge", "measure"]
