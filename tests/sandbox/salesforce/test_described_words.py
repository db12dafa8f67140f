"""What an objects file says about itself is what the reader of such files takes."""

from __future__ import annotations

import re

from adapters.sandbox.salesforce.org import definitions
from adapters.sandbox.salesforce.org.fields import OnDelete
from adapters.sandbox.salesforce.org.shapes import FIELD_WORDS


def test_the_head_of_the_sample_names_every_type_flag_and_key() -> None:
    text = definitions.SAMPLE.read_text(encoding="utf-8")
    head = " ".join(line for line in text.splitlines() if line.startswith("#"))
    words = set(re.findall(r"[a-z][a-z_-]+", head))
    assert words >= FIELD_WORDS
    assert words >= {each.value for each in OnDelete}
    assert words >= {
        "required",
        "unique",
        "external-id",
        "restricted",
        "read-only",
        "default",
        "doc",
        "children",
    }
    keys = {
        "prefix",
        "label",
        "label_plural",
        "record_types",
        "change_events",
        "writable",
        "conditional_etag",
    }
    assert words >= keys | {"validations", "duplicates", "flows"}


def test_the_sample_is_read_and_every_object_has_an_id_prefix_of_its_own() -> None:
    defined = definitions.read()
    prefixes = [each.kind.prefix for each in defined.objects]
    assert len(set(prefixes)) == len(prefixes) > 15
    assert [kind.name for kind in defined.events] == ["Erp_Notice__e"]
