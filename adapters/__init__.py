"""Systems that Isthmus talks to. Each kind passes the same contract suites in tests/contract."""
