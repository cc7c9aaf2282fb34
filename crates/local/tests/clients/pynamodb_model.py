"""The embedded DynamoDB under an object mapper: pynamodb, with its address in STREAMDEX_DYNAMODB."""

import os
from datetime import datetime, timezone

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.connection import Connection
from pynamodb.exceptions import DoesNotExist, PutError, TransactWriteError, UpdateError
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, LocalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactGet, TransactWrite

ADDRESS = os.environ["STREAMDEX_DYNAMODB"]


class ByYear(GlobalSecondaryIndex):
    class Meta:
        index_name = "by-year"
        projection = AllProjection()
        read_capacity_units = write_capacity_units = 1

    year = NumberAttribute(hash_key=True)
    title = UnicodeAttribute(range_key=True)


class ByPrice(LocalSecondaryIndex):
    class Meta:
        index_name = "by-price"
        projection = AllProjection()

    author = UnicodeAttribute(hash_key=True)
    price = NumberAttribute(range_key=True)


class Cover(MapAttribute):
    color = UnicodeAttribute()
    width = NumberAttribute(null=True)


class Book(Model):
    class Meta:
        table_name = "mapped-books"
        host = ADDRESS
        region = "us-east-1"
        read_capacity_units = write_capacity_units = 1

    author = UnicodeAttribute(hash_key=True)
    title = UnicodeAttribute(range_key=True)
    year = NumberAttribute(default=2003)
    price = NumberAttribute(null=True)
    tags = UnicodeSetAttribute(null=True)
    cover = Cover(null=True)
    chapters = ListAttribute(null=True)
    extra = JSONAttribute(null=True)
    in_print = BooleanAttribute(default=True)
    added = UTCDateTimeAttribute(default=datetime(2026, 11, 27, tzinfo=timezone.utc))
    version = VersionAttribute()
    by_year = ByYear()
    by_price = ByPrice()


def tables():
    assert not Book.exists()
    Book.create_table(wait=True)
    assert Book.exists()


def saves():
    book = Book("Dan Brown", "The DaVinci code", price=9.5, tags={"a", "b"}, extra={"x": [1]})
    book.cover = Cover(color="red")
    book.chapters = ["one", 2]
    book.save()
    same = Book.get("Dan Brown", "The DaVinci code")
    assert same.tags == {"a", "b"} and same.cover.color == "red", same
    assert same.chapters == ["one", 2] and same.extra == {"x": [1]} and same.version == 1
    assert same.added.year == 2026 and same.in_print is True

    same.update(
        actions=[
            Book.price.add(1),
            Book.cover.width.set(12),
            Book.tags.delete({"a"}),
            Book.chapters.set(Book.chapters.append(["three"])),
            Book.extra.remove(),
        ],
        condition=(Book.price < 10) & Book.tags.contains("b"),
    )
    assert (same.price, same.cover.width, same.tags) == (10.5, 12, {"b"}), same
    assert same.chapters == ["one", 2, "three"] and same.version == 2
    fails(UpdateError, lambda: same.update(actions=[Book.price.set(0)], condition=Book.price > 99))
    stale = Book("Dan Brown", "The DaVinci code")
    stale.version = 1
    fails(PutError, stale.save)
    same.refresh(consistent_read=True)
    same.delete()
    fails(DoesNotExist, lambda: Book.get("Dan Brown", "The DaVinci code"))


def finds():
    with Book.batch_write() as batch:
        for n in range(60):
            batch.save(Book(f"author {n % 2}", f"book {n:02}", price=100 - n, year=2000 + n % 3))
    titles = [it.title for it in Book.query("author 0", Book.title.startswith("book 1"), page_size=2)]
    assert titles == ["book 10", "book 12", "book 14", "book 16", "book 18"], titles
    cheap = [it.title for it in Book.by_price.query("author 1", Book.price < 45, limit=2)]
    assert cheap == ["book 59", "book 57"], cheap
    assert Book.by_year.count(2001) == 20
    assert sum(1 for _ in Book.scan(Book.year == 2002, page_size=7)) == 20
    got = list(Book.batch_get([("author 0", "book 00"), ("author 1", "book 01"), ("x", "y")]))
    assert sorted(it.title for it in got) == ["book 00", "book 01"], got
    first = Book.query("author 0", limit=3)
    assert len(list(first)) == 3
    rest = list(Book.query("author 0", last_evaluated_key=first.last_evaluated_key))
    assert len(rest) == 27, len(rest)


def transactions():
    connection = Connection(region="us-east-1", host=ADDRESS)
    with TransactWrite(connection=connection) as transaction:
        transaction.save(Book("transactions", "one"))
        transaction.update(Book("author 0", "book 00"), actions=[Book.price.set(1)])
    with TransactGet(connection=connection) as transaction:
        one = transaction.get(Book, "transactions", "one")
    assert one.get().title == "one"

    def again():
        with TransactWrite(connection=connection) as transaction:
            transaction.save(Book("transactions", "two"))
            transaction.condition_check(Book, "transactions", "one", Book.year == 1)

    fails(TransactWriteError, again)
    fails(DoesNotExist, lambda: Book.get("transactions", "two"))


def fails(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} was expected")


for step in [tables, saves, finds, transactions, lambda: Book.delete_table(wait=True)]:
    step()
    print(f"{step.__name__}: ok")
