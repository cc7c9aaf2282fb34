"""The embedded DynamoDB as boto3 uses it: waiters, paginators, resources, transactions, streams,
exports to the embedded S3. The addresses are in STREAMDEX_DYNAMODB and STREAMDEX_S3."""

import base64
import gzip
import hashlib
import json
import os
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Attr, Key
from botocore.client import Config

from expect import fails

ADDRESS = os.environ["STREAMDEX_DYNAMODB"]
CONFIG = dict(
    endpoint_url=ADDRESS,
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
    config=Config(retries={"max_attempts": 1}),
)
dynamodb = boto3.client("dynamodb", **CONFIG)
streams = boto3.client("dynamodbstreams", **CONFIG)
books = boto3.resource("dynamodb", **CONFIG).Table("books")


def tables():
    dynamodb.create_table(
        TableName="books",
        KeySchema=[
            {"AttributeName": "author", "KeyType": "HASH"},
            {"AttributeName": "bookTitle", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "author", "AttributeType": "S"},
            {"AttributeName": "bookTitle", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    dynamodb.get_waiter("table_exists").wait(TableName="books")
    for n in range(7):
        dynamodb.create_table(
            TableName=f"other-{n}",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
            ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
        )
    pages = list(dynamodb.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 3}))
    assert len(pages) == 3, pages
    names = [name for page in pages for name in page["TableNames"]]
    assert names == ["books"] + [f"other-{n}" for n in range(7)], names
    for n in range(7):
        dynamodb.delete_table(TableName=f"other-{n}")
        dynamodb.get_waiter("table_not_exists").wait(TableName=f"other-{n}")
    fails("ResourceInUseException", dynamodb.create_table, **described())
    fails("ResourceNotFoundException", dynamodb.describe_table, TableName="other-1")


def described():
    table = dynamodb.describe_table(TableName="books")["Table"]
    same = {name: table[name] for name in ["TableName", "KeySchema", "AttributeDefinitions"]}
    return {**same, "BillingMode": "PAY_PER_REQUEST"}


def batches():
    with books.batch_writer() as batch:
        for n in range(90):
            batch.put_item(
                Item={
                    "author": f"author {n % 3}",
                    "bookTitle": f"book {n:03}",
                    "price": Decimal(n) / 4,
                    "tags": {"a", "b"},
                    "cover": {"color": "red", "sizes": [1, Decimal("2.5"), None, True]},
                    "raw": b"\x00\x01",
                }
            )
        batch.delete_item(Key={"author": "author 0", "bookTitle": "book 000"})
    keys = [{"author": f"author {n % 3}", "bookTitle": f"book {n:03}"} for n in range(3)]
    resource = boto3.resource("dynamodb", **CONFIG)
    found = resource.batch_get_item(RequestItems={"books": {"Keys": keys}})["Responses"]["books"]
    assert sorted(it["bookTitle"] for it in found) == ["book 001", "book 002"], found
    assert found[0]["cover"]["sizes"] == [1, Decimal("2.5"), None, True], found
    assert found[0]["tags"] == {"a", "b"} and found[0]["raw"].value == b"\x00\x01", found


def pages():
    query = dynamodb.get_paginator("query").paginate(
        TableName="books",
        KeyConditionExpression="author = :a AND begins_with(bookTitle, :b)",
        ExpressionAttributeValues={":a": {"S": "author 1"}, ":b": {"S": "book 0"}},
        PaginationConfig={"PageSize": 7},
    )
    titles = [item["bookTitle"]["S"] for page in query for item in page["Items"]]
    assert titles == [f"book {n:03}" for n in range(1, 90, 3)], titles
    scan = dynamodb.get_paginator("scan").paginate(
        TableName="books", PaginationConfig={"PageSize": 10, "MaxItems": 25}
    )
    assert sum(len(page["Items"]) for page in scan) == 25
    assert scan.resume_token, "there is more"
    seen = set()
    for segment in range(4):
        for page in dynamodb.get_paginator("scan").paginate(
            TableName="books",
            Segment=segment,
            TotalSegments=4,
            ProjectionExpression="bookTitle",
            PaginationConfig={"PageSize": 5},
        ):
            titles = {item["bookTitle"]["S"] for item in page["Items"]}
            assert not titles & seen, "segments overlap"
            seen |= titles
    assert len(seen) == 89, len(seen)
    backwards = books.query(
        KeyConditionExpression=Key("author").eq("author 2"),
        FilterExpression=Attr("price").between(Decimal("1.25"), 5) & Attr("tags").contains("a"),
        ScanIndexForward=False,
    )
    titles = [it["bookTitle"] for it in backwards["Items"]]
    assert titles == [f"book {n:03}" for n in range(20, 4, -3)], titles
    assert backwards["ScannedCount"] == 30 and backwards["Count"] == len(titles)


def conditions():
    key = {"author": "Dan Brown", "bookTitle": "The DaVinci code"}
    books.put_item(Item=key, ConditionExpression=Attr("author").not_exists())
    fails(
        "ConditionalCheckFailedException",
        books.put_item,
        Item=key,
        ConditionExpression=Attr("author").not_exists(),
    )
    updated = books.update_item(
        Key=key,
        UpdateExpression="SET #s = :s, n = if_not_exists(n, :zero) + :one ADD tags :tags",
        ExpressionAttributeNames={"#s": "subTitle"},
        ExpressionAttributeValues={":s": "Volume-1", ":zero": 0, ":one": 1, ":tags": {"x"}},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert updated == {**key, "subTitle": "Volume-1", "n": 1, "tags": {"x"}}, updated
    deleted = books.delete_item(Key=key, ReturnValues="ALL_OLD")["Attributes"]
    assert deleted == updated
    dynamodb.get_waiter("table_exists").wait(TableName="books")
    error = fails("ValidationException", books.update_item, Key=key, UpdateExpression="SET")
    assert "UpdateExpression" in error["Error"]["Message"], error


def transactions():
    def key(n):
        return {"author": {"S": "transactions"}, "bookTitle": {"S": f"book {n}"}}

    def put(n, **more):
        return {"Put": {"TableName": "books", "Item": key(n), **more}}

    dynamodb.transact_write_items(TransactItems=[put(1), put(2)], ClientRequestToken="once")
    dynamodb.transact_write_items(TransactItems=[put(1), put(2)], ClientRequestToken="once")
    new = {"ConditionExpression": "attribute_not_exists(author)"}
    error = fails(
        "TransactionCanceledException",
        dynamodb.transact_write_items,
        TransactItems=[put(3), put(1, **new)],
    )
    codes = [it["Code"] for it in error["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed"], error
    got = dynamodb.transact_get_items(
        TransactItems=[{"Get": {"TableName": "books", "Key": key(n)}} for n in (1, 2, 3)]
    )["Responses"]
    assert [it.get("Item") for it in got] == [key(1), key(2), None], got


def changes():
    arn = dynamodb.describe_table(TableName="books")["Table"]["LatestStreamArn"]
    names = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            page = streams.get_records(ShardIterator=iterator, Limit=50)
            names += [it["eventName"] for it in page["Records"]]
            iterator = page.get("NextShardIterator") if page["Records"] else None
    assert names.count("INSERT") >= 89 and "MODIFY" in names and "REMOVE" in names, names


def exports():
    s3 = boto3.client("s3", **{**CONFIG, "endpoint_url": os.environ["STREAMDEX_S3"]})
    s3.create_bucket(Bucket="exports")
    table = dynamodb.describe_table(TableName="books")["Table"]
    dynamodb.update_continuous_backups(
        TableName="books", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    arn = dynamodb.export_table_to_point_in_time(
        TableArn=table["TableArn"], S3Bucket="exports", S3Prefix="books"
    )["ExportDescription"]["ExportArn"]
    dynamodb.get_waiter("export_completed").wait(ExportArn=arn, WaiterConfig={"Delay": 1})
    export = dynamodb.describe_export(ExportArn=arn)["ExportDescription"]
    read = lambda key: s3.get_object(Bucket="exports", Key=key)["Body"].read()
    summary = json.loads(read(export["ExportManifest"]))
    items = []
    for line in read(summary["manifestFilesS3Key"]).splitlines():
        file = json.loads(line)
        data = read(file["dataFileS3Key"])
        assert base64.b64encode(hashlib.md5(data).digest()).decode() == file["md5Checksum"], file
        lines = gzip.decompress(data).splitlines()
        assert len(lines) == file["itemCount"], file
        items += [json.loads(it)["Item"]["bookTitle"]["S"] for it in lines]
    assert len(items) == summary["itemCount"] == export["ItemCount"], summary
    scan = dynamodb.get_paginator("scan").paginate(TableName="books")
    assert sorted(items) == sorted(it["bookTitle"]["S"] for page in scan for it in page["Items"])


for step in [tables, batches, pages, conditions, transactions, changes, exports]:
    step()
    print(f"{step.__name__}: ok")
