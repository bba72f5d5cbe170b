"""`{% url %}` for what a page has hundreds of: `{% asset_url NAME asset %}` and `{% fixed_url NAME %}`."""

from __future__ import annotations

from django import template

from generation.http.addresses import asset_address, fixed_address

register = template.Library()
register.simple_tag(asset_address, name="asset_url")
register.simple_tag(fixed_address, name="fixed_url")
