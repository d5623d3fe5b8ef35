"""The process that builds: what it is asked, what it tells, how it starts and ends."""
