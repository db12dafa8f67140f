"""first schema"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "binding",
        sa.Column("id", WHOLE, autoincrement=True, nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("valid_from", WHOLE, nullable=False),
        sa.Column("valid_to", WHOLE, nullable=True),
        sa.CheckConstraint("role IN ('live', 'read-only', 'retired', 'shadow')", name="ck_role_word"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("binding", schema=None) as batch_op:
        batch_op.create_index("ix_binding_entity", ["entity", "system"], unique=False)
        batch_op.create_index("ix_binding_key", ["key", "system", "type"], unique=False)
        batch_op.create_index("ix_binding_live", ["system", "type", "role", "valid_to"], unique=False)
        batch_op.create_index(
            "ux_binding_key", ["system", "type", "key"], unique=True, sqlite_where=sa.text("valid_to IS NULL")
        )
        batch_op.create_index(
            "ux_binding_live_entity",
            ["entity", "system"],
            unique=True,
            sqlite_where=sa.text("role = 'live' AND valid_to IS NULL"),
        )
    op.create_table(
        "cause",
        sa.Column("command", WHOLE, nullable=False),
        sa.Column("inbox", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("command", "inbox"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("cause", schema=None) as batch_op:
        batch_op.create_index("ix_cause_inbox", ["inbox"], unique=False)
    op.create_table(
        "conflict",
        sa.Column("id", WHOLE, autoincrement=True, nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("rules_version", sa.Text(), nullable=False),
        sa.Column("winner_system", sa.Text(), nullable=False),
        sa.Column("winner", sa.Text(), nullable=False),
        sa.Column("loser_system", sa.Text(), nullable=False),
        sa.Column("loser", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('decided', 'open')", name="ck_state_word"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("conflict", schema=None) as batch_op:
        batch_op.create_index("ix_conflict_entity", ["entity", "id"], unique=False)
    op.create_table(
        "entity",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("birth", sa.Text(), nullable=False),
        sa.Column("born", WHOLE, nullable=False),
        sa.Column("lane", sa.Text(), nullable=True),
        sa.Column("business_key", sa.Text(), nullable=True),
        sa.Column("agreed", sa.Text(), nullable=False),
        sa.Column("parked", sa.Text(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=False),
        sa.Column("ended", sa.Text(), nullable=True),
        sa.Column("merged_into", sa.Text(), nullable=True),
        sa.Column("absent", sa.Text(), nullable=False),
        sa.CheckConstraint("merged_into IS NULL OR ended IS NOT NULL", name="ck_entity_merged_has_ended"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    with op.batch_alter_table("entity", schema=None) as batch_op:
        batch_op.create_index("ix_entity_business_key", ["business_key"], unique=False)
        batch_op.create_index("ix_entity_lane", ["type", "lane", "born", "id"], unique=False)
    op.create_table(
        "exception",
        sa.Column("id", WHOLE, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("command", WHOLE, nullable=True),
        sa.Column("inbox", WHOLE, nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("opened", WHOLE, nullable=False),
        sa.Column("due", WHOLE, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("closed", WHOLE, nullable=True),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('closed', 'open')", name="ck_state_word"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("exception", schema=None) as batch_op:
        batch_op.create_index(
            "ix_exception_entity", ["entity", "system"], unique=False, sqlite_where=sa.text("state = 'open'")
        )
        batch_op.create_index("ix_exception_state", ["state", "due"], unique=False)
        batch_op.create_index(
            "ux_exception_open",
            ["kind", "entity", "system", "mark", "subject"],
            unique=True,
            sqlite_where=sa.text("state = 'open'"),
        )
    op.create_table(
        "gap",
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.Column("token", WHOLE, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("behind", WHOLE, nullable=True),
        sa.Column("begun", WHOLE, nullable=True),
        sa.Column("resume", sa.Text(), nullable=False),
        sa.Column("taken", WHOLE, nullable=False),
        sa.Column("total", WHOLE, nullable=True),
        sa.Column("going", WHOLE, nullable=True),
        sa.Column("paced", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("system", "type"),
        sqlite_strict=True,
    )
    op.create_table(
        "hold",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope"),
        sqlite_strict=True,
    )
    op.create_table(
        "image",
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("fresh", WHOLE, nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("present", WHOLE, nullable=False),
        sa.Column("merged_into", sa.Text(), nullable=True),
        sa.Column("stale", sa.Text(), nullable=True),
        sa.Column("stale_since", WHOLE, nullable=True),
        sa.Column("lapsed", WHOLE, nullable=True),
        sa.Column("token", WHOLE, nullable=False),
        sa.Column("order_no", WHOLE, nullable=False),
        sa.Column("answered", WHOLE, nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("not_before", sa.Text(), nullable=True),
        sa.Column("not_after", sa.Text(), nullable=True),
        sa.Column("faulty", sa.Text(), nullable=False),
        sa.Column("seen", WHOLE, nullable=False),
        sa.CheckConstraint("grade IN ('assumed', 'read', 'told')", name="ck_grade_word"),
        sa.CheckConstraint(
            "stale IS NULL OR stale IN ('changed', 'confirm', 'gap', 'undecodable')", name="ck_stale_word"
        ),
        sa.CheckConstraint("(fresh = 1) = (stale IS NULL)", name="ck_image_fresh_or_why"),
        sa.CheckConstraint("fresh IN (0, 1) AND present IN (0, 1)", name="ck_image_flags"),
        sa.CheckConstraint("lapsed IS NULL OR fresh = 0", name="ck_image_lapsed_is_stale"),
        sa.CheckConstraint("merged_into IS NULL OR present = 0", name="ck_image_merged_is_gone"),
        sa.PrimaryKeyConstraint("entity", "system"),
        sqlite_strict=True,
    )
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.create_index(
            "ix_image_stale", ["system", "stale_since"], unique=False, sqlite_where=sa.text("fresh = 0")
        )
    op.create_table(
        "inbox",
        sa.Column("seq", WHOLE, autoincrement=True, nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("order_no", WHOLE, nullable=False),
        sa.Column("at", WHOLE, nullable=True),
        sa.Column("received", WHOLE, nullable=False),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("transaction_key", sa.Text(), nullable=True),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=True),
        sa.Column("targets", WHOLE, nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('answer', 'event', 'gap', 'overflow', 'read', 'told', 'undecodable')",
            name="ck_kind_word",
        ),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("system", "stream", "source_id", name="ux_inbox_source"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index("ix_inbox_correlation", ["correlation"], unique=False)
        batch_op.create_index("ix_inbox_entity", ["entity", "seq"], unique=False)
        batch_op.create_index(
            "ix_inbox_key", ["system", "key"], unique=False, sqlite_where=sa.text("entity IS NULL")
        )
        batch_op.create_index(
            "ix_inbox_unbound",
            ["received"],
            unique=False,
            sqlite_where=sa.text("entity IS NULL AND key IS NOT NULL AND reason = ''"),
        )
    op.create_table(
        "journal",
        sa.Column("id", WHOLE, autoincrement=True, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("epoch", WHOLE, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("journal", schema=None) as batch_op:
        batch_op.create_index("ix_journal_subject", ["subject", "subject_id", "id"], unique=False)
    op.create_table(
        "life",
        sa.Column("number", WHOLE, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("epoch", WHOLE, nullable=False),
        sa.Column("token", WHOLE, nullable=False),
        sa.Column("renewed", WHOLE, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("begun", WHOLE, nullable=False),
        sa.Column("fenced", WHOLE, nullable=True),
        sa.Column("fenced_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id", name="ux_life_id"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "link",
        sa.Column("refers_to", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("refers_to", "entity"),
        sqlite_strict=True,
    )
    with op.batch_alter_table("link", schema=None) as batch_op:
        batch_op.create_index("ix_link_entity", ["entity"], unique=False)
    op.create_table(
        "look",
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("made", WHOLE, nullable=False),
        sa.Column("until", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("system", "type"),
        sqlite_strict=True,
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sqlite_strict=True,
    )
    op.create_table(
        "obligation",
        sa.Column("inbox", WHOLE, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("command", WHOLE, nullable=True),
        sa.CheckConstraint(
            "state IN ('confirmed', 'excepted', 'no-difference', 'open', 'parked', 'superseded')",
            name="ck_state_word",
        ),
        sa.PrimaryKeyConstraint("inbox", "target"),
        sqlite_strict=True,
    )
    with op.batch_alter_table("obligation", schema=None) as batch_op:
        batch_op.create_index("ix_obligation_command", ["command"], unique=False)
        batch_op.create_index("ix_obligation_entity", ["entity", "target", "state"], unique=False)
        batch_op.create_index(
            "ix_obligation_open", ["entity", "target"], unique=False, sqlite_where=sa.text("state = 'open'")
        )
    op.create_table(
        "outbox",
        sa.Column("number", WHOLE, autoincrement=True, nullable=False),
        sa.Column("epoch", WHOLE, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("numbers", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("guard", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("partial", WHOLE, nullable=False),
        sa.Column("held", WHOLE, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", WHOLE, nullable=False),
        sa.Column("not_before", WHOLE, nullable=False),
        sa.Column("planned", WHOLE, nullable=False),
        sa.Column("sent", WHOLE, nullable=True),
        sa.Column("asked", WHOLE, nullable=True),
        sa.Column("due", WHOLE, nullable=True),
        sa.Column("finished", WHOLE, nullable=True),
        sa.Column("handle", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('create', 'delete', 'update')", name="ck_kind_word"),
        sa.CheckConstraint(
            "state IN ('accepted', 'ready', 'rejected', 'sent', 'stored', 'superseded', 'uncertain')",
            name="ck_state_word",
        ),
        sa.CheckConstraint("held IN (0, 1)", name="ck_outbox_held"),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_correlation", ["correlation"], unique=False)
        batch_op.create_index(
            "ix_outbox_counted",
            ["entity", "target", "kind", "number"],
            unique=False,
            sqlite_where=sa.text("(sent IS NOT NULL OR state NOT IN ('rejected', 'superseded'))"),
        )
        batch_op.create_index(
            "ix_outbox_due",
            ["target", "not_before"],
            unique=False,
            sqlite_where=sa.text("(state = 'uncertain' OR (state = 'ready' AND held = 0))"),
        )
        batch_op.create_index("ix_outbox_entity", ["entity", "target", "number"], unique=False)
        batch_op.create_index(
            "ix_outbox_handle", ["handle", "target"], unique=False, sqlite_where=sa.text("handle IS NOT NULL")
        )
        batch_op.create_index(
            "ix_outbox_held",
            ["target", "type", "kind", "entity"],
            unique=False,
            sqlite_where=sa.text("held = 1"),
        )
        batch_op.create_index("ix_outbox_id", ["message_id"], unique=False)
        batch_op.create_index("ix_outbox_state", ["state", "target", "held", "number"], unique=False)
        batch_op.create_index(
            "ux_outbox_message",
            ["message_id"],
            unique=True,
            sqlite_where=sa.text("state NOT IN ('rejected', 'superseded')"),
        )
        batch_op.create_index(
            "ux_outbox_open",
            ["entity", "target"],
            unique=True,
            sqlite_where=sa.text("state IN ('ready', 'sent', 'stored', 'uncertain')"),
        )
    op.create_table(
        "planned",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("minute", WHOLE, nullable=False),
        sa.Column("count", WHOLE, nullable=False),
        sa.CheckConstraint("count >= 0", name="ck_planned_count"),
        sa.PrimaryKeyConstraint("scope", "minute"),
        sqlite_strict=True,
    )
    op.create_table(
        "position",
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("moved", WHOLE, nullable=False),
        sa.Column("told", WHOLE, nullable=True),
        sa.PrimaryKeyConstraint("system", "stream"),
        sqlite_strict=True,
    )
    op.create_table(
        "reference",
        sa.Column("placeholder", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("placeholder", "entity"),
        sqlite_strict=True,
    )
    op.create_table(
        "scope",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("approved", WHOLE, nullable=False),
        sa.Column("live", WHOLE, nullable=False),
        sa.Column("counted", WHOLE, nullable=True),
        sa.CheckConstraint("approved IN (0, 1)", name="ck_scope_approved"),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
    op.create_table(
        "shown",
        sa.Column("number", WHOLE, autoincrement=True, nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("life", sa.Text(), nullable=False),
        sa.Column("token", WHOLE, nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("held", WHOLE, nullable=False),
        sa.CheckConstraint("held IN (0, 1)", name="ck_shown_held"),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("system", "stamp", name="ux_shown_stamp"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "system",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("contact", WHOLE, nullable=True),
        sa.Column("event", WHOLE, nullable=True),
        sa.CheckConstraint("state IN ('degraded', 'down', 'starting', 'up')", name="ck_state_word"),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
    op.create_table(
        "waiting",
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("waits_on", sa.Text(), nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("entity", "target"),
        sqlite_strict=True,
    )
    with op.batch_alter_table("waiting", schema=None) as batch_op:
        batch_op.create_index("ix_waiting_on", ["waits_on"], unique=False)
    op.create_table(
        "withheld",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.Column("refused", WHOLE, nullable=False),
        sa.Column("unseen", WHOLE, nullable=False),
        sa.Column("tries", WHOLE, nullable=False),
        sa.Column("due", WHOLE, nullable=False),
        sa.Column("probe", sa.Text(), nullable=False),
        sa.CheckConstraint("refused + unseen > 0", name="ck_withheld_some"),
        sa.CheckConstraint("refused IN (0, 1) AND unseen IN (0, 1)", name="ck_withheld_flags"),
        sa.PrimaryKeyConstraint("target", "type", "field"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    raise RuntimeError("there is no way down: restore the backup taken before the upgrade")
