"""The program behind somebody else's Runtime API: that of cargo-lambda.

Arguments: the program `bootstrap`, the address of an OpenSearch endpoint, a folder of events. Ends
with 0 if it answered all of them as it should.
"""

import json
import os
import subprocess
import sys
import tempfile

from common import ask, eventually, free_port

PROGRAM, OPENSEARCH, EVENTS = sys.argv[1:4]
MANIFEST = '[package]\nname = "books"\nversion = "0.1.0"\nedition = "2021"\n[[bin]]\nname = "books"\npath = "x.rs"\n'


def event(name):
    (file,) = [it for it in os.listdir(EVENTS) if it.startswith(f"{name}-")]
    with open(os.path.join(EVENTS, file), "rb") as text:
        return text.read()


def use(emulator):
    invocations = f"{emulator}/2015-03-31/functions/books/invocations"

    def first():
        try:
            return ask("POST", invocations, event("01"))
        except OSError:
            return None

    status, body = eventually("the emulator answers", first)
    assert (status, json.loads(body)) == (200, {"batchItemFailures": []}), (status, body)
    status, body = ask("GET", f"{OPENSEARCH}/books/_doc/Dan%20Brown%7CThe%20DaVinci%20code")
    assert status == 200 and json.loads(body)["found"], (status, body)

    # A request through the function's own address: version 2 of the event.
    status, body = ask("GET", f"{emulator}/lambda-url/books/books/_doc/Dan%20Brown%7CThe%20DaVinci%20code")
    assert status == 200 and json.loads(body)["_source"]["author"] == "Dan Brown", (status, body)
    status, body = ask("DELETE", f"{emulator}/lambda-url/books/books")
    assert status == 403 and b"PROXY_MODE" in body, (status, body)

    # An event of somebody else is an error, not an answer.
    status, body = ask("POST", invocations, event("61"))
    assert b"Streamdex.UnsupportedEvent" in body, (status, body)


def main():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "Cargo.toml"), "w") as manifest:
            manifest.write(MANIFEST)
        with open(os.path.join(folder, "x.rs"), "w") as source:
            source.write("fn main() {}\n")
        port = str(free_port())
        cargo_lambda = os.path.join(os.path.dirname(sys.executable), "cargo-lambda")
        emulator = subprocess.Popen(
            [
                *(cargo_lambda, "lambda", "watch", "--only-lambda-apis"),
                *("--invoke-address", "127.0.0.1", "--invoke-port", port),
            ],
            cwd=folder,
            stdout=sys.stderr,
        )
        function = subprocess.Popen(
            [PROGRAM],
            env={
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}/.rt/books",
                "AWS_LAMBDA_FUNCTION_NAME": "books",
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "HOST": OPENSEARCH,
                "ES_INDEX": "books",
                "DB_HASH_KEY": "author",
                "DB_SORT_KEY": "bookTitle",
            },
            stdout=sys.stderr,
        )
        try:
            use(f"http://127.0.0.1:{port}")
        finally:
            for process in (function, emulator):
                process.terminate()
                process.wait(10)
    print("the emulator was content")


main()
