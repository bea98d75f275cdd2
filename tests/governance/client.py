"""Starlette's test client. It warns that it would rather have httpx's successor, which nothing else here needs."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

__all__ = ["TestClient"]
