# What people write: the stream with boto3, deserialised, into parallel_bulk of opensearch-py.
import decimal, json, resource, sys, time

import boto3
from boto3.dynamodb.types import Binary, TypeDeserializer
from opensearchpy import OpenSearch, helpers

dynamodb, opensearch, index, n_records = *sys.argv[1:4], int(sys.argv[4])
keys = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
streams = boto3.client("dynamodbstreams", endpoint_url=dynamodb, **keys)
client = OpenSearch(opensearch)
deserialize = TypeDeserializer().deserialize


def plain(value):
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: plain(it) for key, it in value.items()}
    if isinstance(value, (list, set)):
        return [plain(it) for it in value]
    if isinstance(value, (Binary, bytes)):
        return bytes(value).decode("latin-1")
    return value


def shards(arn):
    last = {}
    while True:
        page = streams.describe_stream(StreamArn=arn, **last)["StreamDescription"]
        yield from page["Shards"]
        if "LastEvaluatedShardId" not in page:
            return
        last = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}


def records():
    arn = streams.list_streams(TableName="books")["Streams"][0]["StreamArn"]
    n, iterators = 0, []
    for shard in shards(arn):
        asked = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterators.append(streams.get_shard_iterator(**asked)["ShardIterator"])
    while n < n_records and iterators:
        iterator = iterators.pop(0)
        page = streams.get_records(ShardIterator=iterator, Limit=1000)
        yield from page["Records"]
        n += len(page["Records"])
        if "NextShardIterator" in page:
            iterators.append(page["NextShardIterator"])


def actions():
    version = 0
    for record in records():
        version += 1
        change = record["dynamodb"]
        key = {name: deserialize(it) for name, it in change["Keys"].items()}
        action = {
            "_index": index,
            "_id": f"{key['author']}|{key['bookTitle']}",
            "version": version,
            "version_type": "external",
        }
        if record["eventName"] == "REMOVE":
            yield {"_op_type": "delete", **action}
        else:
            image = {name: deserialize(it) for name, it in change["NewImage"].items()}
            yield {"_op_type": "index", "_source": plain(image), **action}


began, cpu, n = time.time(), time.process_time(), 0
for _ in helpers.parallel_bulk(client, actions(), thread_count=2, chunk_size=1000, raise_on_error=False):
    n += 1
took, cpu = time.time() - began, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"documents": n, "seconds": took, "cpu": cpu, "peak_mb": peak / 1024}))
