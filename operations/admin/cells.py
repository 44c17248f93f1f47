"""What a cell or a read-only field shows. Each is a template, so everything from outside is escaped
in one place, and the pages' own partials are used."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def pretty(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def json_block(document: Any) -> SafeString:
    return format_html('<pre class="json" dir="auto" tabindex="0">{}</pre>', pretty(document))


def ago(moment: datetime) -> SafeString:
    """``3 min ago``, with the exact time in the title."""
    return cell("_ago", moment=moment)


def link(address: str, text: object) -> SafeString:
    return format_html('<a href="{}" dir="auto">{}</a>', address, text)


def list_of(model: str, **filters: Any) -> str:
    """The address of the list of a model, filtered."""
    return f"{reverse(f'admin:operations_{model}_changelist')}?{urlencode(filters)}"


def cell(name: str, **values: Any) -> SafeString:
    """One of the admin's own templates for a cell."""
    return render_to_string(f"admin/operations/{name}.html", values)
