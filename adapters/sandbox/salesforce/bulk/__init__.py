"""The bulk APIs 1.0 and 2.0: jobs that write or query many records, streamed from and to files."""
