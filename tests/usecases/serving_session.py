"""Run score.py in the serving environment as the inference server does, and print what happened.

Started by test_score.py with the serving interpreter; not a test itself. Reads requests from standard
input as JSON, answers each one without and then with collection, and prints the answers and what a
stand-in for the data collector's agent received.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import flask  # type: ignore[import-not-found]  # of the serving environment

collected: list[dict[str, Any]] = []


class Agent(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        rows = json.loads(self.rfile.read(int(self.headers["content-length"])))
        collected.append(
            {"type": self.headers["ce-type"], "id": self.headers["ce-x-request-id"], "rows": rows}
        )
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


def answers(script: str, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # Exactly the server's way: the module is executed without being entered in sys.modules.
    specification = importlib.util.spec_from_file_location("entry_module", script)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.init()
    found = []
    for request in requests:
        with flask.Flask("server").test_request_context(
            "/score",
            method=request.get("method", "POST"),
            data=request["body"],
            headers=request.get("headers"),
        ):
            response = module.run(flask.request)
            found.append({"status": response.status_code, "body": response.get_json()})
    if module._inputs is not None:
        module.teardown(wait_for_flush=True)
    return found


def main() -> None:
    script, model = sys.argv[1:]
    requests = json.load(sys.stdin)
    os.environ["AZUREML_MODEL_DIR"] = model
    os.environ.pop("AZUREML_MDC_ENABLED", None)
    without = answers(script, requests)
    agent = HTTPServer(("127.0.0.1", 0), Agent)
    threading.Thread(target=agent.serve_forever, daemon=True).start()
    os.environ.update(
        AZUREML_MDC_ENABLED="true", AZUREML_MDC_HOST="127.0.0.1", AZUREML_MDC_PORT=str(agent.server_port)
    )
    collecting = answers(script, requests)
    agent.shutdown()
    json.dump({"off": without, "on": collecting, "collected": collected}, sys.stdout)


if __name__ == "__main__":
    main()
