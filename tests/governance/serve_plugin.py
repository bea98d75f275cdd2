"""Run by `test_plugin`: load the plugin file as Airflow does, and ask its application for pages."""

import os
import runpy
import sys
import time
from pathlib import Path

_HEAVY = ("mlflow", "jinja2.environment", "assay.governance.app", "assay.registry", "assay.rollout", "pandas", "numpy")
_DIGEST = "b" * 64
_RUN = "a" * 32


def say(*words) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")


def main() -> None:
    import airflow.plugins_manager  # noqa: F401 (what every component has imported before it meets the plugin)

    loaded = set(sys.modules)
    began = time.perf_counter()
    plugin = runpy.run_path(sys.argv[1])["AssayPlugin"]
    say("seconds", time.perf_counter() - began)
    fresh = set(sys.modules) - loaded
    say("loaded", ",".join(name for name in _HEAVY if name in fresh) or "nothing")
    mount, view = plugin.fastapi_apps[0], plugin.external_views[0]
    say("place", mount["url_prefix"], view["href"])
    for name in ("allowed", "refused"):
        folder = Path(os.environ["ASSAY_MODELS"]) / name
        folder.mkdir(parents=True)
        (folder / "policy.yaml").write_text("")
    ask(mount["app"])


def ask(app) -> None:
    from starlette.testclient import TestClient

    client = TestClient(app)
    paths = (
        "/models", "/models/toy", "/models/toy.json", f"/dossiers/{_RUN}",
        f"/dossiers/{_RUN}.json", f"/dossiers/{_RUN}/records/{_DIGEST}.json",
        "/models/toy/versions/1/card", f"/dossiers/{_RUN}/verdicts/1",
    )  # fmt: skip
    say("anonymous", *(client.get(path).status_code for path in paths))
    security = sys.modules["airflow.api_fastapi.core_api.security"]
    manager = Manager()
    security.get_auth_manager = lambda: manager
    security.DagModel.get_team_name = staticmethod(lambda _dag: None)
    say("forged", client.get("/models", headers={"Authorization": "Bearer forged"}).status_code)
    signed_in = {"Authorization": "Bearer good"}
    shown = client.get("/models", headers=signed_in)
    say(
        "reader", shown.status_code, f"allowed={'/models/allowed' in shown.text}",
        f"refused={'/models/refused' in shown.text}",
    )  # fmt: skip
    say("asked", *sorted(manager.asked))
    say("refused", client.get("/models/refused", headers=signed_in).status_code)


class Manager:
    """Airflow's auth manager as far as a page needs one: it knows one token and one DAG."""

    def __init__(self):
        self.asked = set()

    async def get_user_from_token(self, token):
        if token != "good":
            from jwt import InvalidTokenError

            raise InvalidTokenError
        return object()

    def is_authorized_dag(self, *, method, access_entity, details, user):
        assert method == "GET"
        self.asked.add(details.id)
        return details.id == "retrain_allowed"


if __name__ == "__main__":
    main()
