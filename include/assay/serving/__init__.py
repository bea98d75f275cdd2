"""The gateway: splits traffic between versions, scores, and logs before it answers."""
