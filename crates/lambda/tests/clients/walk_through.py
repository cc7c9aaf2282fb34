"""The walk-through on MiniStack: function, table, trigger and REST API are deployed, and used.

Arguments: the program `bootstrap`, and the address of an OpenSearch endpoint. The Python that runs it
has MiniStack and boto3, in the versions of `requirements.txt`. Ends with 0 if all of it held.
"""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import zipfile

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from common import ask, eventually, free_port

PROGRAM, OPENSEARCH = sys.argv[1:3]
ACCOUNT, REGION, STAGE = "000000000000", "us-east-1", "dev"
CREDENTIALS = Credentials("test", "test")
BOOK = {"author": {"S": "Dan Brown"}, "bookTitle": {"S": "The DaVinci code"}}
ID = "Dan Brown|The DaVinci code"


def package():
    """The zip that is deployed: one file that may be executed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        with open(PROGRAM, "rb") as program:
            archive.writestr(entry, program.read())
    return packed.getvalue()


class Cloud:
    """MiniStack in a process of its own, on this machine only."""

    def __init__(self, folder):
        self.endpoint = f"http://127.0.0.1:{free_port()}"
        port = self.endpoint.rsplit(":", 1)[1]
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": folder,
            "TMPDIR": folder,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": port,
            "LAMBDA_EXECUTOR": "local",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        self.log_path = os.path.join(folder, "ministack.log")
        program = os.path.join(os.path.dirname(sys.executable), "ministack")
        self.process = subprocess.Popen(
            [sys.executable, program],
            cwd=folder,
            env=environment,
            stdout=open(self.log_path, "wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.wait()

    def wait(self):
        def answers():
            assert self.process.poll() is None, "MiniStack has ended"
            try:
                return ask("GET", f"{self.endpoint}/_ministack/health")[0]
            except OSError:
                return None

        eventually("MiniStack answers", answers)

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 2}, read_timeout=60),
        )

    def end(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def log(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode(errors="replace")


def deploy(cloud):
    dynamodb, functions = cloud.client("dynamodb"), cloud.client("lambda")
    table = dynamodb.create_table(
        TableName="books",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("author", "bookTitle")
        ],
        KeySchema=[
            {"AttributeName": "author", "KeyType": "HASH"},
            {"AttributeName": "bookTitle", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    queue = cloud.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    variables = {
        # The five of the seed.
        "HOST": OPENSEARCH,
        "API_STAGE": STAGE,
        "ES_INDEX": "books",
        "DB_HASH_KEY": "author",
        "DB_SORT_KEY": "bookTitle",
        # And what the walk-through takes: the index is created through the proxy.
        "PROXY_MODE": "console",
        "DLQ_URL": queue.replace("localhost", "127.0.0.1"),
        "AWS_ENDPOINT_URL_SQS": cloud.endpoint,
    }
    function = functions.create_function(
        FunctionName="books-to-search",
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=f"arn:aws:iam::{ACCOUNT}:role/books",
        Code={"ZipFile": package()},
        Timeout=60,
        MemorySize=128,
        Environment={"Variables": variables},
    )["FunctionArn"]
    functions.create_event_source_mapping(
        EventSourceArn=table["TableDescription"]["LatestStreamArn"],
        FunctionName="books-to-search",
        BatchSize=1,
        StartingPosition="TRIM_HORIZON",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    return dynamodb, rest_api(cloud, function), queue


def rest_api(cloud, function):
    """`{proxy+}` and the root, both for signed requests only. Returns where the stage is."""
    gateway = cloud.client("apigateway")
    api = gateway.create_rest_api(name="books", binaryMediaTypes=["*/*"])["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    proxy = gateway.create_resource(restApiId=api, parentId=root, pathPart="{proxy+}")["id"]
    target = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"
    for resource in (root, proxy):
        gateway.put_method(
            restApiId=api, resourceId=resource, httpMethod="ANY", authorizationType="AWS_IAM"
        )
        gateway.put_integration(
            restApiId=api,
            resourceId=resource,
            httpMethod="ANY",
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=target,
        )
    gateway.create_deployment(restApiId=api, stageName=STAGE)
    return f"{cloud.endpoint}/_aws/execute-api/{api}/{STAGE}"


def call(stage, method, path, body=None):
    """A call as a client of API Gateway signs it."""
    headers = {"accept": "application/json"}
    if body is not None:
        headers["content-type"] = "application/json"
    request = AWSRequest(method=method, url=f"{stage}{path}", data=body, headers=headers)
    SigV4Auth(CREDENTIALS, "execute-api", REGION).add_auth(request)
    return ask(method, request.url, body, dict(request.headers))


def document():
    status, body = ask("GET", f"{OPENSEARCH}/books/_doc/Dan%20Brown%7CThe%20DaVinci%20code")
    answer = json.loads(body)
    return answer["_source"] if status == 200 and answer.get("found") else None


def walk_through(cloud):
    dynamodb, stage, queue = deploy(cloud)

    # The index, as it is created in the console.
    index = {
        "settings": {"number_of_shards": 2},
        "mappings": {"properties": {"author": {"type": "text"}, "pages": {"type": "long"}}},
        "aliases": {"book1": {}},
    }
    status, body = call(stage, "PUT", "/books", json.dumps(index).encode())
    assert status == 200, (status, body)
    status, body = ask("PUT", f"{stage}/books", b"{}")
    assert status == 403, ("a call without a signature", status, body)

    dynamodb.put_item(TableName="books", Item=BOOK)
    assert eventually("the book is in the index", document) == {
        "author": "Dan Brown",
        "bookTitle": "The DaVinci code",
    }
    dynamodb.update_item(
        TableName="books",
        Key=BOOK,
        UpdateExpression="SET subTitle = :it",
        ExpressionAttributeValues={":it": {"S": "Volume-1"}},
    )
    eventually("it has a subtitle", lambda: (document() or {}).get("subTitle") == "Volume-1")

    # Found through the API: signed, under the stage, by the alias.
    def found():
        status, body = call(stage, "GET", "/book1/_search")
        assert status == 200, (status, body)
        # What changed is found after the next refresh.
        hits = json.loads(body)["hits"]["hits"]
        return [it["_id"] for it in hits if it["_source"].get("subTitle") == "Volume-1"]

    assert eventually("a search finds it", found) == [ID]

    # What may not be done is refused by the function, not by the endpoint.
    status, body = call(stage, "DELETE", "/books")
    assert status == 403 and b"PROXY_MODE" in body, (status, body)
    status, body = call(stage, "GET", "/")
    assert status == 200, (status, body)

    # Poison is set aside with all of it, and the shard moves on.
    poison = {**BOOK, "bookTitle": {"S": "Inferno"}, "pages": {"S": "four hundred"}}
    dynamodb.put_item(TableName="books", Item=poison)

    def letters():
        answer = cloud.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return answer.get("Messages")

    (letter,) = eventually("there is a dead letter", letters)
    record = json.loads(json.loads(letter["Body"])["failedData"]["record"])
    assert record["dynamodb"]["NewImage"]["pages"] == {"S": "four hundred"}, record

    dynamodb.delete_item(TableName="books", Key=BOOK)
    eventually("it is gone", lambda: document() is None)


def main():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        cloud = Cloud(folder)
        try:
            walk_through(cloud)
        except BaseException:
            sys.stderr.write(cloud.log()[-8000:])
            raise
        finally:
            cloud.end()
    print("the walk-through held")


main()
