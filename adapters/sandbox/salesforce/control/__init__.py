"""The endpoints of the sandbox's own: faults, log, rules, clock."""
