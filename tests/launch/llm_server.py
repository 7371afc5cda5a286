"""An LLM server as ``launch/with_server.sh`` starts one: a process of its own that listens on its node's address.

    python -m tests.launch.llm_server --notes FILE MODEL --host HOST --port PORT

It notes each answer, with the client's address, before it is sent; so a scenario knows what was asked twice. ``--mute`` is a
server that never comes up.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import Any

from tests.data_tools.llm.fake_server import FakeServer

SECONDS = 0.1
"""Of a reply."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--mute", action="store_true")
    parser.add_argument("model")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    print(f"serves {options.model}", flush=True)
    if options.mute:
        time.sleep(3600)
    with FakeServer(delay_seconds=SECONDS, model=options.model, address=(options.host, options.port)) as server:

        def answer(body: dict[str, Any]) -> str:
            prompt = hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()
            with options.notes.open("a") as notes:
                notes.write(f"{prompt} {server.clients[server.bodies.index(body)]}\n")
            return "**Expression:** $1 + 2$\n**Result:** 3\n**Code:**\n```python\nprint(1 + 2)\n```"

        server.answer = answer
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
