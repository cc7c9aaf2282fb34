# The usual handler of a DynamoDB stream, as tutorials have it: boto3 and opensearch-py, signed, in
# groups of 50; behind the Runtime API without anything between. Written for the comparison.
import base64
import json
import os
import urllib.request

import boto3
from boto3.dynamodb.types import Binary, TypeDeserializer
from decimal import Decimal
from opensearchpy import AWSV4SignerAuth, OpenSearch, RequestsHttpConnection, helpers

INDEX, HASH_KEY, SORT_KEY = (os.environ[it] for it in ("ES_INDEX", "DB_HASH_KEY", "DB_SORT_KEY"))
signer = AWSV4SignerAuth(boto3.Session().get_credentials(), os.environ["AWS_REGION"], "es")
client = OpenSearch(
    os.environ["HOST"], http_auth=signer, connection_class=RequestsHttpConnection, timeout=30
)


class Deserializer(TypeDeserializer):
    """Binary comes to a function as base64, which boto3 does not expect; without this it raises."""

    def _deserialize_b(self, value):
        return Binary(base64.b64decode(value))


deserializer = Deserializer()


def plain(value):
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Binary):
        return base64.b64encode(value.value).decode()
    if isinstance(value, dict):
        return {key: plain(it) for key, it in value.items()}
    if isinstance(value, (list, set)):
        return [plain(it) for it in value]
    return value


def item(image):
    return {name: plain(deserializer.deserialize(it)) for name, it in image.items()}


def actions(records):
    for record in records:
        change = record["dynamodb"]
        keys = item(change["Keys"])
        about = {"_index": INDEX, "_id": f"{keys[HASH_KEY]}:{keys[SORT_KEY]}"}
        if record["eventName"] == "REMOVE":
            yield {"_op_type": "delete", **about}
        else:
            yield {"_op_type": "index", **about, "_source": item(change["NewImage"])}


def handle(event):
    helpers.bulk(client, actions(event["Records"]), chunk_size=50)
    return {"batchItemFailures": []}


base = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urllib.request.urlopen(f"{base}/next") as invocation:
        request_id = invocation.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(invocation)
    answer = json.dumps(handle(event)).encode()
    urllib.request.urlopen(f"{base}/{request_id}/response", data=answer).read()
