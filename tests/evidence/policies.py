"""The policy of a model that has two people to answer for it."""

POLICY = """\
schema: 1
model: MODEL
owner: team
risk_tier: TIER
data: {source: toy.csv, key: id, label: y, positive: 1, features: [a], sensitive: [sex]}
gates:
  performance: {checks: [{metric: auc, min: 0.9}]}
  fairness: {groups: [sex], checks: [{metric: tpr, max: 0.1}]}
  robustness: {checks: [{scenario: noise, max_drop: 0.05}]}
approval: {model_owners: [ann], risk_officers: [bob]}
rollout: {max_brier: 0.2, stages: [50, 100]}
"""


def policy_of(model, tier):
    return POLICY.replace("MODEL", model).replace("TIER", tier).encode()
