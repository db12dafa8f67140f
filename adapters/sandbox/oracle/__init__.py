"""The judge: an own process that reads every system by itself and says whether they agree.

It shares no code with what it judges. By its path: ``python adapters/sandbox/oracle --salesforce URL …``.
"""
