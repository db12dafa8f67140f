"""Commands into the ERP, the ledger row in the same transaction, so that a message id has one effect.

    Applier ── partition ──▶ group (one transaction of many) ──▶ outcomes
                               │ refused for its data, or not taken as asked: rolled back
                               └──▶ halves, or single (one transaction of one) ──▶ outcomes

A ledger row exists if and only if the effect does. A refusal leaves no row: it had no effect, and an event
transfer keeps its message id when a person sends it again after the cause was removed.
"""
