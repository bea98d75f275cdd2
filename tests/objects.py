"""An object store for tests: moto's S3 server, which stands in for a real one over real HTTP."""

import os
import subprocess
import sys
from contextlib import contextmanager

import boto3

BUCKET = "assay-tests"
KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_REGION": "us-east-1"}
_SERVER = """
import sys
import threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

store, one_at_a_time = DomainDispatcherApplication(create_backend_app), threading.Lock()

def answered(environ, start):
    with one_at_a_time:
        return [b"".join(store(environ, start))]

server = make_server("127.0.0.1", 0, answered, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.port, flush=True)
sys.stdin.read()
"""


@contextmanager
def object_store():
    """Run the server, and give the environment that leads to it; `BUCKET` is there and empty.

    It knows conditional puts. Requests are answered one after the other, since nothing in moto keeps two of them on one
    object apart, as a store does. It checks no signature and no right, so what a store refuses is tested elsewhere. It
    is a process of its own: delta-rs holds Python's lock in some calls while it waits for an answer.
    """
    command = [sys.executable, "-c", _SERVER]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **KEYS}
    )
    with server:
        address = f"http://127.0.0.1:{int(server.stdout.readline())}"
        environment = {**KEYS, "AWS_ENDPOINT_URL": address, "NO_PROXY": "127.0.0.1"}
        client(environment).create_bucket(Bucket=BUCKET)
        yield environment
        server.stdin.close()  # then it ends


def client(environment):
    """What an administrator would look into the store with."""
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )


def keys_below(environment, prefix):
    """Everything that the store has below a prefix, by name."""
    pages = client(environment).get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [each["Key"] for page in pages for each in page.get("Contents", [])]
