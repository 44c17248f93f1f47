"""OData query options: text -> values. Imports no model; nothing here reaches the ORM by name.

An entity type (``types``) is the allow-list: which members there are, which of them can be
filtered and sorted by, and which column stands behind each. ``options`` reads a request by it.
"""
