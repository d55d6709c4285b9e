"""Every collection of documents there is; a store is opened with all of them."""

from cinelog_common.documents.ports import Collection

JOBS = Collection(name="jobs", order_by="created_ms", index=("state", "account"))
"""The latest snapshot of each job, as `cinelog.jobs.status` told it."""
JOURNAL = Collection(name="journal", order_by="requested_ms", index=())
"""What was acknowledged, in the standalone mode, where the log does not outlive its process."""
PUBLICATIONS = Collection(name="publications", order_by="at", index=())
"""Which job a place in a destination folder belongs to."""

COLLECTIONS = (JOBS, JOURNAL, PUBLICATIONS)
