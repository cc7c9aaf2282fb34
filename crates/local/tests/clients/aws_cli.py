"""The walkthrough of the README with the AWS CLI: its commands as they stand there, and some more.

Takes the README's path; the endpoints' addresses are in STREAMDEX_DYNAMODB and STREAMDEX_S3.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

DYNAMODB = os.environ["STREAMDEX_DYNAMODB"]
S3 = os.environ["STREAMDEX_S3"]
# `aws` is a script beside the Python that we are.
PATH = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
ENVIRONMENT = {**os.environ, "PATH": PATH, "AWS_PAGER": "", "AWS_DEFAULT_REGION": "us-east-1"}
BOOK = '{"author": {"S": "Dan Brown"}, "bookTitle": {"S": "The DaVinci code"}}'


def shell(script):
    done = subprocess.run(
        ["sh", "-ec", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def aws(endpoint, *arguments):
    done = subprocess.run(
        ["aws", "--endpoint-url", endpoint, *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"aws {arguments}\n{done.stdout}{done.stderr}"
    return done.stdout


def item():
    answer = aws(DYNAMODB, "dynamodb", "get-item", "--table-name", "books", "--key", BOOK)
    return json.loads(answer)["Item"] if answer.strip() else None


def walkthrough():
    readme = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
    scripts = [it for it in blocks if re.search(r"^aws dynamodb ", it, re.MULTILINE)]
    verbs = [re.search(r"aws dynamodb (\S+)", it)[1] for it in scripts]
    assert verbs == ["put-item", "update-item", "delete-item"], f"the README has changed: {verbs}"
    put, update, delete = (it.replace("http://127.0.0.1:8000", DYNAMODB) for it in scripts)

    aws(
        DYNAMODB, "dynamodb", "create-table", "--table-name", "books",
        "--key-schema", "AttributeName=author,KeyType=HASH",
        "AttributeName=bookTitle,KeyType=RANGE",
        "--attribute-definitions", "AttributeName=author,AttributeType=S",
        "AttributeName=bookTitle,AttributeType=S", "--billing-mode", "PAY_PER_REQUEST",
        "--stream-specification", "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES",
    )  # fmt: skip
    aws(DYNAMODB, "dynamodb", "wait", "table-exists", "--table-name", "books")
    shell(put)
    assert item() == json.loads(BOOK), item()
    shell(update)
    assert item() == {**json.loads(BOOK), "subTitle": {"S": "Volume-1"}}, item()
    shell(delete)
    assert item() is None, item()


def files():
    with tempfile.TemporaryDirectory() as folder:
        one = pathlib.Path(folder, "one.txt")
        one.write_text("The DaVinci code")
        aws(S3, "s3", "mb", "s3://aws-cli")
        aws(S3, "s3", "cp", str(one), "s3://aws-cli/2026/one.txt")
        assert aws(S3, "s3", "ls", "s3://aws-cli/").strip() == "PRE 2026/"
        assert aws(S3, "s3", "cp", "s3://aws-cli/2026/one.txt", "-") == "The DaVinci code"
        aws(S3, "s3", "rb", "--force", "s3://aws-cli")


for step in [walkthrough, files]:
    step()
    print(f"{step.__name__}: ok")
