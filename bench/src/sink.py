# What people write: records as boto3 gives them, deserialised, into parallel_bulk of opensearch-py.
import decimal, json, os, sys, time

from boto3.dynamodb.types import TypeDeserializer
from opensearchpy import OpenSearch, helpers

address, file = sys.argv[1:3]
pages = json.load(open(file))
client = OpenSearch(address)
client.indices.delete(index="python", ignore=[404])
client.indices.create(index="python", body={"settings": {"number_of_replicas": 0}})
deserializer = TypeDeserializer()


def plain(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: plain(it) for key, it in value.items()}
    if isinstance(value, (list, set)):
        return [plain(it) for it in value]
    if hasattr(value, "value"):
        return value.value.decode("latin-1")
    return value


def actions():
    version = 0
    for page in pages:
        for record in page["Records"]:
            version += 1
            change = record["dynamodb"]
            keys = {key: deserializer.deserialize(it) for key, it in change["Keys"].items()}
            action = {
                "_index": "python",
                "_id": f"{keys['author']}|{keys['bookTitle']}",
                "version": version,
                "version_type": "external",
            }
            if record["eventName"] == "REMOVE":
                yield {"_op_type": "delete", **action}
            else:
                image = change["NewImage"]
                # boto3 hands binary over as bytes; here it stands in JSON.
                source = {k: deserializer.deserialize(v) if "B" not in v else v["B"] for k, v in image.items()}
                yield {"_op_type": "index", "_source": plain(source), **action}


began, cpu, n = time.time(), time.process_time(), 0
for _ in helpers.parallel_bulk(client, actions(), thread_count=2, chunk_size=1000, raise_on_error=False):
    n += 1
took, cpu = time.time() - began, time.process_time() - cpu
print(json.dumps({"per_second": n / took, "cpu_us": cpu * 1e6 / n}))
