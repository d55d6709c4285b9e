"""The page that plays a job."""
