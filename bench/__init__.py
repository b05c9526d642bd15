"""What Headway promises of its speed and memory, measured: `make bench`, or `make bench ARGS=ingest` for one."""
