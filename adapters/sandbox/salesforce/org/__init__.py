"""The org itself: objects, records, users, rules and the transactions that change them."""
