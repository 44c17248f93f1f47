"""What the figures stand beside: small programs, made and tuned as their users would.

All read the table of operations that connectors-admin has made, and none asks who the caller is but
``rest``.
"""
