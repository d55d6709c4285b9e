"""Objects in a bucket of S3, MinIO or any store that speaks S3 with conditional writes.

aiobotocore and not s3fs: s3fs has no if-match, hides which condition failed, and
silently overwrites where a file opened with "xb" is closed without data. Here
each condition is one argument of one request, and its answer is seen.
"""

from cinelog_common.objects.s3.store import S3ObjectStore, S3Options

__all__ = ["S3ObjectStore", "S3Options"]
