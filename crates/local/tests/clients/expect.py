"""What the scripts beside this one share: that a call fails, and how."""

from botocore.exceptions import ClientError


def fails(code, call, **arguments):
    """Makes a call that must fail with this code, and returns the answer."""
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error.response
    raise AssertionError(f"{code} was expected")
