"""The embedded S3 endpoint as boto3 uses it: python s3_boto3.py, with its address in STREAMDEX_S3."""

import hashlib
import io
import os
import tempfile
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config
from botocore.exceptions import ClientError

from expect import fails

ADDRESS = os.environ["STREAMDEX_S3"]
BUCKET = "boto3-walk"
MIB = 1 << 20


def client(**config):
    return boto3.client(
        "s3",
        endpoint_url=ADDRESS,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1}, **config),
    )


s3 = client()


def clean():
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for entry in page.get("Contents", []):
                s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
        s3.delete_bucket(Bucket=BUCKET)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchBucket", error


def buckets():
    s3.create_bucket(Bucket=BUCKET)
    s3.get_waiter("bucket_exists").wait(Bucket=BUCKET)
    assert BUCKET in [it["Name"] for it in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    assert s3.head_bucket(Bucket=BUCKET)["BucketRegion"] == "us-east-1"
    assert "Status" not in s3.get_bucket_versioning(Bucket=BUCKET)
    fails("404", s3.head_bucket, Bucket="no-such-bucket")
    fails("NoSuchBucket", s3.list_objects_v2, Bucket="no-such-bucket")


def put_get_head():
    body = b"The DaVinci code" * 1000
    put = s3.put_object(
        Bucket=BUCKET,
        Key="books/Dan Brown/The DaVinci code+ä?.txt",
        Body=body,
        ContentType="text/plain",
        ContentEncoding="identity",
        CacheControl="no-store",
        Metadata={"author": "Dan Brown"},
    )
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert put["ChecksumCRC32"], "today's SDKs send one without being asked"
    place = dict(Bucket=BUCKET, Key="books/Dan Brown/The DaVinci code+ä?.txt")
    got = s3.get_object(**place, ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    assert got["ChecksumCRC32"] == put["ChecksumCRC32"]
    head = s3.head_object(**place)
    assert head["ContentLength"] == len(body)
    assert head["ContentType"] == "text/plain"
    assert head["ContentEncoding"] == "identity"
    assert head["CacheControl"] == "no-store"
    assert head["Metadata"] == {"author": "Dan Brown"}
    ranged = s3.get_object(**place, Range="bytes=4-10")
    assert ranged["Body"].read() == body[4:11]
    assert ranged["ContentRange"] == f"bytes 4-10/{len(body)}"
    assert s3.get_object(**place, Range="bytes=-4")["Body"].read() == b"code"
    fails("InvalidRange", s3.get_object, **place, Range=f"bytes={len(body)}-")
    fails("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="never")
    fails("404", s3.head_object, Bucket=BUCKET, Key="never")
    s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    assert s3.get_object(Bucket=BUCKET, Key="empty")["Body"].read() == b""


def checksums():
    body = b"123456789"
    for algorithm, value in [
        ("CRC32", "y/Q5Jg=="),
        ("SHA1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
        ("SHA256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ]:
        s3.put_object(Bucket=BUCKET, Key="checked", Body=body, ChecksumAlgorithm=algorithm)
        head = s3.head_object(Bucket=BUCKET, Key="checked", ChecksumMode="ENABLED")
        assert head[f"Checksum{algorithm}"] == value, head
        assert head["ChecksumType"] == "FULL_OBJECT"
    fails(
        "BadDigest",
        s3.put_object,
        Bucket=BUCKET,
        Key="checked",
        Body=body,
        ChecksumCRC32="AAAAAA==",
    )
    # A stream without a known checksum goes in pieces, with the checksum behind them.
    for stream in [io.BytesIO(body * 100_000), io.BytesIO(b"")]:
        expected = stream.getvalue()
        s3.put_object(Bucket=BUCKET, Key="streamed", Body=stream)
        got = s3.get_object(Bucket=BUCKET, Key="streamed", ChecksumMode="ENABLED")
        assert got["Body"].read() == expected
        assert "ContentEncoding" not in got, got


def lists():
    keys = sorted([f"list/{n % 7}/{n:04}" for n in range(1203)] + ["list/a b&c<d>.txt", "list"])
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    for name in ["list_objects_v2", "list_objects"]:
        paginator = s3.get_paginator(name)
        pages = list(paginator.paginate(Bucket=BUCKET, Prefix="list"))
        assert len(pages) == 2, name
        assert [it["Key"] for page in pages for it in page["Contents"]] == keys, name
        pages = list(
            paginator.paginate(
                Bucket=BUCKET, Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 3}
            )
        )
        folders = [it["Prefix"] for page in pages for it in page.get("CommonPrefixes", [])]
        assert folders == [f"list/{n}/" for n in range(7)], (name, folders)
        files = [it["Key"] for page in pages for it in page.get("Contents", [])]
        assert files == ["list/a b&c<d>.txt"], (name, files)
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", StartAfter="list/6/1202")
    assert [it["Key"] for it in after["Contents"]] == ["list/a b&c<d>.txt"]
    assert after["KeyCount"] == 1 and not after["IsTruncated"]
    entry = after["Contents"][0]
    assert entry["Size"] == 1 and entry["ETag"] == '"9dd4e461268c8034f5c8564e155c67a6"'

    for start in range(0, len(keys), 1000):
        objects = [{"Key": key} for key in keys[start : start + 1000]]
        gone = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})
        assert len(gone["Deleted"]) == len(objects) and "Errors" not in gone
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="list")["KeyCount"] == 0


def transfers():
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/source", f"{folder}/target"
        with open(source, "wb") as file:
            file.write(os.urandom(30 * MIB))
        extra = {"ContentType": "application/x-book", "Metadata": {"parts": "4"}}
        s3.upload_file(source, BUCKET, "large", ExtraArgs=extra, Config=config)
        head = s3.head_object(Bucket=BUCKET, Key="large")
        assert head["ContentLength"] == 30 * MIB
        assert head["ETag"].endswith('-4"')
        assert head["ContentType"] == "application/x-book"
        s3.download_file(BUCKET, "large", target, Config=config)
        with open(source, "rb") as one, open(target, "rb") as other:
            content = one.read()
            assert content == other.read()
    part = s3.get_object(Bucket=BUCKET, Key="large", PartNumber=4)
    assert part["PartsCount"] == 4 and part["Body"].read() == content[24 * MIB :]

    # Copied in parts, too.
    s3.copy({"Bucket": BUCKET, "Key": "large"}, BUCKET, "large copy", Config=config)
    copied = s3.get_object(Bucket=BUCKET, Key="large copy")
    assert copied["Body"].read() == content
    assert copied["ContentType"] == "application/x-book"


def uploads():
    place = dict(Bucket=BUCKET, Key="in/parts")
    created = s3.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")
    upload = dict(**place, UploadId=created["UploadId"])
    body = b"x" * (5 * MIB)
    parts = []
    for number, text in [(1, body), (2, b"the end")]:
        part = s3.upload_part(**upload, PartNumber=number, Body=text, ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    listed = s3.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": 1})
    assert [it["Size"] for page in listed for it in page["Parts"]] == [len(body), 7]
    found = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [(it["Key"], it["UploadId"]) for it in found] == [("in/parts", created["UploadId"])]
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert done["ChecksumSHA256"].endswith("-2") and done["ChecksumType"] == "COMPOSITE"
    assert s3.get_object(**place)["Body"].read() == body + b"the end"
    created = s3.create_multipart_upload(**place)
    s3.abort_multipart_upload(**place, UploadId=created["UploadId"])
    fails("NoSuchUpload", s3.list_parts, **place, UploadId=created["UploadId"])
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def copies():
    s3.put_object(Bucket=BUCKET, Key="from/ä b", Body=b"copied", Metadata={"a": "1"})
    source = {"Bucket": BUCKET, "Key": "from/ä b"}
    s3.copy_object(Bucket=BUCKET, Key="to", CopySource=source)
    got = s3.get_object(Bucket=BUCKET, Key="to")
    assert got["Body"].read() == b"copied" and got["Metadata"] == {"a": "1"}
    s3.copy_object(
        Bucket=BUCKET,
        Key="to",
        CopySource=source,
        Metadata={"b": "2"},
        MetadataDirective="REPLACE",
    )
    assert s3.head_object(Bucket=BUCKET, Key="to")["Metadata"] == {"b": "2"}
    fails("NoSuchKey", s3.copy_object, Bucket=BUCKET, Key="to", CopySource=f"{BUCKET}/never")


def presigned():
    for signer in [s3, client(signature_version="s3v4")]:
        place = dict(Bucket=BUCKET, Key="presigned ü")
        put = signer.generate_presigned_url("put_object", Params=place, ExpiresIn=60)
        request = urllib.request.Request(put, data=b"by address", method="PUT")
        assert urllib.request.urlopen(request).status == 200
        get = signer.generate_presigned_url(
            "get_object", Params=dict(**place, ResponseContentType="text/x"), ExpiresIn=60
        )
        with urllib.request.urlopen(get) as answer:
            assert answer.read() == b"by address"
            assert answer.headers["Content-Type"] == "text/x"


def conditions():
    place = dict(Bucket=BUCKET, Key="lease")
    first = s3.put_object(**place, Body=b"1", IfNoneMatch="*")
    fails("PreconditionFailed", s3.put_object, **place, Body=b"2", IfNoneMatch="*")
    second = s3.put_object(**place, Body=b"2", IfMatch=first["ETag"])
    fails("PreconditionFailed", s3.put_object, **place, Body=b"3", IfMatch=first["ETag"])
    fails("NoSuchKey", s3.put_object, Bucket=BUCKET, Key="never", Body=b"", IfMatch="x")
    fails("304", s3.get_object, **place, IfNoneMatch=second["ETag"])
    fails("PreconditionFailed", s3.get_object, **place, IfMatch=first["ETag"])
    fails("PreconditionFailed", s3.delete_object, **place, IfMatch=first["ETag"])
    s3.delete_object(**place, IfMatch=second["ETag"])


def strange_keys():
    keys = ["a", "a/b", "a//b", "a/", "../../escape", "./x", "100%", "x" * 1024, "%object", "k\\l"]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key="strange/" + key if len(key) < 1000 else key, Body=key.encode())
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="strange/")["Contents"]
    expected = sorted("strange/" + key for key in keys if len(key) < 1000)
    assert [it["Key"] for it in listed] == expected, listed
    assert s3.get_object(Bucket=BUCKET, Key="x" * 1024)["Body"].read() == b"x" * 1024
    fails("KeyTooLongError", s3.put_object, Bucket=BUCKET, Key="x" * 1025, Body=b"")


def virtual_host():
    port = ADDRESS.rsplit(":", 1)[1]
    request = urllib.request.Request(f"{ADDRESS}/empty", headers={"Host": f"{BUCKET}.localhost:{port}"})
    assert urllib.request.urlopen(request).read() == b""


clean()
for step in [
    buckets,
    put_get_head,
    checksums,
    lists,
    transfers,
    uploads,
    copies,
    presigned,
    conditions,
    strange_keys,
    virtual_host,
    clean,
]:
    step()
    print(f"{step.__name__}: ok")
